"""Headers of every shape: whatever they say, everybody gets their own answer and nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from tests.foreign.doors import ACCEPT, JSON_TYPE, LEGACY, Door, Headers, messages_in, request_of
from tests.foreign.examples import examples
from tests.foreign.strategies import written
from tests.foreign.upstreams import HANGING_UP, open_door
from tests.messages import MODERN

BALANCES = {"luma-canary-of-ada": 111, "luma-canary-of-bob": 222, "luma-canary-of-eve": 333}
ADA, BOB, EVE = (key.encode() for key in BALANCES)
NEIGHBOUR = b"luma-canary-of-the-neighbour"
METHODS = ("POST", "POST", "POST", "POST", "GET", "DELETE", "PUT", "HEAD", "OPTIONS", "TRACE", "X")
PATHS = ("/mcp",) * 6 + ("/mcp/", "/", "/healthz", "/sse", "/messages", "/callbacks/x", "/no/such")
# What httptools lets through; the rest is for the tests on a raw socket.
VALUES = st.binary(max_size=30).map(
    lambda raw: bytes(one for one in raw if one == 9 or (one >= 32 and one != 127))
)
ODD = st.sampled_from(
    [
        b"",
        b" ",
        b"\t",
        b"\xff\xfe",
        "é".encode("latin-1"),
        b"\xed\xa0\x80",
        b"a" * 60_000,
        b",,;=",
        b'"',
    ]
)
KEYS = st.sampled_from(
    [
        ADA,
        BOB,
        EVE,
        b"Bearer " + ADA,
        b"bearer  " + BOB,
        b"Basic YTpi",
        b"Bearer",
        b"Bearer a b",
        b"luma-api-" + b"x" * 20,
        b"Bearer \xe9\xe9\xe9\xe9\xe9\xe9\xe9",
        b"x" * 600,
        b"Token " + EVE,
    ]
)
KNOWN: dict[bytes, st.SearchStrategy[bytes]] = {
    b"authorization": KEYS,
    b"x-api-key": KEYS,
    b"x-auth-token": KEYS,
    b"x-luma-api-key": KEYS,
    b"x-luma-agents-api-key": KEYS,
    b"mcp-protocol-version": st.sampled_from(
        [
            MODERN.encode(),
            LEGACY.encode(),
            b"2024-11-05",
            b"1999-01-01",
            b"2099-01-01",
            b"v1",
            b"null",
        ]
    ),
    b"mcp-method": st.sampled_from([b"tools/call", b"tools/list", b"initialize", b"TOOLS/CALL"]),
    b"mcp-name": st.sampled_from([b"get_credits", b"ping", b"=?base64?Z2V0?=", b"=?base64?%?="]),
    b"mcp-session-id": st.sampled_from([b"1", b"../..", b"0" * 64]),
    b"mcp-param-limit": st.sampled_from([b"1", b"x"]),
    b"last-event-id": st.sampled_from([b"1", b"-1"]),
    b"accept": st.sampled_from(
        [b"*/*", b"application/json", b"text/event-stream", b"text/html", b"application/json;q=x"]
    ),
    b"content-type": st.sampled_from(
        [
            b"application/json",
            b"text/plain",
            b"application/json; charset=utf-16",
            b"application/",
            b"multipart/form-data",
            b"APPLICATION/JSON;;;",
            b"application/json; charset=x-none",
        ]
    ),
    b"content-encoding": st.sampled_from([b"gzip", b"identity", b"x"]),
    b"content-length": st.sampled_from([b"0", b"-1", b"1e3", b"x", b"+5", b"9" * 30, b"9" * 5_000]),
    b"transfer-encoding": st.sampled_from([b"chunked", b"identity", b"gzip, chunked"]),
    b"host": st.sampled_from(
        [
            b"localhost:1",
            b"[::1]",
            b"[::1",
            b"evil.example",
            b"127.0.0.1:x",
            b"127.0.0.1@evil.example",
            b"127.0.0.1:99999",
            b"127.0.0.1/",
            b"127.0.0.1:",
            b"a" * 300,
        ]
    ),
    b"origin": st.sampled_from(
        [b"null", b"http://localhost", b"https://evil.example", b"http://["]
    ),
    b"x-forwarded-for": st.sampled_from([b"1.2.3.4", b"x, y"]),
    b"x-forwarded-host": st.sampled_from([b"evil.example"]),
    b"x-mcp-toolsets": st.sampled_from(
        [b"account", b"videos, images", b"no_such", b",", b"ACCOUNT,,"]
    ),
    b"x-mcp-readonly": st.sampled_from([b"true", b"0", b"maybe", b"YES"]),
    b"expect": st.sampled_from([b"100-continue", b"x"]),
    b"connection": st.sampled_from([b"close", b"upgrade", b"authorization"]),
    b"upgrade": st.sampled_from([b"websocket", b"h2c"]),
    b"cookie": st.sampled_from([b"a=b", b"=;=;"]),
    b"range": st.sampled_from([b"bytes=0-1"]),
    b"access-control-request-method": st.sampled_from([b"POST"]),
    b"x-forwarded-proto": st.sampled_from([b"https", b"javascript"]),
}
LINES = st.one_of(
    [st.tuples(st.just(name), values | values | ODD | VALUES) for name, values in KNOWN.items()]
)


USUAL = {"era": LEGACY, "method": "POST", "path": "/mcp"}


@st.composite
def headers(draw: st.DrawFn) -> Headers:
    """Draw headers that begin in order, or not, and then go on as they like; some come twice."""
    start: Headers = [ACCEPT, JSON_TYPE] if draw(st.integers(0, 3)) else []
    if draw(st.integers(0, 3)):
        start.append((b"authorization", b"Bearer " + draw(st.sampled_from([ADA, BOB, EVE]))))
    return start + draw(st.lists(LINES, max_size=5))


class Mirror:
    """An upstream where every key has a balance of its own."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer any path with the balance; who asks whether Luma is there brings no key."""
        key = Request(scope).headers.get("authorization", "").removeprefix("Bearer ")
        if key:
            self.keys.append(key.encode())
        answer = JSONResponse({"credit_balance": BALANCES.get(key, 0)}, headers=HANGING_UP)
        await answer(scope, receive, send)


