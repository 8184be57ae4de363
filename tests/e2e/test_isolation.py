"""Many callers at once: no answer and no call of Luma ever carries another caller's key."""

import asyncio
import hashlib
import json
import re
from collections import Counter
from itertools import product
from typing import Any, NamedTuple
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
TOOLS = ("get_generation", "list_generations", "create_generation")
CANARY = re.compile(r"[0-9a-f]{64}")
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


class Call(NamedTuple):
    """Who calls, and how."""

    key: str
    modern: bool
    header: str
    tool: str


def plan() -> list[Call]:
    """Let neighbours in time be different callers, each of them turning through all ways."""
    calls = []
    for number in range(CALLS):
        turn, place = divmod(number, CALLERS)
        calls.append(
            Call(
                key=KEYS[place * 7 % CALLERS],
                modern=bool((number + turn) % 2),
                header=HEADERS[(number + turn // 2) % len(HEADERS)],
                tool=TOOLS[(number + turn // 8) % len(TOOLS)],
            )
        )
    return calls


def message(call: Call) -> tuple[dict[str, Any], dict[str, str]]:
    """Write a call that only this key's caller makes, in one era or the other."""
    key, name, tool = call.key, call.header, call.tool
    arguments = {
        "get_generation": {"generation_id": id_of(key)},
        "list_generations": {"offset": KEYS.index(key)},
        "create_generation": {"prompt": f"For {key}"},
    }[tool]
    headers = {
        name: f"Bearer {key}" if name == "Authorization" else key,
        "Accept": "application/json, text/event-stream",
    }
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    if call.modern:
        params["_meta"] = META
        headers["MCP-Protocol-Version"] = LATEST_PROTOCOL_VERSION
        headers |= {"Mcp-Method": "tools/call", "Mcp-Name": tool}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, headers


async def crowd(endpoint: str) -> list[tuple[Call, str]]:
    """Make all calls over few shared connections; gives each with its answer."""
    answers: list[tuple[Call, str]] = []
    calls = iter(plan())

    async def one_of_the_crowd(session: aiohttp.ClientSession) -> None:
        for call in calls:
            body, headers = message(call)
            # It goes out on whatever connection is free.
            async with session.post(endpoint, json=body, headers=headers) as response:
                answers.append((call, await response.text()))

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
    for key in KEYS:
        made = [call for call, _ in answers if call.key == key]
        assert {(call.modern, call.header) for call in made} == set(product((False, True), HEADERS))
        assert {(call.modern, call.tool) for call in made} == set(product((False, True), TOOLS))
    owners = {canary(key): key for key in KEYS}
    mixed = [
        call
        for call, text in answers
        if {owners.get(word) for word in CANARY.findall(text)} != {call.key}
    ]
    assert mixed == []
    assert sum(luma.asked.values()) == CALLS
    assert [pair for pair in luma.asked if pair[1] not in {pair[0], id_of(pair[0])}] == []
    assert not [call for call, text in answers if any(key in text for key in KEYS)]
