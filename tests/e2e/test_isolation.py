"""Many callers at once: no answer and no call of Luma ever carries another caller's key."""

import asyncio
import hashlib
import json
from collections import Counter
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import aiohttp
from mcp.types import LATEST_PROTOCOL_VERSION
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from luma_mcp.settings import load_settings
from luma_mcp.web.app import build_app
from tests.servers import serving

CALLERS, CALLS, AT_ONCE = 50, 2_000, 64
KEYS = [f"luma-caller-{number}" for number in range(CALLERS)]
HEADERS = ("Authorization", "X-API-Key", "X-Auth-Token", "X-Luma-API-Key")
META = {
    "io.modelcontextprotocol/protocolVersion": LATEST_PROTOCOL_VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "crowd", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def canary(key: str) -> str:
    return hashlib.sha256(f"canary of {key}".encode()).hexdigest()


def id_of(key: str) -> str:
    return str(uuid5(NAMESPACE_URL, key))


class EchoingLuma:
    """An upstream that answers with the canary of the key that came, and remembers who asked."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()

    async def generation(self, request: Request) -> Response:
        """One generation, or one made: the prompt is the canary of the key that came."""
        key = request.headers["authorization"].removeprefix("Bearer ")
        wanted = request.path_params.get("id")
        if request.method == "POST":
            wanted = json.loads(await request.body())["prompt"].removeprefix("For ")
        self.asked[key, wanted] += 1
        await asyncio.sleep(0)
        job = {"id": id_of(key), "state": "dreaming", "request": {"prompt": canary(key)}}
        return JSONResponse(job, status_code=201 if request.method == "POST" else 200)

    async def page(self, request: Request) -> Response:
        """A page whose offset says who should be asking."""
        key = request.headers["authorization"].removeprefix("Bearer ")
        self.asked[key, KEYS[int(request.query_params["offset"])]] += 1
        job = {"id": id_of(key), "state": "queued", "request": {"prompt": canary(key)}}
        return JSONResponse({"generations": [job], "has_more": False})

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/generations/video", self.generation, methods=["POST"]),
                Route("/generations/{id}", self.generation),
                Route("/generations", self.page),
            ]
        )


def message(number: int, key: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Make a call that only this key's caller makes, in one era or the other."""
    tool, arguments = (
        ("get_generation", {"generation_id": id_of(key)}),
        ("list_generations", {"offset": KEYS.index(key)}),
        ("create_generation", {"prompt": f"For {key}"}),
    )[number % 3]
    name = HEADERS[number % len(HEADERS)]
    headers = {
        name: f"Bearer {key}" if name == "Authorization" else key,
        "Accept": "application/json, text/event-stream",
    }
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    if number % 2:
        params["_meta"] = META
        headers["MCP-Protocol-Version"] = LATEST_PROTOCOL_VERSION
        headers |= {"Mcp-Method": "tools/call", "Mcp-Name": tool}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, headers


async def crowd(endpoint: str) -> list[tuple[str, str]]:
    """Make all calls over few shared connections; gives each caller with its answer."""
    answers: list[tuple[str, str]] = []
    numbers = iter(range(CALLS))

    async def one_of_the_crowd(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            # Neighbours in time are different callers, on whatever connection is free.
            key = KEYS[number * 7 % CALLERS]
            body, headers = message(number, key)
            async with session.post(endpoint, json=body, headers=headers) as response:
                answers.append((key, await response.text()))

    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE // 2)) as session,
        asyncio.TaskGroup() as tasks,
    ):
        for _ in range(AT_ONCE):
            tasks.create_task(one_of_the_crowd(session))
    return answers


async def test_2000_interleaved_calls_of_50_callers_never_mix() -> None:
    luma = EchoingLuma()
    async with serving(luma.app()) as upstream:
        app = build_app(load_settings(dream_machine_url=upstream))
        async with serving(app) as url:
            answers = await crowd(f"{url}/mcp")
    assert len(answers) == CALLS
    strangers = [key for key, text in answers if canary(key) not in text]
    assert strangers == []
    assert sum(luma.asked.values()) == CALLS
    assert [pair for pair in luma.asked if pair[1] not in {pair[0], id_of(pair[0])}] == []
    assert all(key not in text for key, text in answers)
