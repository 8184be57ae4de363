"""Luma's callbacks over real sockets: they make waiting shorter, and forged ones do nothing."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from starlette.applications import Starlette

from luma_mcp.sandbox.app import build_sandbox
from luma_mcp.sandbox.clock import TurnedClock
from tests.clocks import pace_of
from tests.e2e.conftest import until
from tests.e2e.test_first_light import call, connect
from tests.e2e.test_waiting import Asked, Progress, wait
from tests.servers import application_and_url, serving

ADA = {"Authorization": "Bearer luma-ada"}


@dataclass(frozen=True)
class Called:
    """A server that Luma can call, whose waiters' clock stands still."""

    app: Starlette
    url: str
    luma: str
    luma_clock: TurnedClock
    clock: TurnedClock
    asked: Asked

    def looks(self, job_id: str) -> int:
        return self.asked.lines.count(f"GET /dream-machine/v1/generations/{job_id}")

    @property
    def endpoint(self) -> str:
        return f"{self.url}/mcp"


@pytest.fixture
async def called() -> AsyncIterator[Called]:
    luma_clock, clock = TurnedClock(), TurnedClock()
    asked = Asked(build_sandbox(clock=luma_clock))
    async with serving(asked) as luma:
        base = f"{luma}/dream-machine/v1"
        upstream = {"sandbox": False, "dream_machine_url": base}
        async with application_and_url(pace=pace_of(clock), is_public=True, **upstream) as server:
            yield Called(*server, base, luma_clock, clock, asked)


async def test_a_wait_ends_with_the_callback_while_no_time_passes(called: Called) -> None:
    progress = Progress()
    async with connect(called.endpoint, "luma-ada") as ada, asyncio.TaskGroup() as tasks:
        arguments = {"prompt": "A paper boat", "wait_seconds": 600}
        making = tasks.create_task(
            ada.call_tool("create_generation", arguments, progress_handler=progress)
        )
        for told in (1, 2):
            await progress.reached(told)
            await called.clock.wait_for_sleepers(2)
            await called.luma_clock.wait_for_sleepers(1)
            called.luma_clock.advance(8)
        job = (await making).structured_content
        await progress.reached(3)
    assert job is not None
    assert job["state"] == "completed"
    assert progress.states == ["Queued", "Dreaming", "Completed"]
    assert called.looks(job["id"]) == 2


async def test_a_callback_that_comes_again_and_again_makes_one_early_look(called: Called) -> None:
    async with (
        connect(called.endpoint, "luma-ada") as ada,
        asyncio.TaskGroup() as tasks,
        httpx.AsyncClient() as luma,
    ):
        job_id = (await call(ada, "create_generation", prompt="A boat [sandbox:never]"))["id"]
        waiting = tasks.create_task(wait(ada, job_id, 600))
        await called.clock.wait_for_sleepers(2)
        generation = (await luma.get(f"{called.luma}/generations/{job_id}", headers=ADA)).json()
        url = generation["request"]["callback_url"]
        assert url.startswith(f"{called.url}/callbacks/")
        before = called.looks(job_id)
        for _ in range(20):
            assert (await luma.post(url, json=generation)).status_code == 200
        await until(lambda: called.looks(job_id) == before + 1)
        await called.clock.wait_for_sleepers(2)
        for forged in (f"{url}x", url[:-1], url[:-40] + "A" * 40, f"{called.url}/callbacks/x"):
            answer = await luma.post(forged, json=generation)
            assert (answer.status_code, answer.content) == (200, b"")
        assert called.looks(job_id) == before + 1
        called.clock.advance(600)
        assert not (await waiting)["is_final"]
        assert (await luma.post(url)).status_code == 200  # nobody waits any more


async def test_a_callback_of_the_callers_own_is_left_alone(called: Called) -> None:
    hook = "http://127.0.0.1:9/hook"
    async with connect(called.endpoint, "luma-ada") as ada, httpx.AsyncClient() as luma:
        job = await call(ada, "create_generation", prompt="A boat", callback_url=hook)
        generation = await luma.get(f"{called.luma}/generations/{job['id']}", headers=ADA)
    assert generation.json()["request"]["callback_url"] == hook


async def test_another_method_is_no_callback(called: Called) -> None:
    async with httpx.AsyncClient() as luma:
        answer = await luma.get(f"{called.url}/callbacks/x")
    assert answer.status_code == 405
