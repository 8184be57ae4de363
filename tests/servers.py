"""Real servers on loopback: uvicorn with an application, or a socket that misbehaves."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from luma_mcp.sandbox.clock import Clock
from luma_mcp.settings import load_settings
from luma_mcp.watching import Pace
from luma_mcp.web.app import build_app

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class _Server(uvicorn.Server):
    """uvicorn as a guest in the test's own loop: it says when it is up and leaves signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def bound_socket() -> socket.socket:
    bound = socket.socket(proto=socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", 0))
    return bound


def url_of(bound: socket.socket) -> str:
    return f"http://127.0.0.1:{bound.getsockname()[1]}"


@asynccontextmanager
async def serving(
    app: ASGIApp,
    bound: socket.socket | None = None,
    **options: Any,  # noqa: ANN401 - uvicorn's
) -> AsyncGenerator[str]:
    """Run an application on uvicorn with these options of its; gives its base URL."""
    ours = {"log_config": None, "access_log": False, "timeout_graceful_shutdown": 1}
    config = uvicorn.Config(app, **ours | options)
    server = _Server(config)
    with bound or bound_socket() as listening:
        running = asyncio.create_task(server.serve([listening]))
        await server.up.wait()
        try:
            yield url_of(listening)
        finally:
            server.should_exit = True
            await running


@asynccontextmanager
async def misbehaving(conversation: Conversation) -> AsyncGenerator[str]:
    """Answer each connection on a raw socket as told; gives the base URL."""
    server = await asyncio.start_server(conversation, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def product(clock: Clock | None = None, **options: object) -> AsyncGenerator[str]:
    """Run the whole server in front of its own sandbox; gives its base URL."""
    async with application_and_url(clock, **options) as (_, url):
        yield url


@asynccontextmanager
async def application_and_url(
    clock: Clock | None = None,
    pace: Pace | None = None,
    *,
    is_public: bool = False,
    **options: object,
) -> AsyncGenerator[tuple[Starlette, str]]:
    """Run the whole server, and let the test look inside.

    When it is public, it knows its own address, and the sandbox calls it back there.
    """
    bound = bound_socket()
    options = {"sandbox": True, "port": bound.getsockname()[1], **options}
    if is_public:
        options["public_url"] = url_of(bound)
    app = build_app(load_settings(**options), clock, pace)
    async with serving(app, bound) as url:
        yield app, url
