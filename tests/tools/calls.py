"""MCP clients in front of an upstream that a test writes in a line, and how to read answers."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from typing import Any

import httpx
from fastmcp import Client, FastMCP
from fastmcp.client.client import CallToolResult
from mcp.types import ResourceLink
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from luma_mcp.mcp_server import build_mcp
from luma_mcp.services import Access, Services
from luma_mcp.settings import load_settings
from tests.conftest import AGENTS_KEY, KEY
from tests.messages import META, MODERN
from tests.services import access_with, open_services_over

JOB_ID = "123e4567-e89b-12d3-a456-426614174000"
OWN = access_with(KEY)
BOTH = access_with(KEY, AGENTS_KEY)

Json = dict[str, Any]


class Upstream:
    """A stand-in for Luma: answers each path as a test says, and keeps what it was asked.

    A path without an answer is not found there.
    """

    def __init__(self, answers: Mapping[str, Response | Json | list[str]] | None = None) -> None:
        self._answers = answers or {}
        self.asked: list[str] = []
        self.keys: list[str] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self.asked.append(f"{request.method} {request.url.path}")
        self.keys.append(request.headers["authorization"])
        self.bodies.append(await request.body())
        answer = self._answers.get(self.asked[-1])
        if answer is None:
            answer = JSONResponse({"detail": "Not Found"}, 404)
        elif not isinstance(answer, Response):
            answer = JSONResponse(answer)
        await answer(scope, receive, send)


class Silent(Response):
    """An answer that never comes; it tells when it is waited for."""

    def __init__(self, asked: asyncio.Event) -> None:
        super().__init__()
        self._asked = asked

    async def __call__(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        self._asked.set()
        await asyncio.Event().wait()


class Broken(httpx.AsyncBaseTransport):
    """A way to Luma on which every request fails with one error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def handle_async_request(self, _request: httpx.Request) -> httpx.Response:
        raise self._error


@cache
def _server() -> tuple[FastMCP, list[AbstractAsyncContextManager[Services]]]:
    """One server for all clients: it keeps nothing, and building it takes longest."""
    to_open: list[AbstractAsyncContextManager[Services]] = []
    return build_mcp(to_open.pop), to_open


@asynccontextmanager
async def client_over(
    transport: httpx.AsyncBaseTransport, access: Access | None = OWN
) -> AsyncGenerator[Client]:
    """Open an MCP client, in memory, whose server finds Luma behind this transport."""
    settings = load_settings(
        dream_machine_url="http://sandbox/dream-machine/v1", agents_url="http://sandbox/agents/v1"
    )
    server, to_open = _server()
    to_open.append(open_services_over(transport, settings, access))
    async with Client(server) as client:
        yield client


@asynccontextmanager
async def client_of(upstream: Upstream, access: Access | None = OWN) -> AsyncGenerator[Client]:
    """Open an MCP client, in memory, in front of this upstream."""
    async with client_over(httpx.ASGITransport(upstream), access) as client:
        yield client


def text_of(result: CallToolResult) -> str:
    """The text that a person reads: the one text block, which comes first."""
    block = result.content[0]
    assert block.type == "text"
    assert [other.type for other in result.content[1:]] == ["resource_link"] * (
        len(result.content) - 1
    )
    return block.text


def lines_of(result: CallToolResult) -> list[str]:
    return text_of(result).splitlines()


def links_of(result: CallToolResult) -> list[ResourceLink]:
    return [block for block in result.content if isinstance(block, ResourceLink)]


async def call(client: Client, tool: str, /, **arguments: object) -> CallToolResult:
    """Call a tool whose answer may be an error."""
    return await client.call_tool(tool, arguments, raise_on_error=False)


async def data(client: Client, tool: str, /, **arguments: object) -> Json:
    """Call a tool that succeeds; gives its structured content."""
    result = await client.call_tool(tool, arguments)
    assert result.structured_content is not None
    return result.structured_content


async def refusal(client: Client, tool: str, /, **arguments: object) -> Json:
    """Call a tool that fails; gives the fields of its error."""
    result = await call(client, tool, **arguments)
    assert result.is_error
    assert result.structured_content is not None
    return result.structured_content


async def refused(tool: str, /, **arguments: object) -> Json:
    """The error of a call of which Luma hears nothing."""
    upstream = Upstream()
    async with client_of(upstream, BOTH) as client:
        error = await refusal(client, tool, **arguments)
    assert error["code"] == "invalid_request"
    assert upstream.asked == []
    return error


async def modern_call(app: ASGIApp, tool: str, arguments: Json, **headers: str) -> httpx.Response:
    """Call a tool over HTTP in protocol 2026-07-28: one POST, no session."""
    params = {"name": tool, "arguments": arguments, "_meta": META}
    asking = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
        **headers,
    }
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        return await http.post("/mcp", headers=asking, json=message)
