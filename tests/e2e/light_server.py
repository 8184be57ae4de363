"""A server that is up in a moment and says which process answers; run as a program by tests."""

import asyncio
import os
from contextlib import suppress

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from luma_mcp.serving import serve
from luma_mcp.settings import SettingError, Settings, load_settings
from luma_mcp.telemetry import configure_logging


async def tell(request: Request) -> Response:
    return JSONResponse({"process": os.getpid(), "late": len(request.app.state.asked)})


async def answer_late(request: Request) -> Response:
    """Answer once somebody asks here again."""
    asked: list[asyncio.Event] = request.app.state.asked
    asked.append(asyncio.Event())
    if len(asked) > 1:
        asked[0].set()
    else:
        await asked[0].wait()
    return JSONResponse({})


def build(settings: Settings) -> Starlette:
    """Build it, or fail as the settings have it: they go all the way to the workers."""
    if settings.toolsets == ("videos",):
        raise SettingError("these settings are of no use.")
    if settings.toolsets == ("images",):
        raise RuntimeError("a fault of ours")
    app = Starlette(routes=[Route("/", tell), Route("/late", answer_late)])
    app.state.asked = []
    return app


def main() -> None:
    """Serve with the settings of the environment."""
    settings = load_settings(port=0)
    configure_logging(settings.log_format, settings.log_level)
    with suppress(KeyboardInterrupt):
        serve(build, settings, "the light server is at {base}\n")


if __name__ == "__main__":
    main()
