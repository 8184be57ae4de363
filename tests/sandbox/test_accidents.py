import asyncio
import functools

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Message, Receive, Scope, Send

from luma_mcp.sandbox.accidents import Stalled, find_transport
from luma_mcp.sandbox.app import build_sandbox, running
from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.sandbox.clock import TurnedClock
from tests.sandbox.conftest import IMAGES, PREFIX, Enter, Luma, Turning, count_jobs, create
from tests.servers import serving

# Uvicorn runs on uvloop where that is installed; its transports are not those of asyncio.
LOOPS = [("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})]


async def test_a_page_of_html_comes_with_502(luma: Luma) -> None:
    answer = await create(luma, "[sandbox:html]")
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert await count_jobs(luma) == 0


async def test_a_redirect_leads_to_another_host(luma: Luma) -> None:
    answer = await create(luma, "[sandbox:redirect]")
    assert (answer.status_code, answer.headers["location"][:18]) == (307, "https://elsewhere.")
    assert await count_jobs(luma) == 0


async def test_garbage_is_a_success_that_is_no_json(luma: Luma) -> None:
    answer = await create(luma, "[sandbox:garbage]")
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/json")
    with pytest.raises(ValueError, match="Unterminated"):
        answer.json()
    assert await count_jobs(luma) == 1


async def test_an_empty_answer_is_a_success_without_a_body(luma: Luma) -> None:
    answer = await create(luma, "[sandbox:empty]")
    assert (answer.status_code, answer.content) == (201, b"")
    assert await count_jobs(luma) == 1


async def test_a_huge_answer_is_json_of_the_size_that_is_configured(enter: Enter) -> None:
    luma = await enter(Behaviour(huge_bytes=100_000))
    answer = await create(luma, "[sandbox:huge]")
    assert (answer.status_code, answer.json()) == (201, {"padding": "x" * 100_000})


async def test_a_stalled_answer_comes_at_last(luma: Luma, turning: Turning) -> None:
    async with turning(300):
        answer = await create(luma, "[sandbox:stall]")
    assert answer.status_code == 201
    assert answer.json()["state"] == "queued"


async def test_the_job_behind_a_stalled_answer_exists_at_once(
    luma: Luma, clock: TurnedClock
) -> None:
    task = asyncio.create_task(create(luma, "[sandbox:stall]"))
    await clock.wait_for_sleepers()
    assert await count_jobs(luma) == 1
    task.cancel()


async def test_a_stalled_answer_is_dropped_when_its_client_leaves(clock: TurnedClock) -> None:
    sandbox, left = build_sandbox(clock=clock), asyncio.Event()

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        await sandbox(scope, receive, send)
        if scope["type"] == "http":
            left.set()

    async with serving(watched) as url, httpx.AsyncClient(base_url=url) as client:
        request = client.post(
            PREFIX + IMAGES,
            json={"prompt": "a pear [sandbox:stall]"},
            headers={"authorization": "Bearer luma-test"},
        )
        task = asyncio.create_task(request)
        await clock.wait_for_sleepers()
        task.cancel()
        await left.wait()


@pytest.mark.parametrize(
    ("word", "error", "jobs"),
    [
        ("reset", httpx.ReadError, 0),
        ("lost", httpx.ReadError, 1),
        ("truncated", httpx.RemoteProtocolError, 1),
    ],
)
@pytest.mark.parametrize("below", ["", "/sandbox"])
@pytest.mark.parametrize("anyio_backend", LOOPS)
async def test_a_connection_breaks_on_the_wire(
    word: str, error: type[Exception], jobs: int, below: str
) -> None:
    sandbox = build_sandbox()
    parent = Starlette(
        routes=[Mount(below, sandbox)], lifespan=lambda _: running(sandbox), max_body_size=10**6
    )
    headers = {"authorization": "Bearer luma-test"}
    async with (
        serving(parent) as url,
        httpx.AsyncClient(base_url=url + below + PREFIX, headers=headers) as client,
    ):
        with pytest.raises(error):
            await create(client, f"[sandbox:{word}]")
        assert await count_jobs(client) == jobs


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("reset", httpx.ReadError),
        ("lost", httpx.ReadError),
        ("truncated", httpx.RemoteProtocolError),
    ],
)
async def test_in_process_the_error_of_a_broken_connection_is_raised(
    luma: Luma, word: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await create(luma, f"[sandbox:{word}]")


async def test_a_truncated_answer_begins_like_a_success() -> None:
    body = b'{"prompt": "a pear [sandbox:truncated]"}'
    async with serving(build_sandbox()) as url:
        address = httpx.URL(url)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        head = f"POST {PREFIX}{IMAGES} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer luma-test\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 201 Created")
    assert b'{"id":' in answer
    assert not answer.endswith(b"0\r\n\r\n")


async def test_a_stall_outlasts_what_is_left_of_the_request(clock: TurnedClock) -> None:
    messages = [{"type": "http.request"}, {"type": "http.disconnect"}]
    sent = []

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message["type"])

    scope = {"type": "http", "method": "POST"}
    await Stalled(Response("late"), clock=clock, seconds=1)(scope, receive, send)
    assert (messages, sent) == ([], [])
    await Stalled(Response("late"), clock=clock, seconds=0)(scope, receive, send)
    assert sent == ["http.response.start", "http.response.body"]


class Server:
    """Has a transport, and a `send` that may be wrapped."""

    class Transport:
        abort = None

    transport = Transport()

    def __init__(self) -> None:
        self.sent = 0

    async def send(self, _: Message) -> None:
        self.sent += 1


class Wrapper:
    """Sends through what it wraps, and holds itself as well, as objects do."""

    def __init__(self, send: Send) -> None:
        self.inner = send
        self.again = self.send

    async def send(self, message: Message) -> None:
        await self.inner(message)


async def wrap(inner: Send, message: Message) -> None:
    await inner(message)


async def test_the_transport_is_found_behind_wrappers_of_any_kind() -> None:
    server = Server()
    for send in (server.send, Wrapper(server.send).send, functools.partial(wrap, server.send)):
        wrapped = functools.partial(wrap, send)
        assert find_transport(send) is find_transport(wrapped) is server.transport
        await wrapped({})
    assert server.sent == 3
