"""The MCP server: what it says about itself, how long its services live, what a call costs it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest
from fastmcp import Client, FastMCP
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool
from mcp.types import ListToolsRequest

from luma_mcp import __version__
from luma_mcp.mcp_server import INSTRUCTIONS, build_mcp
from luma_mcp.services import Services
from luma_mcp.settings import load_settings
from luma_mcp.tools import build_tools
from tests.conftest import KEY
from tests.services import access_with, open_services_over
from tests.tools.calls import Json, Upstream, data, modern_call

PING = "GET /dream-machine/v1/ping"


class Watch:
    """Opens services, and counts how often and whether they are open."""

    def __init__(self) -> None:
        self.opened = 0
        self.open = False

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Services]:
        self.opened += 1
        self.open = True
        settings = load_settings(dream_machine_url="http://sandbox/dream-machine/v1")
        transport = httpx.ASGITransport(Upstream({PING: {"message": "pong"}}))
        async with open_services_over(transport, settings, access_with(KEY)) as services:
            yield services
        self.open = False


class Listings(Middleware):
    """Counts how often the tools are listed."""

    def __init__(self) -> None:
        self.count = 0

    async def on_list_tools(
        self,
        context: MiddlewareContext[ListToolsRequest],
        call_next: CallNext[ListToolsRequest, Sequence[Tool]],
    ) -> Sequence[Tool]:
        self.count += 1
        return await call_next(context)


async def call_over_http(server: FastMCP, tool: str, arguments: Json) -> Json:
    app = server.http_app(path="/mcp", stateless_http=True, json_response=False)
    async with app.router.lifespan_context(app):
        answer = await modern_call(app, tool, arguments)
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


@pytest.fixture
def listings() -> Listings:
    return Listings()


@pytest.fixture
def server(listings: Listings) -> FastMCP:
    built = build_mcp(Watch())
    built.add_middleware(listings)
    return built


def test_the_server_says_its_name_its_version_and_how_to_use_it() -> None:
    server = build_mcp(Watch())
    assert (server.name, server.version) == ("luma-mcp", __version__)
    assert server.instructions == INSTRUCTIONS


async def test_a_client_is_told_how_to_use_the_server() -> None:
    async with Client(build_mcp(Watch())) as client:
        assert client.instructions == INSTRUCTIONS


def test_the_instructions_name_only_tools_that_exist() -> None:
    words = {word.strip(".,`") for word in INSTRUCTIONS.split()}
    no_tools = {"is_final", "max_cost_usd", "idempotency_key"}
    named = {word for word in words if "_" in word} - no_tools
    assert named
    assert named <= set(build_tools())


async def test_the_services_live_as_long_as_the_server() -> None:
    watch = Watch()
    async with Client(build_mcp(watch)) as client:
        await data(client, "ping")
        await data(client, "ping")
        assert watch.open
    assert (watch.opened, watch.open) == (1, False)


async def test_a_modern_call_over_http_is_answered(server: FastMCP) -> None:
    result = await call_over_http(server, "ping", {})
    assert result["structuredContent"] == {"apis": ["dream_machine"], "message": "pong"}


async def test_a_modern_call_with_arguments_lists_no_tools(
    server: FastMCP, listings: Listings
) -> None:
    result = await call_over_http(server, "ping", {"unknown": 1})
    assert result["structuredContent"]["code"] == "invalid_request"
    assert listings.count == 0
