import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.sandbox.callbacks import Callbacks
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.sandbox.dream_machine import describe
from tests.sandbox.conftest import OPEN_HANDED, Enter, Luma
from tests.servers import serving


class Receiver:
    """A server that takes callbacks, and the statuses that it answers one after the other."""

    def __init__(self) -> None:
        self.statuses = []
        self.taken = asyncio.Queue()
        self.app = Starlette(routes=[Route("/hook", self.answer, methods=["POST"])])

    async def answer(self, request: Request) -> Response:
        assert request.headers["content-type"] == "application/json"
        assert "authorization" not in request.headers
        self.taken.put_nowait(await request.json())
        status = self.statuses.pop(0) if self.statuses else 200
        return Response(status_code=status, headers={"location": "/hook"})


@pytest.fixture
async def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def hook(receiver: Receiver) -> AsyncIterator[str]:
    async with serving(receiver.app) as url:
        yield url + "/hook"


async def test_a_job_is_reported_when_it_dreams_and_when_it_is_completed(
    luma: Luma, clock: TurnedClock, receiver: Receiver, hook: str
) -> None:
    clip = await luma.make(prompt="a tiger", callback_url=hook)
    await clock.wait_for_sleepers()
    clock.advance(2)
    assert await receiver.taken.get() == {**clip, "state": "dreaming"}
    await clock.wait_for_sleepers()
    clock.advance(8)
    assert await receiver.taken.get() == await luma.read(clip)


async def test_a_job_that_fails_is_reported_as_failed(
    luma: Luma, clock: TurnedClock, receiver: Receiver, hook: str
) -> None:
    await luma.make_image(prompt="a pear [sandbox:fail=job]", callback_url=hook)
    await clock.wait_for_sleepers()
    clock.advance(100)
    assert (await receiver.taken.get())["state"] == "dreaming"
    failed = await receiver.taken.get()
    assert (failed["state"], failed["failure_reason"]) == ("failed", "Job failed")


async def test_a_job_that_never_ends_is_reported_once(
    luma: Luma, clock: TurnedClock, receiver: Receiver, hook: str
) -> None:
    await luma.make_image(prompt="a pear [sandbox:never]", callback_url=hook)
    await clock.wait_for_sleepers()
    clock.advance(10_000)
    assert (await receiver.taken.get())["state"] == "dreaming"


async def test_a_changed_clip_is_reported_too(
    luma: Luma, clock: TurnedClock, receiver: Receiver, hook: str
) -> None:
    clip = await luma.make(prompt="a tiger")
    clock.advance(10)
    body = {"callback_url": hook}
    made = (await luma.post(f"/generations/{clip['id']}/audio", json=body)).json()
    await clock.wait_for_sleepers()
    clock.advance(2)
    assert (await receiver.taken.get())["id"] == made["id"]


@pytest.mark.parametrize("status", [201, 307, 404, 500])
async def test_any_status_but_200_is_tried_again_after_100_milliseconds(
    luma: Luma, clock: TurnedClock, receiver: Receiver, hook: str, status: int
) -> None:
    receiver.statuses = [status]
    await luma.make_image(prompt="a pear [sandbox:never]", callback_url=hook)
    await clock.wait_for_sleepers()
    clock.advance(0.5)
    first = await receiver.taken.get()
    await clock.wait_for_sleepers()
    clock.advance(0.1)
    assert await receiver.taken.get() == first


async def test_a_callback_is_given_up_after_three_retries(
    luma: Luma, clock: TurnedClock, receiver: Receiver, hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses = [500] * 4
    await luma.make_image(callback_url=hook)
    states = []
    for seconds in (0.5, 0.1, 0.1, 0.1, 2.2):
        await clock.wait_for_sleepers()
        clock.advance(seconds)
        states.append((await receiver.taken.get())["state"])
    assert states == ["dreaming"] * 4 + ["completed"]
    assert "nobody took its callback" in caplog.text
    assert hook not in caplog.text


async def test_a_receiver_that_cannot_be_reached_is_given_up(
    luma: Luma, clock: TurnedClock, caplog: pytest.LogCaptureFixture
) -> None:
    await luma.make_image(callback_url="http://127.0.0.1:1/hook")
    for seconds in (0.5, 0.1, 0.1, 0.1):
        await clock.wait_for_sleepers()
        clock.advance(seconds)
    await clock.wait_for_sleepers()
    assert "nobody took its callback" in caplog.text


@pytest.mark.parametrize(
    "host", ["elsewhere.example", "10.0.0.1", "169.254.169.254", "localhost.a"]
)
async def test_a_host_that_is_not_allowed_is_not_called_back(
    luma: Luma, caplog: pytest.LogCaptureFixture, host: str
) -> None:
    image = await luma.make_image(callback_url=f"http://{host}/hook")
    assert caplog.record_tuples == [
        (
            "luma_mcp.sandbox.callbacks",
            logging.WARNING,
            f"Job {image['id']} is not reported: its callback host is not allowed",
        )
    ]


async def test_a_host_may_be_allowed(enter: Enter, clock: TurnedClock) -> None:
    luma = await enter(replace(OPEN_HANDED, callback_hosts=frozenset({"elsewhere.example"})))
    await luma.make_image(callback_url="http://elsewhere.example/hook")
    await clock.wait_for_sleepers()


async def test_callbacks_are_bounded(enter: Enter, caplog: pytest.LogCaptureFixture) -> None:
    luma = await enter(Behaviour(max_callbacks=1))
    await luma.make_image(callback_url="http://localhost/hook")
    await luma.make_image(callback_url="http://localhost/hook")
    assert "too many callbacks" in caplog.text


async def test_a_deleted_job_is_not_reported(
    luma: Luma, clock: TurnedClock, receiver: Receiver, hook: str
) -> None:
    deleted = await luma.make_image(callback_url=hook)
    await clock.wait_for_sleepers()
    await luma.delete(f"/generations/{deleted['id']}")
    kept = await luma.make_image(callback_url=hook)
    await clock.wait_for_sleepers()
    clock.advance(0.5)
    assert (await receiver.taken.get())["id"] == kept["id"]
    assert receiver.taken.empty()


async def test_closing_ends_what_is_under_way(
    luma: Luma, clock: TurnedClock, receiver: Receiver, hook: str
) -> None:
    callbacks = Callbacks(OPEN_HANDED, clock, describe)
    await callbacks.close()
    await luma.make_image(callback_url=hook)
    await clock.wait_for_sleepers()
    clock.advance(0.5)
    await receiver.taken.get()
    await luma.app.state.close()
    clock.advance(10)
    async with httpx.AsyncClient() as client:
        await client.post(hook, json="the next")
    assert await receiver.taken.get() == "the next"
