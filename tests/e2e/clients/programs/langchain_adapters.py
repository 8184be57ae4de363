"""LangChain's MCP adapters: our tools as LangChain's."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.callbacks import Callbacks
from langchain_mcp_adapters.client import MultiServerMCPClient

from tests.e2e.clients.journey import Json, Progress


class LangChain:
    """The tools that an agent of LangChain's would be given."""

    def __init__(self, tools: list[BaseTool], progress: Progress) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self.progress = progress

    async def tools(self) -> dict[str, Json]:
        return {name: tool.args_schema for name, tool in self._tools.items()}

    async def _message(self, tool: str, arguments: Json) -> ToolMessage:
        call = {"type": "tool_call", "id": "1", "name": tool, "args": arguments}
        return await self._tools[tool].ainvoke(call)

    async def call(self, tool: str, arguments: Json) -> Json:
        message = await self._message(tool, arguments)
        assert message.status == "success"
        return message.artifact["structured_content"]

    async def refusal(self, tool: str, arguments: Json) -> str:
        message = await self._message(tool, arguments)
        assert message.status == "error"
        return message.text


@asynccontextmanager
async def connect(endpoint: str, headers: dict[str, str]) -> AsyncGenerator[LangChain]:
    progress = Progress()
    connection = {"transport": "streamable_http", "url": endpoint, "headers": headers}
    client = MultiServerMCPClient({"luma": connection}, callbacks=Callbacks(on_progress=progress))
    yield LangChain(await client.get_tools(), progress)
