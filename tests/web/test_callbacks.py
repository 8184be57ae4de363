"""Where Luma's callbacks arrive: whatever comes, the answer is the same and costs little."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route

from luma_mcp.callbacks import LIFETIME_SECONDS, PATH, Callbacks
from luma_mcp.luma import jobs
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.sealing import Sealer
from luma_mcp.waiting import JobName, WaitingRoom
from luma_mcp.web.callbacks import hear
from tests.clocks import pace_of

HOST = "https://luma.example.com"
KEY = "ab" * 32


@dataclass
class Door:
    """The route with what stands behind it, and a clock for tokens."""

    now: float = 1_000_000.0
    waiting_clock: TurnedClock = field(default_factory=TurnedClock)

    def __post_init__(self) -> None:
        self.callbacks = Callbacks(HOST, Sealer(now=lambda: self.now))
        self.waiting_room = WaitingRoom(
            pace_of(self.waiting_clock), call_sign_of=self.callbacks.call_sign_of
        )
        self.app = Starlette(routes=[Route(f"{PATH}/{{token}}", hear, methods=["POST"])])
        self.app.state.services = self

    async def post(self, url: str, body: bytes = b"{}") -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport) as luma:
            return await luma.post(url, content=body)


class Job:
    """A job that dreams on, and how often it was looked at."""

    def __init__(self, callback_url: str) -> None:
        self.generation = jobs.Job(api="dream_machine", state="dreaming", callback_url=callback_url)
        self.looks = 0

    async def look(self) -> jobs.Job:
        self.looks += 1
        return self.generation


@asynccontextmanager
async def waiting(door: Door, job: Job, key: str = KEY) -> AsyncGenerator[None]:
    """Let somebody wait for the job, on a clock that stands still."""
    name = JobName(key, "dream_machine", "id")
    async with asyncio.TaskGroup() as tasks:
        waiter = tasks.create_task(
            door.waiting_room.wait(name, job.look, 600, known=job.generation)
        )
        await door.waiting_clock.wait_for_sleepers(2)
        yield
        for _ in range(20):  # whatever was rung for happens now
            await asyncio.sleep(0)
        waiter.cancel()


async def test_a_callback_makes_the_watch_of_its_job_look_at_once() -> None:
    door = Door()
    url = door.callbacks.make_url(KEY)
    job = Job(url)
    async with waiting(door, job):
        assert (await door.post(url)).status_code == 200
    assert job.looks == 1


async def test_the_body_is_never_read() -> None:
    door = Door()
    url = door.callbacks.make_url(KEY)
    job = Job(url)
    async with waiting(door, job):
        for body in (b"", b"\xff" * 100_000, b'{"state": "completed", "id": "another"}'):
            assert (await door.post(url, body)).status_code == 200
    assert job.looks == 1
    assert door.waiting_room.waiters == 0


async def test_an_expired_callback_does_nothing() -> None:
    door = Door()
    url = door.callbacks.make_url(KEY)
    job = Job(url)
    async with waiting(door, job):
        door.now += LIFETIME_SECONDS
        assert (await door.post(url)).status_code == 200
    assert job.looks == 0


async def test_a_callback_of_another_server_does_nothing() -> None:
    door, other = Door(), Door()
    job = Job(door.callbacks.make_url(KEY))
    async with waiting(door, job):
        assert (await door.post(other.callbacks.make_url(KEY))).status_code == 200
    assert job.looks == 0


async def test_a_callback_wakes_nobody_elses_watch() -> None:
    door = Door()
    url = door.callbacks.make_url(KEY)
    stolen = Job(url)  # somebody else names it in a request of their own
    async with waiting(door, stolen, key="cd" * 32):
        assert (await door.post(url)).status_code == 200
    assert stolen.looks == 0


async def test_without_waiters_a_callback_is_answered_all_the_same() -> None:
    door = Door()
    answer = await door.post(door.callbacks.make_url(KEY))
    assert (answer.status_code, answer.content) == (200, b"")


@settings(max_examples=50)
@given(token=st.text(st.characters(exclude_characters="/."), min_size=1))
async def test_any_other_token_gets_the_same_answer(token: str) -> None:
    door = Door()
    answer = await door.post(f"{HOST}{PATH}/{quote(token, errors='replace')}")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("length", [3_000, 60_000])
async def test_a_token_that_is_far_too_long_gets_the_same_answer(length: int) -> None:
    answer = await Door().post(f"{HOST}{PATH}/{'A' * length}")
    assert answer.status_code == 200
