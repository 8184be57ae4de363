"""Connections that send too much of a head, too slowly, or just when the server ends."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from luma_mcp import connections
from luma_mcp.connections import MAX_FIELDS, MAX_HEAD_BYTES, Connection
from tests.e2e.processes import finished
from tests.servers import serving

REQUEST = b"POST /here HTTP/1.1\r\nHost: localhost\r\n"
KEPT = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
# What an endless sender gives up after; nothing here takes nearly as much.
ENDLESS = 64


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what came."""
    request = Request(scope, receive)
    body = await request.body()
    answer = {"path": request.url.path, "fields": len(request.headers), "bytes": len(body)}
    await JSONResponse(answer)(scope, receive, send)


@asynccontextmanager
async def door(
    *, head_seconds: float = 60, idle_seconds: float = 60
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter, list[str]]]:
    """A connection to a server, and the limits that it says were hit."""
    hit: list[str] = []
    http = partial(Connection, head_seconds=head_seconds, refused=hit.append)
    async with serving(echo, http=http, timeout_keep_alive=idle_seconds) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        try:
            yield reader, writer, hit
        finally:
            writer.close()


async def read_answer(reader: asyncio.StreamReader) -> tuple[bytes, dict[str, object]]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return head, json.loads(await reader.readexactly(int(length)))


async def has_closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionResetError:  # what we still sent met a closed door
        return True


def fields(number: int, size: int = 1) -> bytes:
    return b"".join(b"x-%d: %s\r\n" % (one, b"a" * size) for one in range(number))


TOO_LARGE = {
    "many fields": REQUEST + fields(MAX_FIELDS) + b"\r\n",
    "large fields": REQUEST + fields(100, 700) + b"\r\n",
    "one large field": REQUEST + b"x: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n",
    "a large name": REQUEST + b"a" * MAX_HEAD_BYTES + b": x\r\n\r\n",
    "a long address": b"GET /" + b"a" * MAX_HEAD_BYTES + b" HTTP/1.1\r\n\r\n",
    "no end": REQUEST + b"x: " + b"a" * MAX_HEAD_BYTES,
    "a body behind it": REQUEST + b"content-length: 5\r\n" + fields(MAX_FIELDS) + b"\r\nhello",
    "another behind it": (REQUEST + fields(MAX_FIELDS) + b"\r\n") * 2,
}


