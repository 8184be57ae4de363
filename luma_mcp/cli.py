"""The command line: serve over HTTP or stdio, run the sandbox alone, print the tools.

A command imports what it needs and nothing else: all of it takes a second or two.
"""

import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import cyclopts
from cyclopts import Parameter

from luma_mcp import __version__
from luma_mcp.importing import importing

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from luma_mcp.settings import Settings

Host = Annotated[str | None, Parameter(help="Address to listen on (127.0.0.1).")]
Port = Annotated[int | None, Parameter(help="Port to listen on (8000).")]
LogFormat = Annotated[Literal["console", "json"] | None, Parameter(help="How log lines look.")]

app = cyclopts.App(
    name="luma-mcp",
    help="The MCP server for Luma. Every option is also a variable, such as LUMA_MCP_PORT.",
    version=__version__,
)

SANDBOX_WELCOME = """
  luma-mcp with its sandbox: nothing here costs anything.

  Endpoint   {base}/mcp{sign_in}
  Keys       luma-sandbox       (any that begins with luma- is an account of Dream Machine)
             luma-api-sandbox   (any that begins with luma-api- is one of the Agents API)
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
    except Exception as error:
        from luma_mcp.settings import SettingError

        if isinstance(error, SettingError):
            stop(str(error))
        raise


def _load(**options: object) -> "Settings":
    """Read the settings, and send log lines where they say."""
    from luma_mcp.settings import load_settings
    from luma_mcp.telemetry import configure_logging

    settings = load_settings(**options)
    configure_logging(settings.log_format, settings.log_level)
    return settings


def _check_is_one(settings: "Settings") -> None:
    """Refuse workers to the sandbox: each would have accounts of its own."""
    if settings.workers > 1:
        from luma_mcp.settings import SettingError

        raise SettingError("LUMA_MCP_WORKERS must be 1 with the sandbox.")


def build_server(settings: "Settings") -> "Starlette":
    """Build the server; every worker does."""
    with importing():
        from luma_mcp.web.app import build_app

    return build_app(settings)


def build_sandbox(settings: "Settings") -> "Starlette":
    """Build the emulator of Luma."""
    with importing():
        from luma_mcp.web.emulator import build_emulator

    return build_emulator(settings)


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
    from luma_mcp import serving

    if settings.sandbox:
        _check_is_one(settings)
    welcome = SANDBOX_WELCOME if settings.sandbox else "luma-mcp serves {base}/mcp{sign_in}\n"
    serving.serve(build_server, settings, welcome)


@app.command
def stdio() -> None:
    """Serve one user over stdin and stdout, with the key in LUMA_API_KEY."""
    settings = _load()
    with importing():
        from luma_mcp import stdio

    stdio.serve(settings)


@app.command
def sandbox(*, host: Host = None, port: Port = None, log_format: LogFormat = None) -> None:
    """Run the emulator of Luma alone, for SDKs and other clients."""
    settings = _load(host=host, port=port, log_format=log_format)
    from luma_mcp import serving

    _check_is_one(settings)
    serving.serve(
        build_sandbox,
        settings,
        "The sandbox serves {local}/dream-machine/v1 and {local}/agents/v1\n",
    )


@app.command
def tools() -> None:
    """Print the catalogue of tools."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `luma-mcp tools | head` ends in silence
    with importing():
        from luma_mcp.tools import build_tools

    for tool in build_tools().values():
        first_line = (tool.description or "").splitlines()[0]
        sys.stdout.write(f"{tool.name:<20} {','.join(tool.toolsets):<26} {first_line}\n")


def load_app() -> "Starlette":
    """Build the application from the environment, for `uvicorn server:app`."""
    with _wrong_settings_explained():
        return build_server(_load())


def main() -> None:
    """Run the command line."""
    with _wrong_settings_explained():
        app()
