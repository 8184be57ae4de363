"""What one address may ask of the MCP endpoints, and how large and how slow a body may be."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import Message, Receive, Scope, Send

from luma_mcp.settings import SANDBOX_PATH
from luma_mcp.web.limits import MAX_BODY_BYTES, BoundedBodies
from tests.e2e.sign_in import PATH, SECRET_KEY
from tests.servers import application_and_url
from tests.web.conftest import ACCEPT, PING

KEY = {"X-API-Key": "luma-ada"}
JSON = {"Content-Type": "application/json"}
Server = tuple[Starlette, httpx.AsyncClient]
PATHS = ["/mcp", "/mcp/", PATH, "/messages"]


@asynccontextmanager
async def opened(**limits: float) -> AsyncGenerator[Server]:
    """Run the server with sign-ins and all its endpoints, and open a client."""
    options: dict[str, Any] = {"secret_key": SECRET_KEY, "legacy_sse": True, **limits}
    async with (
        application_and_url(is_public=True, **options) as (app, url),
        httpx.AsyncClient(base_url=url, headers=ACCEPT) as http,
    ):
        yield app, http


@pytest.fixture(scope="module")
async def usual() -> AsyncIterator[Server]:
    async with opened() as server:
        yield server


@pytest.fixture(scope="module")
async def impatient() -> AsyncIterator[Server]:
    """A server that waits for no body."""
    async with opened(request_timeout_seconds=0.01) as server:
        yield server


def hits(app: Starlette, limit: str) -> float:
    registry = app.state.services.metrics.registry
    return registry.get_sample_value("luma_mcp_limits_hit_total", {"limit": limit}) or 0


@asynccontextmanager
async def talking(
    http: httpx.AsyncClient, request: str, *headers: str
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Begin a request with its head."""
    port = http.base_url.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"{request} HTTP/1.1", f"Host: 127.0.0.1:{port}", "X-API-Key: luma-ada", *headers]
    writer.write("".join(f"{line}\r\n" for line in (*lines, "")).encode())
    try:
        yield reader, writer
    finally:
        writer.close()


async def status_from(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Read one answer with a length; gives its status and body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].split()[0])
    return int(head.split()[1]), (await reader.readexactly(length)).decode()


async def test_an_address_that_asks_too_often_is_told_when_to_come_back() -> None:
    async with opened(requests_per_minute=len(PATHS)) as (app, http):
        # Without a key and with made-up ones, at all endpoints together.
        statuses = [(await http.post(path, json=PING)).status_code for path in PATHS]
        assert statuses == [401] * len(PATHS)
        for path in (*PATHS, "/sse"):
            method = "GET" if path == "/sse" else "POST"
            refused = await http.request(method, path, headers=KEY)
            assert refused.status_code == 429
            assert 0 < int(refused.headers["retry-after"]) <= 61
            said = refused.json()
            assert said["code"] == "rate_limited"
            assert said["retryable"]
            assert said["message"] == (
                f"This server takes at most {len(PATHS)} requests in a minute from one address."
            )
            assert said["retry_after_seconds"] == int(refused.headers["retry-after"])
        assert hits(app, "requests_per_minute") == len(PATHS) + 1
        for path in ("/healthz", "/readyz", "/"):
            assert (await http.get(path)).status_code == 200
        assert (await http.post("/oauth/register")).status_code == 400
        elsewhere = {**KEY, "X-Forwarded-For": "203.0.113.7"}
        assert (await http.post("/mcp", json=PING, headers=elsewhere)).status_code == 200


async def test_a_request_is_one_of_those_at_once_until_its_answer_is_over() -> None:
    async with opened(concurrent_requests=2) as (app, http):
        async with (
            http.stream("GET", "/sse", headers=KEY) as stream,
            talking(http, "POST /mcp", "Content-Length: 9") as (_, sending),
        ):
            assert stream.status_code == 200
            sending.write(b"{")
            refused = httpx.Response(200)
            while refused.status_code == 200:  # the other request is on its way
                refused = await http.post("/mcp", json=PING, headers=KEY)
            assert refused.status_code == 429
            assert refused.headers["retry-after"] == "1"
            assert "2 requests at once from one address" in refused.json()["message"]
            assert (await http.get("/healthz")).status_code == 200
            assert hits(app, "concurrent_requests") == 1
        async with app.state.services.limits.request_of("203.0.113.7"):
            pass
        answers: list[int] = []
        while answers[-2:] != [200, 200]:  # until the server has noticed that both are gone
            answers.append((await http.post("/mcp", json=PING, headers=KEY)).status_code)
        async with http.stream("GET", "/sse", headers=KEY) as stream:
            assert (await http.post("/mcp", json=PING, headers=KEY)).status_code == 200


