"""Calls answered past the framework: as it would answer them, and for far less."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from types import FrameType
from typing import Any

import httpx
import pytest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.types import Message
from structlog.testing import capture_logs

from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.settings import load_settings
from luma_mcp.web import app as web
from luma_mcp.web.app import build_app
from luma_mcp.web.streams import send_json
from tests.clocks import settle
from tests.e2e.conftest import until
from tests.luma.test_leaving import Slow
from tests.luma.upstream import playing
from tests.messages import META, MODERN
from tests.servers import product, serving

KEY = {"X-API-Key": "luma-ada"}
PLAIN, FRAMEWORK = "application/json, text/event-stream", "application/*, text/*"
VERSIONS = [None, *HANDSHAKE_PROTOCOL_VERSIONS, MODERN]
UNKNOWN_ID = "123e4567-e89b-12d3-a456-426614174000"
CALLS: list[tuple[str, dict[str, Any] | None]] = [
    ("ping", {}),
    ("ping", None),
    ("ping", {"unknown": 1}),
    ("list_generations", {"limit": "5"}),
    ("list_generations", {"limit": 1_000}),
    ("get_credits", {}),
    ("get_camera_motions", {}),
    ("list_concepts", {}),
    ("get_generation", {"generation_id": UNKNOWN_ID}),
    ("get_generation", {"generation_id": "é\u202e"}),
    ("get_generation", {}),
    ("delete_generation", {"generation_id": UNKNOWN_ID}),
    ("create_generation", {"prompt": "A boat [sandbox:http=402]"}),
    ("create_generation", {"prompt": "A boat [sandbox:garbage]"}),
    ("create_generation", {"prompt": ""}),
    ("upscale_generation", {"generation_id": UNKNOWN_ID, "resolution": "4k"}),
]

Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with (
        product(TurnedClock()) as url,
        httpx.AsyncClient(base_url=url, headers=KEY | {"Accept": PLAIN}) as client,
    ):
        yield client


@pytest.fixture
def ask(http: httpx.AsyncClient) -> Ask:
    """Send one call; `accept` decides which way it is answered."""

    async def send(
        tool: str,
        arguments: dict[str, Any] | None,
        version: str | None = None,
        accept: str = PLAIN,
        *,
        headers: dict[str, str] | None = None,
        meta: dict[str, Any] | None = None,
        number: object = 1,
    ) -> httpx.Response:
        params: dict[str, Any] = {"name": tool, "arguments": arguments}
        asking = {"Accept": accept}
        if version is not None:
            asking["MCP-Protocol-Version"] = version
        if version == MODERN:
            params["_meta"] = META
            asking |= {"Mcp-Method": "tools/call", "Mcp-Name": tool}
        if meta is not None:
            params["_meta"] = meta
        message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
        return await http.post("/mcp", json=message, headers=asking | (headers or {}))

    return send


def message_in(response: httpx.Response) -> dict[str, Any]:
    """The JSON-RPC message of an answer, as it is or in a stream; ids of requests differ."""
    text = response.text.partition("data: ")[2] or response.text
    message = httpx.Response(200, text=text).json()
    structured = message.get("result", {}).get("structuredContent", {})
    if request_id := structured.pop("request_id", None):
        block = message["result"]["content"][0]
        block["text"] = block["text"].replace(request_id, "")
    return message


@pytest.mark.parametrize("version", VERSIONS)
async def test_both_ways_answer_the_same(ask: Ask, version: str | None) -> None:
    for number, (tool, arguments) in enumerate(CALLS):
        plain = await ask(tool, arguments, version, PLAIN, number=number)
        framework = await ask(tool, arguments, version, FRAMEWORK, number=f"n{number}")
        assert plain.status_code == framework.status_code == 200
        assert plain.headers["content-type"] == "application/json"
        assert message_in(plain) == message_in(framework) | {"id": number}


@pytest.mark.parametrize("version", [None, MODERN])
async def test_both_ways_answer_the_same_about_a_job(ask: Ask, version: str | None) -> None:
    made = message_in(await ask("create_generation", {"prompt": "A boat"}, version))
    job = {"generation_id": made["result"]["structuredContent"]["id"]}
    plain = message_in(await ask("get_generation", job, version, PLAIN))
    framework = message_in(await ask("get_generation", job, version, FRAMEWORK))
    for message in (plain, framework):
        del message["result"]["structuredContent"]["as_of"]
    assert plain == framework


@pytest.mark.parametrize("number", [0, -1, 2**60, "", "é", "1"])
async def test_the_id_comes_back_as_it_was(ask: Ask, number: object) -> None:
    assert message_in(await ask("ping", {}, number=number))["id"] == number


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Mcp-Name": "get_credits"}, -32020),
        ({"Mcp-Method": "tools/list"}, -32020),
        ({"MCP-Protocol-Version": "2031-01-01"}, -32020),
    ],
)
async def test_the_framework_judges_headers_that_do_not_fit(
    ask: Ask, headers: dict[str, str], code: int
) -> None:
    response = await ask("ping", {}, MODERN, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (400, code)


@pytest.mark.parametrize(
    "meta",
    [
        {},
        META | {"io.modelcontextprotocol/clientCapabilities": 7},
        META | {"io.modelcontextprotocol/clientInfo": {"name": 5}},
    ],
)
async def test_the_framework_judges_an_envelope_that_is_not_whole(
    ask: Ask, meta: dict[str, Any]
) -> None:
    response = await ask("ping", {}, MODERN, meta=meta)
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32602)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Accept": "application/json"}, 406),
        ({"Accept": "text/event-stream"}, 406),
        ({"Content-Type": "text/plain"}, 400),
        ({"MCP-Protocol-Version": "nonsense"}, 400),
    ],
)
async def test_the_framework_judges_what_a_client_can_take(
    ask: Ask, headers: dict[str, str], status: int
) -> None:
    assert (await ask("ping", {}, headers=headers)).status_code == status


@pytest.mark.parametrize(
    "more", [{"requestState": "x"}, {"inputResponses": {"ttl": "x"}}, {"task": "x"}]
)
@pytest.mark.parametrize("version", [None, MODERN])
async def test_the_framework_judges_what_a_plain_call_does_not_hold(
    http: httpx.AsyncClient, version: str | None, more: dict[str, Any]
) -> None:
    params = {"name": "ping", "arguments": {}, **more}
    headers = {}
    if version == MODERN:
        params["_meta"] = META
        headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "ping"}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    response = await http.post("/mcp", json=message, headers=headers)
    assert message_in(response)["error"]["code"] == -32602


async def test_what_the_framework_takes_for_a_reply_is_not_run(http: httpx.AsyncClient) -> None:
    params = {"name": "create_generation", "arguments": {"prompt": "A boat"}}
    reply = {"error": {"code": 1, "message": "No."}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params, **reply}
    assert (await http.post("/mcp", json=message)).status_code == 202
    listing = {**message, "params": {"name": "list_generations"}}
    del listing["error"]
    listed = message_in(await http.post("/mcp", json=listing))
    assert listed["result"]["structuredContent"]["count"] == 0


@pytest.mark.parametrize("accept", ["*/*", "Text/Event-Stream, APPLICATION/JSON;q=0.5"])
async def test_a_client_that_takes_both_may_say_it_in_other_ways(ask: Ask, accept: str) -> None:
    response = await ask("ping", {}, accept=accept)
    assert response.headers["content-type"] == "application/json"


async def test_the_framework_judges_params_that_are_not_right(ask: Ask) -> None:
    response = await ask("ping", {}, meta={"progressToken": {}})
    assert message_in(response)["error"]["code"] == -32602


async def test_a_header_that_comes_twice_is_left_to_the_framework(http: httpx.AsyncClient) -> None:
    params = {"name": "ping", "arguments": {}, "_meta": META}
    headers = [
        ("MCP-Protocol-Version", MODERN),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "ping"),
        ("Mcp-Name", "get_credits"),
    ]
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    response = await http.post("/mcp", json=message, headers=headers)
    assert response.status_code == 400
    assert "more than once" in response.json()["error"]["message"]


async def test_a_notification_is_no_call(http: httpx.AsyncClient) -> None:
    message = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "ping"}}
    response = await http.post("/mcp", json=message)
    assert (response.status_code, response.text) == (202, "")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("create_generation", {"prompt": "A boat", "wait_seconds": 0.0}),
        ("create_generation", {"prompt": "A boat", "wait_seconds": None}),
        ("generate_image", {"prompt": "A boat", "wait_seconds": 0}),
    ],
)
async def test_a_call_that_does_not_wait_for_its_job_is_a_plain_one(
    ask: Ask, tool: str, arguments: dict[str, Any]
) -> None:
    response = await ask(tool, arguments)
    assert response.headers["content-type"] == "application/json"


async def test_a_call_that_may_wait_goes_the_way_that_can_stream(ask: Ask) -> None:
    response = await ask("create_generation", {"prompt": "A boat", "wait_seconds": "0"})
    assert response.headers["content-type"].startswith("text/event-stream")


class Client:
    """Who reads an answer, and perhaps leaves."""

    def __init__(self) -> None:
        self.said: list[Message] = []
        self.asked: list[Message] = [{"type": "http.request", "body": b"{}", "more_body": False}]
        self.leaves = asyncio.Event()
        self.read = asyncio.Condition()

    async def receive(self) -> Message:
        if self.asked:
            return self.asked.pop()
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        async with self.read:
            self.said.append(message)
            self.read.notify_all()

    async def has_read(self, messages: int) -> None:
        async with self.read:
            await self.read.wait_for(lambda: len(self.said) >= messages)


class Endless:
    """An answer that is never made, and whether anybody still works on it."""

    def __init__(self) -> None:
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    async def making(self) -> bytes:
        self.begun.set()
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            self.ended.set()


async def test_a_long_call_becomes_a_stream_that_is_kept_alive() -> None:
    client, ready = Client(), asyncio.Event()

    async def making() -> bytes:
        await ready.wait()
        return b'{"done":true}'

    sending = asyncio.create_task(send_json(making(), client.receive, client.send, 0))
    await client.has_read(4)
    ready.set()
    await sending
    start, first, *pings, last = client.said
    assert dict(start["headers"]) == {
        b"content-type": b"text/event-stream",
        b"cache-control": b"no-cache, no-transform",
        b"x-accel-buffering": b"no",
    }
    assert {ping["body"] for ping in (first, *pings)} == {b": ping\r\n\r\n"}
    assert all(ping["more_body"] for ping in (first, *pings))
    assert last == {
        "type": "http.response.body",
        "body": b'event: message\r\ndata: {"done":true}\r\n\r\n',
    }


async def test_who_leaves_a_long_call_ends_it() -> None:
    client, endless = Client(), Endless()
    sending = asyncio.create_task(send_json(endless.making(), client.receive, client.send, 0))
    await client.has_read(2)
    client.leaves.set()
    await sending
    await endless.ended.wait()
    assert not [message for message in client.said if b"event:" in message.get("body", b"")]


async def test_who_leaves_before_the_first_word_ends_the_call_too() -> None:
    client, endless = Client(), Endless()
    sending = asyncio.create_task(send_json(endless.making(), client.receive, client.send, 60))
    await endless.begun.wait()
    client.leaves.set()
    await sending
    await endless.ended.wait()
    assert client.said == []


async def test_an_answer_leaves_nothing_running_behind() -> None:
    client, before = Client(), asyncio.all_tasks()

    async def making() -> bytes:
        return b"{}"

    await send_json(making(), client.receive, client.send, 60)
    await settle()
    assert asyncio.all_tasks() == before
    assert [message.get("body") for message in client.said] == [None, b"{}"]


@pytest.fixture
async def slow(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[str, Slow]]:
    """A server that is never silent, and the Luma behind it, which answers when it is told to."""
    monkeypatch.setattr(web, "KEEP_ALIVE_SECONDS", 0)
    luma = Slow(201, {"id": UNKNOWN_ID, "state": "queued"})
    async with (
        playing(luma) as upstream,
        serving(build_app(load_settings(dream_machine_url=upstream.url))) as url,
    ):
        yield f"{url}/mcp", luma


CREATION = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "create_generation", "arguments": {"prompt": "A boat"}},
}


async def test_a_client_hears_something_while_luma_is_slow(slow: tuple[str, Slow]) -> None:
    url, luma = slow
    headers = KEY | {"Accept": PLAIN}
    async with (
        httpx.AsyncClient() as http,
        http.stream("POST", url, json=CREATION, headers=headers) as answer,
    ):
        lines = answer.aiter_lines()
        assert await anext(lines) == ": ping"
        luma.release.set()
        said = [line async for line in lines if line.startswith("data:")]
    assert UNKNOWN_ID in said[0]


async def test_a_paid_call_whose_caller_leaves_is_seen_through_and_logged(
    slow: tuple[str, Slow],
) -> None:
    url, luma = slow
    with capture_logs() as lines:
        async with (
            httpx.AsyncClient() as http,
            http.stream("POST", url, json=CREATION, headers=KEY | {"Accept": PLAIN}),
        ):
            await luma.asked.wait()
        await until(lambda: any(line["event"] == "call" for line in lines))
        luma.release.set()
        await until(lambda: any(line["event"] == "left" for line in lines))
    (left,) = [line for line in lines if line["event"] == "left"]
    assert left["generation_id"] == UNKNOWN_ID


async def test_a_call_that_is_cut_off_by_the_server_ends() -> None:
    client, endless = Client(), Endless()
    sending = asyncio.create_task(send_json(endless.making(), client.receive, client.send, 60))
    await endless.begun.wait()
    sending.cancel()
    await endless.ended.wait()


async def steps(ask: Ask, accept: str) -> int:
    """Count the functions, ours and the framework's, that one answer calls once all is warm."""
    await ask("get_generation", {}, MODERN, accept)
    count = 0

    def note(frame: FrameType, event: str, _argument: object) -> None:  # pragma: no cover - of it
        nonlocal count  # itself nothing is traced
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        count += event == "call" and package in {"luma_mcp", "fastmcp", "mcp", "mcp_types"}

    sys.setprofile(note)
    try:
        await ask("get_generation", {}, MODERN, accept)
    finally:
        sys.setprofile(None)
    return count


async def test_the_framework_still_takes_far_more_steps_for_a_call(ask: Ask) -> None:
    plain = await steps(ask, PLAIN)
    framework = await steps(ask, FRAMEWORK)
    assert framework > 1.5 * plain, (
        f"FastMCP has become lean ({framework} steps to {plain}): remove web/plain_calls.py"
    )
