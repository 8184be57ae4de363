"""Other people's clients on real sockets, each from a prompt to a video that decodes."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from itertools import groupby

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from luma_mcp.luma.apis import DREAM_MACHINE
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.settings import load_settings
from luma_mcp.web.app import build_app
from tests.clocks import pace_of
from tests.e2e.clients import fastmcp_client, inspector, mcp_remote, python_sdk_2
from tests.e2e.clients.journey import Json, Traveller, travel
from tests.e2e.conftest import pass_time
from tests.e2e.processes import ROOT, fetch
from tests.e2e.requirements import need_node_clients, need_python_clients
from tests.e2e.test_readme import run
from tests.sandbox.clips import decode
from tests.servers import bound_socket, serving

KEY = "luma-ada"
OLD, NEW = "2025-11-25", "2026-07-28"
SSE = "HTTP+SSE"
SCHEMAS = {
    path.stem: json.loads(path.read_text())["inputSchema"]
    for path in (ROOT / "tests" / "tools" / "snapshots").glob("*.json")
}
ERROR = "Luma does not know this with your key"
PATHS = {"/mcp", "/sse", "/messages/"}
PROGRAMS = "tests.e2e.clients.programs"

Headers = dict[str, str]
Journey = Callable[[str, Headers], Awaitable[Json]]


def in_process(
    connect: Callable[..., AbstractAsyncContextManager[Traveller]], *options: str
) -> Journey:
    """Travel with a client that lives beside the server."""

    async def journey(endpoint: str, headers: Headers) -> Json:
        async with connect(endpoint, headers, *options) as client:
            return await travel(client)

    return journey


def in_python(program: str) -> Journey:
    """Travel with a client that needs other libraries than the server does."""

    async def journey(endpoint: str, headers: Headers) -> Json:
        python = need_python_clients()
        order = (program, endpoint, *lines_of(headers))
        return json.loads(await run(python, "-m", PROGRAMS, *order, cwd=ROOT))

    return journey


def in_node(program: str, *options: str) -> Journey:
    """Travel with a client for Node."""

    async def journey(endpoint: str, headers: Headers) -> Json:
        variables = need_node_clients()
        order = (endpoint, *lines_of(headers), *options)
        path = PROGRAMS.replace(".", "/") + f"/{program}"
        return json.loads(await run("node", path, *order, cwd=ROOT, **variables))

    return journey


def lines_of(headers: Headers) -> list[str]:
    return [f"{name}: {value}" for name, value in headers.items()]


@dataclass(frozen=True)
class Client:
    """Which client it is, how it travels, what it speaks, in which header it has its key, and more.

    Attributes:
        hears_progress: Whether it tells its user how a wait goes on.
        hides_what_is_for_pages: Whether it keeps from its model the tools that only pages may call.
    """

    name: str
    journey: Journey
    protocol: str
    header: str = "Authorization"
    hears_progress: bool = True
    hides_what_is_for_pages: bool = False

    def __str__(self) -> str:
        return f"{self.name}, {self.protocol}"


CLIENTS = [
    Client("Python SDK 2", in_process(python_sdk_2.connect, "legacy"), OLD),
    Client("Python SDK 2", in_process(python_sdk_2.connect, NEW), NEW, "X-API-Key"),
    Client("Python SDK 2", in_process(python_sdk_2.connect_over_sse), SSE, "X-API-Key"),
    Client("Python SDK 1", in_python("python_sdk_1"), OLD),
    Client("FastMCP", in_process(fastmcp_client.connect, "legacy"), OLD, "X-Auth-Token"),
    Client("FastMCP", in_process(fastmcp_client.connect, NEW), NEW),
    Client("TypeScript SDK 1", in_node("typescript_sdk_1.mjs"), OLD, "X-API-Key"),
    Client("TypeScript SDK 2", in_node("typescript_sdk_2.mjs", "legacy"), OLD),
    Client("TypeScript SDK 2", in_node("typescript_sdk_2.mjs", NEW), NEW),
    Client("mcp-remote", in_process(mcp_remote.connect, "legacy"), OLD),
    Client("mcp-remote", in_process(mcp_remote.connect, "auto"), NEW),
    Client("LangChain", in_python("langchain_adapters"), OLD, "X-Luma-API-Key"),
    Client("pydantic-ai", in_python("pydantic_ai_toolset"), OLD, hides_what_is_for_pages=True),
    Client("Inspector", in_process(inspector.connect, "legacy"), OLD, hears_progress=False),
    Client("Inspector", in_process(inspector.connect, "modern"), NEW, hears_progress=False),
]


class Witness:
    """An application before which is noted where requests have their key, and what they speak."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.headers: set[str] = set()
        self.protocols: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in PATHS:
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            self.headers |= {name for name, value in headers.items() if KEY in value}
            self.protocols |= {headers.get("mcp-protocol-version", "")} - {""}
        await self._app(scope, receive, send)


@asynccontextmanager
async def witnessed(**options: object) -> AsyncGenerator[tuple[str, Witness]]:
    """Run the product on a clock of its own; gives its URL and what came to it."""
    clock, bound = TurnedClock(), bound_socket()
    settings = load_settings(sandbox=True, port=bound.getsockname()[1], **options)
    witness = Witness(build_app(settings, clock, pace_of(clock)))
    async with serving(witness, bound) as url:
        passing = asyncio.create_task(pass_time(clock))
        try:
            yield url, witness
        finally:
            passing.cancel()


@pytest.mark.parametrize("client", CLIENTS, ids=str)
async def test_a_client_goes_from_a_prompt_to_a_video_that_decodes(client: Client) -> None:
    is_sse = client.protocol == SSE
    value = f"Bearer {KEY}" if client.header == "Authorization" else KEY
    async with witnessed(legacy_sse=is_sse) as (url, witness):
        endpoint = f"{url}/sse" if is_sse else f"{url}/mcp"
        report = await client.journey(endpoint, {client.header: value})
        clip = decode((await fetch(report["video"])).content)
    assert witness.headers == {client.header.lower()}
    assert witness.protocols == (set() if is_sse else {client.protocol})
    hidden = {"refresh_generation"} if client.hides_what_is_for_pages else set()
    assert report["tools"] == {name: SCHEMAS[name] for name in SCHEMAS.keys() - hidden}
    assert report["states"] == ["queued", "completed"]
    assert ERROR in report["error_text"]
    assert DREAM_MACHINE.not_found in report["error_text"]
    told = [state for state, _ in groupby(report["progress"], lambda line: line.split(" · ")[0])]
    assert told == (["Queued", "Dreaming", "Completed"] if client.hears_progress else [])
    assert clip.size[0] / clip.size[1] == pytest.approx(9 / 16, rel=0.02)
    assert len(clip.frames) == 5 * 24
