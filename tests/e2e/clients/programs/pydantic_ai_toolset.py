"""pydantic-ai's MCP toolset, driven by an agent whose model is a function of ours."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

from tests.e2e.clients.journey import Json, Progress


class PydanticAi:
    """An agent that calls the one tool that it is told to."""

    def __init__(self, toolset: MCPToolset[None], progress: Progress) -> None:
        self._toolset = toolset
        self.progress = progress
        self._schemas: dict[str, Json] = {}

    async def tools(self) -> dict[str, Json]:
        await self._run([TextPart("I only look.")])
        return self._schemas

    async def _run(self, says: list[Any]) -> list[ModelMessage]:
        """Let the agent run with a model that says these things, one after the other."""
        saying = iter([*says, TextPart("That is all.")])

        def model(_messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
            self._schemas = {tool.name: tool.parameters_json_schema for tool in info.function_tools}
            return ModelResponse([next(saying)])

        agent = Agent(FunctionModel(model), toolsets=[self._toolset])
        return (await agent.run("Go on.")).all_messages()

    async def _seen(self, tool: str, arguments: Json) -> ToolReturnPart:
        """Give what the model is shown of a tool's answer."""
        messages = await self._run([ToolCallPart(tool, arguments)])
        parts = [part for message in messages for part in message.parts]
        (seen,) = [part for part in parts if isinstance(part, ToolReturnPart)]
        return seen

    async def call(self, tool: str, arguments: Json) -> Json:
        seen = await self._seen(tool, arguments)
        assert seen.outcome == "success"
        if isinstance(seen.content, dict):
            return seen.content
        # With a link beside it, the model sees the text, the link and a picture, not the fields.
        text, link, *_preview = seen.content
        _, _, state = text.splitlines()[0].rpartition(": ")
        return {"state": state, "assets": {"video": link}}

    async def refusal(self, tool: str, arguments: Json) -> str:
        seen = await self._seen(tool, arguments)
        assert seen.outcome == "retried"
        return str(seen.content)


@asynccontextmanager
async def connect(endpoint: str, headers: dict[str, str]) -> AsyncGenerator[PydanticAi]:
    progress = Progress()
    async with MCPToolset(endpoint, headers=headers, progress_handler=progress) as toolset:
        yield PydanticAi(toolset, progress)