@pytest.mark.parametrize("sent", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_a_head_that_is_too_large_is_refused_in_our_words(sent: bytes) -> None:
    async with door() as (reader, writer, hit):
        writer.write(sent)
        head, said = await read_answer(reader)
        assert await has_closed(reader)
    assert head.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"connection: close" in head
    assert (said["code"], said["retryable"]) == ("invalid_request", False)
    assert "200, and 64 KiB" in str(said["advice"])
    assert hit == ["headers"]


@pytest.mark.parametrize("piece", [b"x: " + b"a" * 40_000, b"a: b\r\n" * 6_000])
async def test_a_head_that_never_ends_is_not_kept(piece: bytes) -> None:
    async with door() as (reader, writer, hit):
        writer.write(REQUEST)
        for _ in range(ENDLESS):
            writer.write(piece)
        head, _ = await read_answer(reader)
    assert head.startswith(b"HTTP/1.1 431 ")
    assert hit == ["headers"]


@pytest.mark.parametrize("piece", [b"x: " + b"a" * 40_000, b"a: b\r\n" * 6_000])
async def test_what_follows_a_body_cannot_be_endless_either(piece: bytes) -> None:
    async with door() as (reader, writer, hit):
        writer.write(REQUEST + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n")
        for _ in range(ENDLESS):
            writer.write(piece)
        assert await has_closed(reader)
    assert hit == ["headers"]


async def test_what_stands_behind_a_body_is_no_header() -> None:
    chunked = REQUEST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
    async with door() as (reader, writer, _):
        writer.write(chunked + b"X-API-Key: luma-ada\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n")
        _, answer = await read_answer(reader)
    assert answer == {"path": "/here", "fields": 2, "bytes": 3}


async def test_heads_and_bodies_within_the_bounds_pass() -> None:
    size = 300_000
    async with door() as (reader, writer, hit):
        writer.write(REQUEST + fields(MAX_FIELDS - 1, 200) + b"\r\n")
        _, many = await read_answer(reader)
        writer.write(REQUEST + b"x: " + b"a" * 60_000 + b"\r\n\r\n")
        _, long = await read_answer(reader)
        writer.write(REQUEST + b"content-length: %d\r\n\r\n" % size + b"a" * size + KEPT)
        _, large = await read_answer(reader)
        _, behind = await read_answer(reader)
        for byte in KEPT:
            writer.write(bytes([byte]))
            await writer.drain()
        _, slow = await read_answer(reader)
    assert (many["fields"], long["fields"], large["bytes"]) == (MAX_FIELDS, 2, size)
    assert behind == slow == {"path": "/", "fields": 1, "bytes": 0}
    assert hit == []


@pytest.mark.parametrize("sent", [b"P", REQUEST, KEPT + REQUEST])
async def test_a_head_that_comes_too_slowly_is_refused_in_our_words(sent: bytes) -> None:
    async with door(head_seconds=0.1) as (reader, writer, hit):
        writer.write(sent)
        if sent.startswith(KEPT):
            await read_answer(reader)
        head, said = await read_answer(reader)
        assert await has_closed(reader)
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert (said["code"], said["message"]) == (
        "timed_out",
        "The headers of the request did not arrive within 0.1 seconds.",
    )
    assert hit == ["slow_request"]


async def test_a_request_that_is_answered_is_not_taken_for_a_slow_one() -> None:
    answers = asyncio.Event()

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await answers.wait()
        await echo(scope, receive, send)

    http = partial(Connection, head_seconds=0.05, refused=pytest.fail)
    async with serving(late, http=http, lifespan="off") as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(KEPT)
        asyncio.get_running_loop().call_later(0.2, answers.set)
        head, _ = await read_answer(reader)
        writer.close()
    assert head.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
async def test_a_connection_without_a_request_is_closed_without_a_word(sent: bytes) -> None:
    async with door(head_seconds=0.1, idle_seconds=0.1) as (reader, writer, hit):
        writer.write(sent)
        assert await has_closed(reader)
    assert hit == []


async def test_what_is_no_request_is_refused_as_ever() -> None:
    async with door() as (reader, writer, hit):
        writer.write(b"\x16\x03\x01\x02\x00\x01\x00")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    assert hit == []


async def ended(port: int) -> None:
    """Wait until nothing listens there any more."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            return
        writer.close()


@pytest.mark.parametrize("begun", [b"", KEPT, KEPT[:7]])
async def test_a_request_that_was_on_its_way_when_the_server_ended_is_answered(
    monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connections, "LINGER_SECONDS", 60)
    http = partial(Connection, head_seconds=60, refused=pytest.fail)
    serves, ends = asyncio.Event(), asyncio.Event()
    urls: list[str] = []

    async def serve() -> None:
        async with serving(echo, http=http, timeout_graceful_shutdown=60) as url:
            urls.append(url)
            serves.set()
            await ends.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve())
        await serves.wait()
        port = int(urls[0].rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun)
        if begun == KEPT:
            await read_answer(reader)
        ends.set()
        await ended(port)
        writer.write(KEPT if begun in {b"", KEPT} else KEPT[len(begun) :])
        head, _ = await read_answer(reader)
        writer.close()
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in head


async def test_as_many_files_may_be_open_as_the_system_allows() -> None:
    script = """
import resource
from luma_mcp.connections import open_more_files
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 2000))
open_more_files()
open_more_files()
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    assert await finished("-c", script, program=()) == (0, "(2000, 2000)\n", "")
