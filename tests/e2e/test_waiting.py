"""Waiting for videos over real sockets: shared, cut short, told about, and ended in order."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from fastmcp import Client
from fastmcp.client.transports import SSETransport, StdioTransport
from mcp.types import LATEST_PROTOCOL_VERSION
from sse_starlette import EventSourceResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from luma_mcp.sandbox.app import build_sandbox
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.web.streams import KEEP_ALIVE_SECONDS, keep_alive_every
from tests.clocks import pace_of
from tests.e2e.conftest import Product, pass_time, until
from tests.e2e.processes import ROOT, UNTRACED, fetch, serving_process, start
from tests.e2e.test_first_light import ERAS, call, connect
from tests.luma.upstream import SlowLuma
from tests.messages import META
from tests.sandbox.clips import decode
from tests.servers import application_and_url, misbehaving, serving

MADE = "123e4567-e89b-12d3-a456-426614174000"
FOREVER = "A paper boat [sandbox:never]"
# Whoever hangs at the end hangs for good, so that no test passes by patience.
PATIENT = {"LUMA_MCP_SHUTDOWN_SECONDS": "3600"}


class Progress:
    """Keeps the progress that a client is told, and lets a test wait for it."""

    def __init__(self) -> None:
        self.told: list[tuple[float, str]] = []
        self._news = asyncio.Condition()

    async def __call__(self, progress: float, _total: float | None, message: str | None) -> None:
        async with self._news:
            self.told.append((progress, message or ""))
            self._news.notify_all()

    async def reached(self, count: int) -> None:
        async with self._news:
            await self._news.wait_for(lambda: len(self.told) >= count)

    @property
    def seconds(self) -> list[float]:
        return [seconds for seconds, _ in self.told]

    @property
    def states(self) -> list[str]:
        return [message.split(" · ")[0] for _, message in self.told]


class Asked:
    """An application before which every request is written down."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.lines: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.lines.append(f"{scope['method']} {scope['path']}")
        await self._app(scope, receive, send)


async def wait(client: Client, job_id: str, seconds: int, **how: Any) -> dict[str, Any]:  # noqa: ANN401 - the client's options
    """Wait for a job; gives the answer's data."""
    arguments = {"generation_id": job_id, "timeout_seconds": seconds}
    result = await client.call_tool("wait_for_generation", arguments, **how)
    assert result.structured_content is not None
    return result.structured_content


HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


def create(number: int) -> dict[str, Any]:
    """A message that asks for a video."""
    params = {"name": "create_generation", "arguments": {"prompt": "A paper boat"}}
    return {"id": number, "method": "tools/call", "params": params}


