"""The server under measurement: the product beside bare endpoints that call the same upstream."""

import asyncio
import os
import random
import resource
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from luma_mcp.luma.jobs import FINAL_STATES
from luma_mcp.luma.transport import BearerKey, open_client
from luma_mcp.serving import settle_memory
from luma_mcp.settings import load_settings
from luma_mcp.telemetry import configure_logging
from luma_mcp.watching import FIRST_PAUSE_SECONDS, GROWTH, LONGEST_PAUSE_SECONDS
from luma_mcp.web.app import build_app
from tests.bench.sign_in import PUBLIC_URL, SECRET_KEY
from tests.servers import serving

STATM = Path("/proc/self/statm")
MOST_LOOKS = 100
# They cost what they cost, but nothing is refused.
UNREACHED = 10**9
LIMITS = (
    "calls_per_minute",
    "paid_calls_per_minute",
    "concurrent_calls",
    "requests_per_minute",
    "concurrent_requests",
)


def key_of(request: Request) -> str:
    return request.headers["authorization"].removeprefix("Bearer ")


async def look(request: Request) -> httpx.Response:
    client: httpx.AsyncClient = request.app.state.client
    url = f"{request.app.state.luma}/generations/{request.path_params['id']}"
    return await client.get(url, auth=BearerKey(key_of(request)))


async def bare(request: Request) -> Response:
    """Make the upstream call with the shared client and pass the answer on."""
    answer = await look(request)
    return Response(answer.content, media_type="application/json")


async def bare_list(request: Request) -> Response:
    """Likewise, a page."""
    state = request.app.state
    url = f"{state.luma}/generations?{request.url.query}"
    answer = await state.client.get(url, auth=BearerKey(key_of(request)))
    return Response(answer.content, media_type="application/json")


async def bare_create(request: Request) -> Response:
    """Likewise, a new job."""
    state, body = request.app.state, await request.body()
    url, headers = f"{state.luma}/generations/video", {"Content-Type": "application/json"}
    key = BearerKey(key_of(request))
    answer = await state.client.post(url, content=body, headers=headers, auth=key)
    return Response(answer.content, media_type="application/json")


async def naive(request: Request) -> Response:
    """Poll for this one call, at the pace of a watch, and pass the last answer on."""
    state, pause = request.app.state, FIRST_PAUSE_SECONDS
    state.polling += 1
    try:
        for _ in range(MOST_LOOKS):
            answer = await look(request)
            if answer.json().get("state") in FINAL_STATES:
                break
            await asyncio.sleep(pause * (1 - random.random() / 4))  # noqa: S311 - no secret
            pause = min(pause * GROWTH, LONGEST_PAUSE_SECONDS)
    finally:
        state.polling -= 1
    return Response(answer.content, media_type="application/json")


async def per_call(request: Request) -> Response:
    """Make the same call with a client of its own."""
    url = f"{request.app.state.luma}/generations/{request.path_params['id']}"
    async with httpx.AsyncClient() as client:
        answer = await client.get(url, auth=BearerKey(key_of(request)))
    return Response(answer.content, media_type="application/json")


async def cpu(_request: Request) -> Response:
    return PlainTextResponse(repr(time.process_time()))


def resident_bytes() -> int:
    """Memory that the process has at this moment."""
    return int(STATM.read_text().split()[1]) * resource.getpagesize()


async def rss(_request: Request) -> Response:
    return PlainTextResponse(str(resident_bytes()))


async def waiting(request: Request) -> Response:
    """Tell how many calls wait for a job, in the product's way or in the naive one."""
    state = request.app.state
    return PlainTextResponse(str(state.product.waiting_room.waiters + state.polling))


def build(luma: str) -> ASGIApp:
    """Put our own endpoints beside the product, which is reached as directly as it is alone."""
    settings = load_settings(
        dream_machine_url=luma,
        public_url=PUBLIC_URL,
        secret_key=SECRET_KEY,
        callbacks=False,
        **dict.fromkeys(LIMITS, UNREACHED),
    )
    product = build_app(settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with open_client(512, 30) as client, product.router.lifespan_context(product):
            app.state.client, app.state.luma = client, luma
            app.state.product, app.state.polling = product.state.services, 0
            yield

    routes = [
        Route("/bare/{id}", bare),
        Route("/bare-list", bare_list),
        Route("/bare-create", bare_create, methods=["POST"]),
        Route("/per-call/{id}", per_call),
        Route("/naive/{id}", naive),
        Route("/cpu", cpu),
        Route("/rss", rss),
        Route("/waiting", waiting),
    ]
    ours = Starlette(routes=routes, lifespan=lifespan)
    names = {route.path.split("/")[1] for route in routes}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        is_ours = scope["type"] == "lifespan" or scope["path"].split("/")[1] in names
        await (ours if is_ours else product)(scope, receive, send)

    return app


async def serve(luma: str) -> None:
    """Serve until stdin ends; the first line of output is the port."""
    async with serving(build(luma)) as url:
        settle_memory()
        print(url.rpartition(":")[2], flush=True)  # noqa: T201 - read by the parent
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    with Path(os.devnull).open("w") as nowhere:
        sys.stderr = nowhere  # log lines are made and written, but nobody reads them
        configure_logging("json", "info")
        uvloop.run(serve(sys.argv[1]))
