"""The server under measurement: the product beside bare endpoints that call the same upstream."""

import asyncio
import os
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
from starlette.routing import Mount, Route

from luma_mcp.cli import settle_memory
from luma_mcp.luma.transport import BearerKey, open_client
from luma_mcp.settings import load_settings
from luma_mcp.telemetry import configure_logging
from luma_mcp.web.app import build_app
from tests.servers import serving


def key_of(request: Request) -> str:
    return request.headers["authorization"].removeprefix("Bearer ")


async def bare(request: Request) -> Response:
    """Make the upstream call with the shared client and pass the answer on."""
    client: httpx.AsyncClient = request.app.state.client
    url = f"{request.app.state.luma}/generations/{request.path_params['id']}"
    answer = await client.get(url, auth=BearerKey(key_of(request)))
    return Response(answer.content, media_type="application/json")


async def per_call(request: Request) -> Response:
    """Make the same call with a client of its own."""
    url = f"{request.app.state.luma}/generations/{request.path_params['id']}"
    async with httpx.AsyncClient() as client:
        answer = await client.get(url, auth=BearerKey(key_of(request)))
    return Response(answer.content, media_type="application/json")


async def cpu(_request: Request) -> Response:
    return PlainTextResponse(repr(time.process_time()))


def build(luma: str) -> Starlette:
    product = build_app(load_settings(dream_machine_url=luma))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with open_client(512, 30) as client, product.router.lifespan_context(product):
            app.state.client, app.state.luma = client, luma
            yield

    routes = [
        Route("/bare/{id}", bare),
        Route("/per-call/{id}", per_call),
        Route("/cpu", cpu),
        Mount("/", product),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


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
