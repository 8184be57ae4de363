"""The sandbox: an emulator of Luma's APIs as one Starlette application."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.sandbox.clock import Clock, SystemClock
from luma_mcp.sandbox.dream_machine import DreamMachine
from luma_mcp.sandbox.faults import URLS, WORDS
from luma_mcp.sandbox.gallery import Gallery
from luma_mcp.sandbox.scenes import Scene

DEFAULT_BEHAVIOUR = Behaviour()


class DrawingNotInstalled(RuntimeError):
    """The libraries that the sandbox draws with are an extra, which is not there."""


def build_sandbox(
    *, behaviour: Behaviour = DEFAULT_BEHAVIOUR, clock: Clock | None = None
) -> Starlette:
    """Build a sandbox, which shares nothing with any other.

    Alone it is an application like any other: its endpoints are `/dream-machine/v1/...` and
    `/media/...`, and a server runs its lifespan. Below another application it works the same,
    but servers run the lifespan of the outermost only, so that the parent enters `running`:

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
    gallery = Gallery(behaviour, _load_drawing())
    dream_machine = DreamMachine(behaviour, clock or SystemClock(), gallery)
    routes = [*dream_machine.list_routes(), *gallery.list_routes()]
    sandbox = Starlette(
        routes=[Route("/", _build_index(routes)), *routes],
        exception_handlers={HTTPException: _answer_error, Exception: _answer_error},
        lifespan=running,
    )
    sandbox.router.redirect_slashes = False
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


def _load_drawing() -> Callable[[Scene], bytes]:
    try:
        from luma_mcp.sandbox import media  # noqa: PLC0415 - an extra, which may be missing
    except ImportError as error:
        raise DrawingNotInstalled(
            'The sandbox needs its drawing libraries: pip install "luma-mcp[sandbox]"'
        ) from error
    return media.draw


def _build_index(routes: list[Route]) -> Callable[[Request], Awaitable[Response]]:
    endpoints = sorted(
        f"{method} {route.path}"
        for route in routes
        for method in (route.methods or set()) - {"HEAD"}
    )
    index = {
        "name": "Luma sandbox",
        "keys": "Any key that begins with luma- is an account of its own",
        "endpoints": endpoints,
        "prompt_words": WORDS,
        "urls": URLS,
    }

    async def show_index(_: Request) -> Response:
        return JSONResponse(index)

    return show_index


async def _answer_error(_: Request, error: Exception) -> Response:
    """Say what is wrong in the one shape that Dream Machine OpenAPI 1.1.0 has for it."""
    if not isinstance(error, HTTPException):
        error = HTTPException(500, "Internal server error")
    return JSONResponse(
        {"detail": error.detail}, status_code=error.status_code, headers=error.headers
    )