class Stdio:
    """The server over stdio, spoken to line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._stdin, self._stdout = process.stdin, process.stdout

    async def say(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            self._stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        await self._stdin.drain()

    async def greet(self) -> None:
        await self.say(
            {"id": 0, "method": "initialize", "params": HELLO},
            {"method": "notifications/initialized"},
        )
        await self.hear()

    async def hear(self) -> dict[str, Any]:
        return json.loads(await self._stdout.readline())

    async def rest(self) -> list[dict[str, Any]]:
        """Everything that it still says, until its end by the signal."""
        said = [json.loads(line) async for line in self._stdout]
        assert await self.process.wait() == -signal.SIGTERM
        return said


async def speak_with(luma: str, **variables: str) -> Stdio:
    """Start the server in front of this Luma, and greet it."""
    own = {"LUMA_API_KEY": "luma-ada", "LUMA_MCP_DREAM_MACHINE_URL": luma}
    stdio = Stdio(await start("stdio", **own, **variables))
    await stdio.greet()
    return stdio


@asynccontextmanager
async def sandbox_of(clock: TurnedClock) -> AsyncGenerator[str]:
    """Serve a Dream Machine whose jobs go by this clock; gives its URL."""
    async with serving(build_sandbox(clock=clock)) as url:
        yield f"{url}/dream-machine/v1"


@pytest.mark.parametrize("leaver", ERAS)
async def test_two_clients_share_one_poll_loop_and_one_may_leave(leaver: str) -> None:
    clock = TurnedClock()
    asked = Asked(build_sandbox(clock=clock))
    async with (
        serving(asked) as luma,
        application_and_url(
            pace=pace_of(clock), sandbox=False, dream_machine_url=f"{luma}/dream-machine/v1"
        ) as (app, url),
        connect(f"{url}/mcp", "luma-ada") as stayer,
        asyncio.TaskGroup() as tasks,
    ):
        room = app.state.services.waiting_room
        job_id = (await call(stayer, "create_generation", prompt="A paper boat"))["id"]
        asked.lines.clear()
        async with connect(f"{url}/mcp", "luma-ada", leaver) as other:
            leaving = tasks.create_task(wait(other, job_id, 600))
            await until(lambda: room.waiters == 1)
            staying = tasks.create_task(wait(stayer, job_id, 600))
            await until(lambda: room.waiters == 2)
            await clock.wait_for_sleepers(3)  # the loop and two who wait
            assert room.jobs == 1
            leaving.cancel()
        await until(lambda: room.waiters == 1)
        for seconds in (1, 1.5, 2.25, 60):
            await clock.wait_for_sleepers(2)
            known = len(asked.lines)
            clock.advance(seconds)
            await until(lambda known=known: len(asked.lines) > known)
        video = await staying
        assert (room.waiters, room.jobs) == (0, 0)
        assert asked.lines == [f"GET /dream-machine/v1/generations/{job_id}"] * 5
        clip = await fetch(video["assets"]["video"])
    assert decode(clip.content).frames


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_asks_for_progress_sees_it_grow(running: Product, era: str) -> None:
    progress = Progress()
    async with connect(running.endpoint, "luma-ada", era) as ada, asyncio.TaskGroup() as tasks:
        arguments = {"prompt": "A paper boat", "wait_seconds": 45}
        making = tasks.create_task(
            ada.call_tool("create_generation", arguments, progress_handler=progress)
        )
        for told, seconds in ((1, 1), (1, 1.5), (2, 5), (3, 4)):
            await progress.reached(told)
            await running.clock.wait_for_sleepers(2)
            running.clock.advance(seconds)
        job = (await making).structured_content
        await progress.reached(4)
    assert job is not None
    assert job["state"] == "completed"
    assert progress.states == ["Queued", "Dreaming", "Dreaming", "Completed"]
    assert progress.seconds == sorted(set(progress.seconds))
    assert all(job["id"] in message for _, message in progress.told)


@pytest.mark.parametrize("era", ERAS)
async def test_a_picture_is_waited_for_without_being_asked(running: Product, era: str) -> None:
    async with connect(running.endpoint, "luma-ada", era) as ada, asyncio.TaskGroup() as tasks:
        making = tasks.create_task(call(ada, "generate_image", prompt="A paper boat"))
        await running.clock.wait_for_sleepers(2)
        running.clock.advance(30)
        picture = await making
    assert picture["is_final"]
    assert picture["assets"]["image"]


async def test_stdio_tells_progress_too() -> None:
    progress, clock = Progress(), TurnedClock()
    async with sandbox_of(clock) as luma, asyncio.TaskGroup() as tasks:
        variables = {"LUMA_API_KEY": "luma-ada", "LUMA_MCP_DREAM_MACHINE_URL": luma}
        transport = StdioTransport(
            sys.executable, ["server.py", "stdio"], env=variables, cwd=str(ROOT), keep_alive=False
        )
        arguments = {"prompt": "A paper boat", "wait_seconds": 45}
        async with Client(transport) as ada:
            making = tasks.create_task(
                ada.call_tool("create_generation", arguments, progress_handler=progress)
            )
            await progress.reached(1)
            clock.advance(60)
            job = (await making).structured_content
    assert job is not None
    assert job["state"] == "completed"
    assert progress.states[0] == "Queued"
    assert progress.states[-1] == "Completed"
    assert progress.seconds == sorted(set(progress.seconds))


async def test_a_client_with_a_limit_of_its_own_gets_a_handle_before_it(running: Product) -> None:
    async with connect(running.endpoint, "luma-ada") as ada:
        job_id = (await call(ada, "create_generation", prompt=FOREVER))["id"]
        began, passing = running.clock.now(), asyncio.create_task(pass_time(running.clock))
        job = await wait(ada, job_id, 8, timeout=10)
        passing.cancel()
    assert 8 <= (running.clock.now() - began).total_seconds() < 10
    assert (job["id"], job["is_final"]) == (job_id, False)
    assert f"call wait_for_generation with generation_id {job_id}" in job["next_step"]
    assert "do not create it again" in job["next_step"]


async def test_on_sigterm_waits_end_at_once_with_their_handle() -> None:
    """In each protocol; the stream of 2024 ends as well, though its client would still listen."""
    async with (
        serving_process("--sandbox", LUMA_MCP_LEGACY_SSE="true", **PATIENT) as running,
        AsyncExitStack() as stack,
        asyncio.TaskGroup() as tasks,
    ):
        stream = SSETransport(f"{running.url}/sse", headers={"X-API-Key": "luma-2024"})
        streaming = [connect(f"{running.url}/mcp", f"luma-{era}", era) for era in ERAS]
        under_way = []
        for caller in (Client(stream), *streaming):
            await stack.enter_async_context(caller)
            await caller.list_tools()  # the schemas that it checks answers by, while they last
            job_id = (await call(caller, "create_generation", prompt=FOREVER))["id"]
            progress, making_progress = Progress(), Progress()
            waiting = tasks.create_task(wait(caller, job_id, 600, progress_handler=progress))
            arguments = {"prompt": FOREVER, "wait_seconds": 600}
            making = tasks.create_task(
                caller.call_tool("create_generation", arguments, progress_handler=making_progress)
            )
            await progress.reached(1)
            await making_progress.reached(1)
            under_way.append((job_id, waiting, making))
        stopping = tasks.create_task(running.stop())
        for job_id, waiting, making in under_way:
            job, made = await waiting, (await making).structured_content
            assert made is not None
            assert (job["id"], job["is_final"], made["is_final"]) == (job_id, False, False)
            assert made["id"] in made["next_step"]
        assert await stopping == -15


async def test_on_sigterm_a_wait_over_stdio_ends_with_its_handle() -> None:
    arguments = {"prompt": "A paper boat", "wait_seconds": 600}
    params = {"name": "create_generation", "arguments": arguments, "_meta": {"progressToken": 7}}
    async with sandbox_of(TurnedClock()) as luma:  # whose time stands still
        stdio = await speak_with(luma)
        await stdio.say({"id": 2, "method": "tools/call", "params": params})
        assert (await stdio.hear())["method"] == "notifications/progress"
        stdio.process.terminate()
        (answer,) = await stdio.rest()
    result = answer["result"]
    assert result["structuredContent"]["id"] in result["structuredContent"]["next_step"]


async def test_an_idle_server_over_stdio_ends_by_the_signal() -> None:
    async with asyncio.TaskGroup() as tasks:
        for number in (signal.SIGINT, signal.SIGTERM):
            tasks.create_task(_ends_by(number))


async def _ends_by(number: signal.Signals) -> None:
    stdio = await speak_with("http://127.0.0.1:9", **UNTRACED)
    stdio.process.send_signal(number)
    assert await stdio.process.wait() == -number


async def test_on_sigterm_a_paid_call_over_stdio_is_seen_through_though_it_was_cancelled() -> None:
    slow = SlowLuma(201, {"id": MADE, "state": "queued"})
    async with misbehaving(slow) as luma:
        stdio = await speak_with(luma)
        await stdio.say(create(1))
        await slow.asked.wait()
        await stdio.say({"method": "notifications/cancelled", "params": {"requestId": 1}})
        assert stdio.process.stderr is not None
        await stdio.process.stderr.readuntil(b"outcome=cancelled")
        stdio.process.terminate()
        slow.let.set()
        await stdio.rest()
        log = (await stdio.process.stderr.read()).decode()
    assert "left" in log
    assert MADE in log


async def test_a_paid_call_that_comes_over_stdio_after_sigterm_is_answered() -> None:
    slow = SlowLuma(201, {"id": MADE, "state": "queued"})
    async with misbehaving(slow) as luma:
        stdio = await speak_with(luma, **UNTRACED)
        stdio.process.terminate()
        await stdio.say(create(1))
        await slow.asked.wait()
        slow.let.set()
        (answer,) = await stdio.rest()
    assert answer["result"]["structuredContent"]["id"] == MADE


@pytest.fixture
def hardly_ever_silent(running: Product) -> Iterator[None]:
    """Streams that say something all the time."""
    assert running.url  # building the server sets the usual pace
    keep_alive_every(0.01)
    yield
    keep_alive_every(KEEP_ALIVE_SECONDS)


@pytest.mark.usefixtures("hardly_ever_silent")
@pytest.mark.parametrize("era", ERAS)
async def test_a_wait_without_progress_is_not_silent_for_proxies(
    running: Product, era: str
) -> None:
    arguments = {"prompt": "A paper boat", "wait_seconds": 45}
    params: dict[str, Any] = {"name": "create_generation", "arguments": arguments}
    headers = {"X-API-Key": "luma-ada", "Accept": "application/json, text/event-stream"}
    if era == LATEST_PROTOCOL_VERSION:
        params["_meta"] = META
        headers |= {"MCP-Protocol-Version": era, "Mcp-Method": "tools/call"}
        headers["Mcp-Name"] = "create_generation"
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    async with (
        httpx.AsyncClient(timeout=60) as http,
        http.stream("POST", running.endpoint, json=message, headers=headers) as answer,
    ):
        lines = answer.aiter_lines()
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert (await anext(lines)).startswith(": ping")
        await running.clock.wait_for_sleepers(2)
        assert running.room.waiters == 1
        running.clock.advance(30)
        said = [line async for line in lines if line and not line.startswith(": ping")]
    assert said[0] == "event: message"
    result = json.loads(said[1].removeprefix("data: "))["result"]
    assert result["structuredContent"]["state"] == "completed"
    assert len(said) == 2


@pytest.mark.usefixtures("running")
async def test_streams_are_never_silent_for_as_long_as_proxies_allow() -> None:
    assert EventSourceResponse.DEFAULT_PING_INTERVAL == KEEP_ALIVE_SECONDS < 15
