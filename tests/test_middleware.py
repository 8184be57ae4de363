"""Our tools in front of FastMCP, and tools that are not ours behind it."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastmcp import Client
from fastmcp.server.middleware import MiddlewareContext
from mcp.types import ListToolsRequest

from luma_mcp.calls import ToolCalls
from luma_mcp.mcp_server import LumaServer, build_mcp
from luma_mcp.middleware import OwnTools
from luma_mcp.settings import load_settings
from luma_mcp.tools import build_tools
from tests.conftest import KEY
from tests.services import access_with, open_services_over
from tests.tools.calls import Broken, call, refusal, text_of


@pytest.fixture
def server() -> LumaServer:
    nowhere = Broken(httpx.ReadError(""))
    return build_mcp(lambda: open_services_over(nowhere, load_settings(), access_with(KEY)))


@pytest.fixture
async def client(server: LumaServer) -> AsyncIterator[Client]:
    server.tool(lambda word: word[::-1], name="backwards")
    async with Client(server) as client:
        yield client


async def test_a_tool_that_is_not_ours_is_listed_and_answered_by_the_framework(
    client: Client,
) -> None:
    assert {tool.name for tool in await client.list_tools()} == {*build_tools(), "backwards"}
    assert text_of(await call(client, "backwards", word="boat")) == "taob"


async def test_a_tool_of_nobody_is_answered_our_way(client: Client) -> None:
    error = await refusal(client, "forwards")
    assert error["code"] == "invalid_request"
    assert "There is no tool 'forwards'." in error["message"]


async def test_without_a_request_nobody_calls() -> None:
    with pytest.raises(RuntimeError, match="There is no request"):
        await OwnTools(ToolCalls({})).on_list_tools(
            MiddlewareContext(message=ListToolsRequest()), anext
        )
