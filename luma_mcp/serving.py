"""A process that serves over HTTP: its socket, uvicorn, and its memory."""

import gc
import socket
import sys
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette

from luma_mcp.settings import SettingError, Settings

# Clients and proxies shall be the first to let go of an idle connection (httpx after 5 s, nginx
# after 60, Caddy after 120): a request that meets its end is lost, and a paid one not sent again.
KEEP_ALIVE_SECONDS = 130


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
        place = f"{settings.host} port {settings.port}"
        raise SettingError(f"cannot listen on {place}: {error.strerror}.") from None
    return bound


def serve(build: Callable[[Settings], Starlette], settings: Settings, welcome: str) -> None:
    """Serve an application until the process is told to end.

    Args:
        build: Builds it, once the port is bound: with port 0 its own address is known only then.
        settings: Where to listen, and how.
        welcome: Printed when it listens, with `{base}` for its address as users see it, `{local}`
            for that on this machine, and `{sign_in}` for where clients sign in, if they can.

    Raises:
        SettingError: The port cannot be had, or the application cannot be built like that.
    """
    bound = _bind(settings)
    settings = settings.model_copy(update={"port": bound.getsockname()[1]})
    config = uvicorn.Config(
        build(settings),
        access_log=False,
        log_config=None,
        server_header=False,
        ws="none",
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    local = settings.local_url
    sign_in = f", or {settings.oauth_url}/mcp to sign in" if settings.oauth_url else ""
    greeting = welcome.format(base=settings.public_url or local, local=local, sign_in=sign_in)
    _Server(config, greeting).run(sockets=[bound])
