"""The MCP SDK for Python 1.x, which most of the field has installed."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent

from tests.e2e.clients.journey import Json, Progress


class PythonSdk1:
    """A session of the SDK."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self.progress = Progress()

    async def tools(self) -> dict[str, Json]:
        return {tool.name: tool.inputSchema for tool in (await self._session.list_tools()).tools}

    async def _result(self, tool: str, arguments: Json) -> CallToolResult:
        return await self._session.call_tool(tool, arguments, progress_callback=self.progress)

    async def call(self, tool: str, arguments: Json) -> Json:
        result = await self._result(tool, arguments)
        assert not result.isError
        assert result.structuredContent is not None
        return result.structuredContent

    async def refusal(self, tool: str, arguments: Json) -> str:
        result = await self._result(tool, arguments)
        assert result.isError
        (block,) = result.content
        assert isinstance(block, TextContent)
        return block.text


@asynccontextmanager
async def connect(endpoint: str, headers: dict[str, str]) -> AsyncGenerator[PythonSdk1]:
    async with (
        httpx.AsyncClient(headers=headers, timeout=60) as http,
        streamable_http_client(endpoint, http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield PythonSdk1(session)
