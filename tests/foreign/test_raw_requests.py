"""HTTP itself, bent on a raw socket: what could be read in two ways is refused, or harmless."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from luma_mcp.settings import load_settings
from luma_mcp.web.app import build_app
from tests.foreign.doors import INSIDES, LEGACY, Faults, request_of
from tests.foreign.examples import examples
from tests.foreign.strategies import written
from tests.foreign.upstreams import PREFIX
from tests.servers import serving

ADA, EVE = "luma-canary-of-ada", "luma-canary-of-eve"
BODY = written(request_of(LEGACY, "tools/call", {"name": "ping", "arguments": {}}))
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


def request_with(*lines: str, key: str = ADA, first: str = "POST /mcp HTTP/1.1") -> bytes:
    known = ["Host: 127.0.0.1", f"Authorization: Bearer {key}", "Content-Type: application/json"]
    accept = "Accept: application/json, text/event-stream"
    return "\r\n".join([first, *known, accept, *lines, "", ""]).encode("latin-1")


HIDDEN = request_with(LENGTH, "Connection: close", key=EVE) + BODY
# Where one reader sees one request, another sees a second one that carries somebody else's key.
SMUGGLED = {
    "both lengths": request_with(f"Content-Length: {5 + len(HIDDEN)}", CHUNKED)
    + b"0\r\n\r\n"
    + HIDDEN,
    "both lengths, turned": request_with(CHUNKED, LENGTH) + CHUNKS + HIDDEN,
    "two lengths": request_with(LENGTH, f"Content-Length: {len(BODY) + len(HIDDEN)}")
    + BODY
    + HIDDEN,
    "two lengths in one": request_with(f"{LENGTH}, {len(BODY) + len(HIDDEN)}") + BODY + HIDDEN,
    "a length with a sign": request_with(f"Content-Length: +{len(BODY)}") + BODY + HIDDEN,
    "a negative length": request_with("Content-Length: -1") + BODY + HIDDEN,
    "a length in hex": request_with(f"Content-Length: {len(BODY):#x}") + BODY + HIDDEN,
    "a length beyond 64 bits": request_with(f"Content-Length: {2**64 + len(BODY)}") + BODY + HIDDEN,
    "chunked twice": request_with(CHUNKED, CHUNKED, LENGTH) + CHUNKS + HIDDEN,
    "chunked under another name": request_with("Transfer-Encoding: xchunked", LENGTH)
    + BODY
    + HIDDEN,
    "chunked and then not": request_with("Transfer-Encoding: chunked, identity") + CHUNKS + HIDDEN,
    "a blank before the colon": request_with("Transfer-Encoding : chunked", LENGTH)
    + CHUNKS
    + HIDDEN,
    "a folded line": request_with("X-A: b\r\n Transfer-Encoding: chunked", "Content-Length : 1")
    + BODY
    + HIDDEN,
    "bare line feeds": request_with(LENGTH, "X-A: b\nContent-Length: 0") + BODY + HIDDEN,
    "a bare carriage return": request_with(LENGTH, "X-A: b\rContent-Length: 0") + BODY + HIDDEN,
    "a zero byte": request_with(LENGTH, "X-A: b\0c") + BODY + HIDDEN,
    "a chunk of a wrong size": request_with(CHUNKED) + b"zz\r\n" + BODY + b"\r\n0\r\n\r\n" + HIDDEN,
    "a chunk beyond 64 bits": request_with(CHUNKED)
    + b"1"
    + b"0" * 16
    + b"\r\n"
    + BODY
    + b"\r\n0\r\n\r\n"
    + HIDDEN,
    "a chunk that goes on": request_with(CHUNKED) + b"1\r\n" + BODY + b"\r\n0\r\n\r\n" + HIDDEN,
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + HIDDEN,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN,
    "no such version": request_with(LENGTH, first="POST /mcp HTTP/9.9") + BODY + HIDDEN,
    "blanks in the target": request_with(LENGTH, first="POST /mcp /x HTTP/1.1") + BODY + HIDDEN,
}


class Pong:
    """An upstream that keeps whose keys it saw."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer /ping."""
        self.keys.append(Request(scope).headers["authorization"].removeprefix("Bearer "))
        await JSONResponse({"message": "pong"})(scope, receive, send)


@dataclass
class Wire:
    """A port to write to."""

    port: int
    upstream: Pong
    faults: Faults

    async def say(self, text: bytes) -> str:
        """Write it on a connection of its own and read until the server hangs up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text)
        answer = (await reader.read()).decode("latin-1")
        writer.close()
        assert not self.faults.found
        assert not [word for word in INSIDES if word in answer]
        return answer

    async def check(self) -> None:
        """The next connection works, and nobody's key went out but the one who asks."""
        assert EVE not in self.upstream.keys
        self.upstream.keys.clear()
        answer = await self.say(request_with(LENGTH, "Connection: close") + BODY)
        assert answer.startswith("HTTP/1.1 200 ")
        assert "pong" in answer
        assert self.upstream.keys == [ADA]
        self.upstream.keys.clear()


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    upstream, faults = Pong(), Faults()
    with faults.listening():
        async with serving(upstream) as luma:
            app = build_app(load_settings(dream_machine_url=luma + PREFIX))
            async with serving(app) as url:
                yield Wire(int(url.rsplit(":", 1)[1]), upstream, faults)


async def test_a_second_request_in_order_is_answered_too(wire: Wire) -> None:
    answer = await wire.say(request_with(LENGTH) + BODY + HIDDEN)
    assert answer.count("HTTP/1.1 200 ") == 2
    assert wire.upstream.keys == [ADA, EVE]


async def test_no_request_hides_in_another(wire: Wire) -> None:
    for form, text in SMUGGLED.items():
        answer = await wire.say(text)
        assert answer.startswith("HTTP/1.1 400 "), form
        assert answer.count("HTTP/1.1") == 1, form
        assert "Invalid HTTP request" in answer, form
        await wire.check()


@examples(50)
@given(lines=st.lists(st.binary(max_size=40), max_size=4))
async def test_any_bytes_between_the_headers_are_answered(wire: Wire, lines: list[bytes]) -> None:
    whole = request_with(LENGTH, "Connection: close")
    head = whole.removesuffix(b"\r\n") + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
    answer = await wire.say(head + BODY)
    assert answer.startswith(("HTTP/1.1 200 ", "HTTP/1.1 4"))
    await wire.check()


async def test_clients_that_hang_up_in_the_middle_do_no_harm(wire: Wire) -> None:
    whole = request_with(LENGTH) + BODY
    for part in (1, 20, whole.index(b"\r\n\r\n"), len(whole) - 1):
        _, writer = await asyncio.open_connection("127.0.0.1", wire.port)
        writer.write(whole[:part])
        await writer.drain()
        writer.transport.abort()
        await wire.check()
