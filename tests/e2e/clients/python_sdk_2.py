"""The MCP SDK for Python 2.x: both protocols over HTTP, and the HTTP+SSE transport of 2024."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent

from tests.e2e.clients.journey import Json, Progress


class PythonSdk2:
    """A client of the SDK."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.progress = Progress()

    async def tools(self) -> dict[str, Json]:
        return {tool.name: tool.input_schema for tool in (await self._client.list_tools()).tools}

    async def _result(self, tool: str, arguments: Json) -> CallToolResult:
        return await self._client.call_tool(tool, arguments, progress_callback=self.progress)

    async def call(self, tool: str, arguments: Json) -> Json:
        result = await self._result(tool, arguments)
        assert not result.is_error
        assert result.structured_content is not None
        return result.structured_content

    async def refusal(self, tool: str, arguments: Json) -> str:
        result = await self._result(tool, arguments)
        assert result.is_error
        (block,) = result.content
        assert isinstance(block, TextContent)
        return block.text


@asynccontextmanager
async def connect(endpoint: str, headers: dict[str, str], mode: str) -> AsyncGenerator[PythonSdk2]:
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(endpoint, http_client=http), mode=mode) as client,
    ):
        yield PythonSdk2(client)


@asynccontextmanager
async def connect_over_sse(endpoint: str, headers: dict[str, str]) -> AsyncGenerator[PythonSdk2]:
    async with Client(sse_client(endpoint, headers), mode="legacy") as client:
        yield PythonSdk2(client)
