"""The sandbox in a process of its own, which counts what it is asked: GET /count tells."""

import asyncio
import re
import sys
from collections import Counter

import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from luma_mcp.sandbox.app import build_sandbox, running
from luma_mcp.sandbox.behaviour import Behaviour
from tests.servers import serving

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Counting:
    """Counts requests by method and path, in which {id} stands for every id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._counts: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._counts[f"{scope['method']} {_ID.sub('{id}', scope['path'])}"] += 1
        await self._app(scope, receive, send)

    async def tell(self, _request: Request) -> Response:
        return JSONResponse(self._counts)


def build(behaviour: Behaviour) -> Starlette:
    sandbox = build_sandbox(behaviour=behaviour)
    counting = Counting(sandbox)
    return Starlette(
        routes=[Route("/count", counting.tell), Mount("/", counting)],
        lifespan=lambda _: running(sandbox),
    )


async def serve(queued_seconds: float) -> None:
    """Serve until stdin ends; the first line of output is the port."""
    async with serving(build(Behaviour(queued_seconds=queued_seconds))) as url:
        print(url.rpartition(":")[2], flush=True)  # noqa: T201 - read by the parent
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve(float(sys.argv[1])))