@pytest.fixture
async def mirrored() -> AsyncIterator[tuple[Door, Mirror]]:
    mirror = Mirror()
    async with open_door(mirror) as door:
        yield door, mirror


def balance_in(answer: httpx.Response) -> float | None:
    """Read the balance out of an answer that is no error."""
    if answer.status_code != 200 or "result" not in answer.text:
        return None
    said = messages_in(answer)[-1]
    return said.get("result", {}).get("structuredContent", {}).get("credit_balance_cents")


def check_explained(answer: httpx.Response, method: str) -> None:
    """What is refused says so in words."""
    if answer.status_code < 400 or method == "HEAD":
        return
    if "json" not in answer.headers.get("content-type", ""):
        assert answer.text.strip() or answer.headers["allow"]
        return
    said = json.loads(answer.content)
    assert (said.get("error") or said)["message"]


@example(sent=[(b"x-api-key", ADA), JSON_TYPE], **{**USUAL, "era": MODERN})
@example(sent=[(b"x-api-key", ADA), (b"content-length", b"9" * 5_000)], **USUAL)
@example(sent=[(b"x-api-key", ADA), (b"content-length", b"\xb2")], **USUAL)
@examples(250)
@given(
    sent=headers(),
    era=st.sampled_from([LEGACY, MODERN]),
    method=st.sampled_from(METHODS),
    path=st.sampled_from(PATHS),
)
async def test_whatever_the_headers_say_the_answer_is_the_callers_own(
    mirrored: tuple[Door, Mirror], sent: Headers, era: str, method: str, path: str
) -> None:
    door, mirror = mirrored
    mirror.keys.clear()
    params = {"name": "get_credits", "arguments": {}}
    body = written(request_of(era, "tools/call", params))
    if era == MODERN:
        named = [(b"mcp-method", b"tools/call"), (b"mcp-name", b"get_credits")]
        sent = [*named, (b"mcp-protocol-version", MODERN.encode()), *sent]
    async with asyncio.TaskGroup() as group:
        odd = group.create_task(door.send(sent, body, method, path))
        plain = group.create_task(door.call(NEIGHBOUR.decode(), LEGACY, "get_credits", {}))
    answer = odd.result()
    check_explained(answer, method)
    assert balance_in(plain.result()) == 0
    named = b" ".join(value for _, value in sent)
    others = {key for key in mirror.keys if key != NEIGHBOUR}
    assert all(key in named for key in others)
    if balance := balance_in(answer):
        assert [balance] == [BALANCES[key.decode()] for key in others]
