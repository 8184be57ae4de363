"""The command line of the MCP Inspector: a process for every call."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.e2e.clients.journey import Json, Progress
from tests.e2e.requirements import NODE, need_node_clients
from tests.e2e.test_readme import run


class Inspector:
    """A command line with everything but the method."""

    def __init__(self, *command: str) -> None:
        self._command = command
        self._variables = need_node_clients()
        self.progress = Progress()

    async def _run(self, *method: str, must_succeed: bool = True) -> Json:
        command = (*self._command, "--method", *method)
        return json.loads(await run(*command, must_succeed=must_succeed, **self._variables))

    async def tools(self) -> dict[str, Json]:
        return {
            tool["name"]: tool["inputSchema"] for tool in (await self._run("tools/list"))["tools"]
        }

    async def call(self, tool: str, arguments: Json) -> Json:
        return (await self._result(tool, arguments))["structuredContent"]

    async def refusal(self, tool: str, arguments: Json) -> str:
        result = await self._result(tool, arguments, must_succeed=False)
        assert result["isError"]
        return result["content"][0]["text"]

    async def _result(self, tool: str, arguments: Json, *, must_succeed: bool = True) -> Json:
        given = ("--tool-name", tool, "--tool-args-json", json.dumps(arguments))
        return await self._run("tools/call", *given, must_succeed=must_succeed)


@asynccontextmanager
async def connect(endpoint: str, headers: dict[str, str], era: str) -> AsyncGenerator[Inspector]:
    program = str(NODE / "node_modules" / ".bin" / "mcp-inspector")
    ((name, value),) = headers.items()
    yield Inspector(
        *(program, "--cli", endpoint, "--transport", "http"),
        *("--protocol-era", era, "--header", f"{name}: {value}"),
    )
