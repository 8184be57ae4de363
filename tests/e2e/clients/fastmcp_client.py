"""FastMCP's client, in both protocols."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.exceptions import ToolError

from tests.e2e.clients.journey import Json, Progress


class FastMcp:
    """A client of FastMCP's."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.progress = Progress()

    async def tools(self) -> dict[str, Json]:
        return {tool.name: tool.input_schema for tool in await self._client.list_tools()}

    async def call(self, tool: str, arguments: Json) -> Json:
        result = await self._client.call_tool(tool, arguments, progress_handler=self.progress)
        assert result.structured_content is not None
        return result.structured_content

    async def refusal(self, tool: str, arguments: Json) -> str:
        with pytest.raises(ToolError) as raised:
            await self._client.call_tool(tool, arguments)
        return str(raised.value)


@asynccontextmanager
async def connect(endpoint: str, headers: dict[str, str], mode: str) -> AsyncGenerator[FastMcp]:
    async with Client(StreamableHttpTransport(endpoint, headers=headers), mode=mode) as client:
        yield FastMcp(client)
