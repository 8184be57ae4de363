"""The sandbox: an emulator of Luma's APIs as one Starlette application."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from luma_mcp.sandbox import agents
from luma_mcp.sandbox.agents import Agents, Stamped
from luma_mcp.sandbox.agents_accounts import KEYS
from luma_mcp.sandbox.agents_files import AgentsFiles, Inspection
from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.sandbox.clock import Clock, SystemClock
from luma_mcp.sandbox.dream_machine import DreamMachine
from luma_mcp.sandbox.faults import URLS, WORDS
from luma_mcp.sandbox.gallery import Gallery
from luma_mcp.sandbox.presigning import Presigner
from luma_mcp.sandbox.scenes import Scene

DEFAULT_BEHAVIOUR = Behaviour()


class DrawingNotInstalled(RuntimeError):
    """The libraries that the sandbox draws with are an extra, which is not there."""


def build_sandbox(
    *, behaviour: Behaviour = DEFAULT_BEHAVIOUR, clock: Clock | None = None
) -> Starlette:
    """Build a sandbox, which shares nothing with any other.

    Alone it is an application like any other: its endpoints are `/dream-machine/v1/...`,
    `/agents/...` and `/media/...`, and a server runs its lifespan. Below another application it
    works the same, but servers run the lifespan of the outermost only, so that the parent enters
    `running`:

        sandbox = build_sandbox()

        @asynccontextmanager
        async def lifespan(parent):
            async with running(sandbox):
                yield

        Starlette(routes=[Mount("/sandbox", sandbox)], lifespan=lifespan)

    Args:
        behaviour: Its pace, limits and bounds.
        clock: What its jobs age by; the machine's own clock by default.

    Raises:
        DrawingNotInstalled: If the libraries that it draws with are not installed.
    """
    draw, inspect = _load_drawing()
    clock = clock or SystemClock()
    presigner = Presigner(clock)
    gallery = Gallery(behaviour, draw, presigner)
    dream_machine = DreamMachine(behaviour, clock, gallery)
    agents_api = Agents(behaviour, clock, gallery)
    files = AgentsFiles(behaviour, clock, agents_api.accounts, presigner, inspect)
    routes = [
        *dream_machine.list_routes(),
        *files.list_upload_routes(),
        *gallery.list_routes(),
    ]
    below = [*agents_api.list_routes(), *files.list_routes()]
    index = Route("/", _build_index([*_name(routes), *_name(below, agents.PREFIX)]))
    mounted = Mount(agents.PREFIX, Stamped(_build_app(below)))
    sandbox = _build_app([index, *routes, mounted], lifespan=running)
    sandbox.state.close = dream_machine.close
    return sandbox


@asynccontextmanager
async def running(sandbox: Starlette) -> AsyncGenerator[None]:
    """Let a sandbox run, and end its background work after that.

    Without it everything works except that callbacks still under way are not ended in order.
    """
    try:
        yield
    finally:
        await sandbox.state.close()


def _load_drawing() -> tuple[Callable[[Scene], bytes], Inspection]:
    try:
        from luma_mcp.sandbox import (  # noqa: PLC0415 - an extra, which may be missing
            inspection,
            media,
        )
    except ImportError as error:
        raise DrawingNotInstalled(
            "The sandbox needs its drawing libraries. "
            'Install the server with its extra "sandbox": pip install ".[sandbox]" in its source.'
        ) from error
    return media.draw, inspection.inspect


def _build_app(
    routes: Sequence[BaseRoute],
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None,
) -> Starlette:
    app = Starlette(
        routes=routes,
        exception_handlers={HTTPException: _answer_error, Exception: _answer_error},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


def _name(routes: Iterable[Route], prefix: str = "") -> Iterator[str]:
    for route in routes:
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield f"{method} {prefix}{route.path}"


def _build_index(endpoints: list[str]) -> Callable[[Request], Awaitable[Response]]:
    index = {
        "name": "Luma sandbox",
        "keys": KEYS,
        "endpoints": sorted(endpoints),
        "prompt_words": WORDS,
        "urls": URLS,
    }

    async def show_index(_: Request) -> Response:
        return JSONResponse(index)

    return show_index


async def _answer_error(_: Request, error: Exception) -> Response:
    """Say what is wrong in the one shape that both APIs have for it."""
    if not isinstance(error, HTTPException):
        error = HTTPException(500, "Internal server error")
    return JSONResponse(
        {"detail": error.detail}, status_code=error.status_code, headers=error.headers
    )
