"""The command line: serve over HTTP or stdio, run the sandbox alone, print the tools."""

import asyncio
import gc
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Annotated, Literal, NoReturn

import cyclopts
import uvicorn
from cyclopts import Parameter
from starlette.applications import Starlette

from luma_mcp import __version__
from luma_mcp.credentials import AGENTS_KEY_HEADER, Credentials, credentials_from_headers
from luma_mcp.errors import KEYS_PAGE, LumaMcpError
from luma_mcp.mcp_server import build_mcp
from luma_mcp.services import Access, Services, open_services
from luma_mcp.settings import SettingError, Settings, load_settings, load_stdio_keys
from luma_mcp.stopping import ending_in_order
from luma_mcp.telemetry import configure_logging
from luma_mcp.tools import build_tools
from luma_mcp.web.app import build_app
from luma_mcp.web.emulator import build_emulator

Host = Annotated[str | None, Parameter(help="Address to listen on (127.0.0.1).")]
Port = Annotated[int | None, Parameter(help="Port to listen on (8000).")]
LogFormat = Annotated[Literal["console", "json"] | None, Parameter(help="How log lines look.")]

app = cyclopts.App(
    name="luma-mcp",
    help="The MCP server for Luma. Every option is also a variable LUMA_MCP_<NAME>.",
    version=__version__,
)

SANDBOX_WELCOME = """
  luma-mcp with its sandbox: nothing here costs anything.

  Endpoint   {base}/mcp
  Key        luma-sandbox   (any key that begins with luma- is an account of its own)
  Try        curl -s {base}/mcp -H 'Authorization: Bearer luma-sandbox' \\
               -H 'Content-Type: application/json' \\
               -H 'Accept: application/json, text/event-stream' \\
               -d '{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":\
"create_generation","arguments":{{"prompt":"A paper boat on a quiet lake at dawn"}}}}}}'
  Page       {base}/

"""


def stop(sentence: str) -> NoReturn:
    """End the start with one clear sentence."""
    sys.stderr.write(f"luma-mcp: {sentence}\n")
    raise SystemExit(2)


@contextmanager
def _wrong_settings_explained() -> Generator[None]:
    try:
        yield
    except SettingError as error:
        stop(str(error))


def settle_memory() -> None:
    """Keep the garbage collector from going over what lives long, again and again.

    The libraries' objects, for good, were a fifth of the cost of a call when measured. Those of
    2,000 waiting calls, at Python's own thresholds, were a quarter of all CPU and stopped the
    process for 0.6 seconds at a time; at these it was 0.1, with as much memory.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


class _Server(uvicorn.Server):
    """uvicorn, which greets when it listens."""

    def __init__(self, config: uvicorn.Config, welcome: str) -> None:
        super().__init__(config)
        self._welcome = welcome

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Greet when the port is open."""
        await super().startup(sockets)
        settle_memory()
        if self.started:
            sys.stderr.write(self._welcome)


def _bind(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With the protocol named, asyncio switches Nagle's delay off for what it accepts.
    bound = socket.socket(family, proto=socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host, settings.port))
    except OSError as error:
        stop(f"cannot listen on {settings.host} port {settings.port}: {error.strerror}.")
    return bound


def _run(application: Starlette, settings: Settings, bound: socket.socket, welcome: str) -> None:
    config = uvicorn.Config(
        application,
        access_log=False,
        log_config=None,
        server_header=False,
        ws="none",
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    _Server(config, welcome).run(sockets=[bound])


def _load(**options: object) -> Settings:
    settings = load_settings(**options)
    configure_logging(settings.log_format, settings.log_level)
    return settings


def _listen(settings: Settings) -> tuple[Settings, socket.socket]:
    """Bind first: with port 0 the sandbox's own address is known only then."""
    bound = _bind(settings)
    port = bound.getsockname()[1]
    return settings.model_copy(update={"port": port}), bound


def load_app() -> Starlette:
    """Build the application from the environment, for `uvicorn server:app`."""
    with _wrong_settings_explained():
        return build_app(_load())


@app.default
@app.command
def serve(
    *,
    host: Host = None,
    port: Port = None,
    sandbox: Annotated[
        bool | None, Parameter(help="Answer with the built-in emulator of Luma.", negative="")
    ] = None,
    log_format: LogFormat = None,
) -> None:
    """Serve MCP over streamable HTTP (the default command)."""
    settings = _load(host=host, port=port, sandbox=sandbox, log_format=log_format)
    settings, bound = _listen(settings)
    application = build_app(settings)
    welcome = SANDBOX_WELCOME if settings.sandbox else "luma-mcp serves {base}/mcp\n"
    _run(
        application, settings, bound, welcome.format(base=settings.public_url or settings.local_url)
    )


def _own_credentials() -> Credentials:
    """Read the keys of the one user of stdio from the environment."""
    keys = load_stdio_keys()
    given = (("x-luma-api-key", keys.luma_api_key), (AGENTS_KEY_HEADER, keys.luma_agents_api_key))
    headers = [(name, key.get_secret_value()) for name, key in given if key]
    try:
        credentials = credentials_from_headers(headers)
    except LumaMcpError:
        stop("LUMA_API_KEY or LUMA_AGENTS_API_KEY does not hold an API key.")
    if credentials is None:
        stop(f"set LUMA_API_KEY to your Luma API key ({KEYS_PAGE}).")
    return credentials


@app.command
def stdio() -> None:
    """Serve one user over stdin and stdout, with the key in LUMA_API_KEY."""
    settings = _load()
    if settings.sandbox:
        raise SettingError(
            "LUMA_MCP_SANDBOX needs HTTP: run `luma-mcp sandbox` and let "
            "LUMA_MCP_DREAM_MACHINE_URL point to it."
        )
    access = Access.by(settings, _own_credentials())

    @asynccontextmanager
    async def services() -> AsyncGenerator[Services]:
        async with open_services(settings, access) as opened:
            with ending_in_order(partial(_say_farewell, opened)):
                yield opened

    asyncio.run(build_mcp(services).run_async("stdio", show_banner=False))


async def _say_farewell(services: Services) -> None:
    """Let calls under way be answered: nothing on stdio says when the last answer is out."""
    services.stop()
    await services.under_way.answered()
    await services.dream_machine.finish()


@app.command
def sandbox(*, host: Host = None, port: Port = None, log_format: LogFormat = None) -> None:
    """Run the emulator of Luma alone, for SDKs and other clients."""
    settings = _load(host=host, port=port, log_format=log_format)
    settings, bound = _listen(settings)
    _run(
        build_emulator(settings),
        settings,
        bound,
        f"The sandbox serves {settings.local_url}/dream-machine/v1\n",
    )


@app.command
def tools() -> None:
    """Print the catalogue of tools."""
    for tool in build_tools().values():
        first_line = (tool.description or "").splitlines()[0]
        sys.stdout.write(f"{tool.name:<20} {','.join(tool.toolsets):<26} {first_line}\n")


def main() -> None:
    """Run the command line."""
    with _wrong_settings_explained():
        app()