async def test_a_fault_behind_the_limits_is_no_refusal_and_keeps_no_place() -> None:
    async with opened(concurrent_requests=1) as (_, http):
        for _ in range(5):
            answer = await http.post("/mcp", json=[], headers=KEY)
            assert answer.status_code == 400


@pytest.mark.parametrize("length", ["Content-Length: 100", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize(
    "request_line",
    ["POST /mcp", f"POST {PATH}", "POST /messages", "POST /oauth/token", "POST /oauth/connect"],
)
async def test_a_body_that_does_not_come_is_not_waited_for(
    impatient: Server, request_line: str, length: str
) -> None:
    app, http = impatient
    before = hits(app, "slow_request")
    kind = "application/x-www-form-urlencoded" if "oauth/" in request_line else "application/json"
    if request_line == f"POST {PATH}":
        kind = "application/json"
    headers = (f"Content-Type: {kind}", f"Origin: {http.base_url}".rstrip("/"), length)
    async with talking(http, request_line, *headers) as (reader, writer):
        writer.write(b"1\r\n{\r\n" if "chunked" in length else b"{")
        answer = (await reader.read()).decode()  # to the end of the connection
    assert answer.startswith("HTTP/1.1 408 ")
    assert "\r\nconnection: close\r\n" in answer.lower()
    assert '"code":"timed_out"' in answer
    assert "did not arrive within 1 second" in answer
    assert hits(app, "slow_request") == before + 1


async def test_who_reads_no_body_waits_for_none(
    impatient: Server,
) -> None:
    app, http = impatient
    before = hits(app, "slow_request")
    async with talking(http, "POST /callbacks/x", "Content-Length: 100") as (reader, _):
        assert (await status_from(reader))[0] == 200
    async with http.stream("GET", "/sse", headers=KEY) as stream:
        assert stream.status_code == 200
    assert hits(app, "slow_request") == before


@pytest.mark.parametrize("path", ["/mcp", "/oauth/register"])
async def test_a_body_without_an_end_is_refused(usual: Server, path: str) -> None:
    app, http = usual
    before = hits(app, "body")
    async with talking(http, f"POST {path}", "Transfer-Encoding: chunked") as (reader, writer):
        answering = asyncio.create_task(status_from(reader))
        while not answering.done():
            writer.write(b"10000\r\n%s\r\n" % (b" " * 65_536))
            await writer.drain()
    status, said = answering.result()
    assert status == 413
    # The endpoints of sign-ins take less still.
    assert ("larger than 256 KiB" in said) == (path == "/mcp")
    assert hits(app, "body") - before == (path == "/mcp")


async def test_what_nobody_reads_is_thrown_away_after_the_answer(usual: Server) -> None:
    size = 8 * MAX_BODY_BYTES
    async with talking(usual[1], "POST /mcp", f"Content-Length: {size}") as (reader, writer):
        assert (await status_from(reader))[0] == 413
        writer.write(b" " * size)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert (await status_from(reader)) == (200, '{"status":"alive"}')


async def test_the_sandbox_bounds_its_bodies_itself(usual: Server) -> None:
    body = {"prompt": "x" * 2 * MAX_BODY_BYTES}
    path = f"{SANDBOX_PATH}/dream-machine/v1/generations"
    answer = await usual[1].post(path, json=body, headers={"Authorization": "Bearer luma-ada"})
    assert answer.status_code == 400
    assert "Prompt is too long" in answer.text


async def test_once_the_answer_has_begun_nothing_is_refused() -> None:
    parts: list[Message] = []
    sent: list[Message] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        parts.append(await receive())

    async def receive() -> Message:
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/mcp", "app": Starlette()}
    headers = [(b"content-length", b"9" * 30)]
    await BoundedBodies(app, 30)({**scope, "headers": headers}, receive, send)
    assert [part["body"] for part in parts] == [b"x"]
    assert [message["type"] for message in sent] == ["http.response.start"]
