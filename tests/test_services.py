"""What a caller does with the services: jobs that Luma calls back about, waits that lose none."""

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from structlog.testing import capture_logs

from luma_mcp.luma.dream_machine_models import CreateVideo
from luma_mcp.luma.transport import BearerKey
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.services import Caller
from luma_mcp.settings import load_settings
from luma_mcp.watching import Pace
from tests.clocks import pace_of
from tests.services import open_services_over
from tests.tools.calls import JOB_ID, OWN, Json, Silent, Upstream

POST = "POST /dream-machine/v1/generations/video"
GET = f"GET /dream-machine/v1/generations/{JOB_ID}"
BOAT = CreateVideo(model="ray-2", prompt="A boat")
HOME = "http://localhost:8000"
UNDELIVERED = "Error processing callback"


@asynccontextmanager
async def caller_of(
    upstream: Upstream, pace: Pace | None = None, **options: object
) -> AsyncGenerator[Caller]:
    settings = load_settings(dream_machine_url="http://127.0.0.1/dream-machine/v1", **options)
    transport = httpx.ASGITransport(upstream)
    async with open_services_over(transport, settings, pace=pace) as services:
        yield Caller(services, OWN)


def callback_urls(upstream: Upstream) -> list[str | None]:
    """Where Luma was told to call, POST by POST."""
    posts = [
        body for line, body in zip(upstream.asked, upstream.bodies, strict=True) if line == POST
    ]
    return [json.loads(body).get("callback_url") for body in posts]


def count_keys() -> int:
    """How many keys are anywhere in memory, ready to be sent."""
    return [*map(type, gc.get_objects())].count(BearerKey)  # of half a million things


def failed(reason: str, url: str | None) -> Json:
    return {
        "id": JOB_ID,
        "state": "failed",
        "failure_reason": reason,
        "request": {"callback_url": url},
    }


async def test_luma_is_told_to_call_back_by_another_url_for_each_job() -> None:
    upstream = Upstream({POST: {"id": JOB_ID}})
    async with caller_of(upstream, public_url=HOME) as caller:
        await caller.dream_machine.create_video(BOAT)
        await caller.dream_machine.create_video(BOAT)
    first, second = callback_urls(upstream)
    assert first is not None
    assert first.startswith(f"{HOME}/callbacks/")
    assert first != second


async def test_neither_the_key_nor_its_hash_can_be_read_in_the_url() -> None:
    upstream = Upstream({POST: {"id": JOB_ID}})
    async with caller_of(upstream, public_url=HOME) as caller:
        await caller.dream_machine.create_video(BOAT)
    (url,) = callback_urls(upstream)
    (key,) = OWN.credentials.keys
    assert url is not None
    assert key.secret not in url
    assert key.fingerprint not in url


@pytest.mark.parametrize("options", [{}, {"public_url": HOME, "callbacks": False}])
async def test_luma_is_told_nothing_where_it_cannot_or_must_not_call(options: Json) -> None:
    upstream = Upstream({POST: {"id": JOB_ID}})
    async with caller_of(upstream, **options) as caller:
        await caller.dream_machine.create_video(BOAT)
    assert callback_urls(upstream) == [None]


async def test_a_callback_url_of_the_callers_own_is_sent_as_it_is() -> None:
    upstream = Upstream({POST: {"id": JOB_ID}})
    own = BOAT.model_copy(update={"callback_url": "https://example.com/hook"})
    async with caller_of(upstream, public_url=HOME) as caller:
        await caller.dream_machine.create_video(own)
    assert callback_urls(upstream) == ["https://example.com/hook"]


async def test_after_a_job_that_failed_over_a_callback_no_more_are_asked_for() -> None:
    answers: dict[str, Json] = {POST: {"id": JOB_ID, "state": "queued"}}
    upstream = Upstream(answers)
    async with caller_of(upstream, public_url=HOME) as caller:
        job = await caller.dream_machine.create_video(BOAT)
        answers[GET] = failed(UNDELIVERED, callback_urls(upstream)[0])
        with capture_logs() as logs:
            assert (await caller.wait(job, 45)).state == "failed"
            await caller.wait_for(JOB_ID, 45)
        await caller.dream_machine.create_video(BOAT)
    assert callback_urls(upstream)[1:] == [None]
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("callbacks given up", "error")
    assert "LUMA_MCP_CALLBACKS=false" in line["advice"]


@pytest.mark.parametrize(
    ("reason", "url"),
    [
        (UNDELIVERED, "https://example.com/hook"),
        (UNDELIVERED, None),
        ("Job failed", "ours"),
    ],
)
async def test_other_failures_are_no_reason_to_stop_asking(reason: str, url: str | None) -> None:
    answers: dict[str, Json] = {POST: {"id": JOB_ID, "state": "queued"}}
    upstream = Upstream(answers)
    async with caller_of(upstream, public_url=HOME) as caller:
        await caller.dream_machine.create_video(BOAT)
        (ours,) = callback_urls(upstream)
        answers[GET] = failed(reason, ours if url == "ours" else url)
        await caller.wait_for(JOB_ID, 45)
        await caller.dream_machine.create_video(BOAT)
    assert callback_urls(upstream)[1] is not None


async def test_a_look_notices_a_failed_callback_too() -> None:
    answers: dict[str, Json] = {POST: {"id": JOB_ID, "state": "queued"}}
    upstream = Upstream(answers)
    async with caller_of(upstream, public_url=HOME) as caller:
        await caller.dream_machine.create_video(BOAT)
        answers[GET] = failed(UNDELIVERED, callback_urls(upstream)[0])
        await caller.look_at(JOB_ID)
        await caller.dream_machine.create_video(BOAT)
    assert callback_urls(upstream)[1:] == [None]


async def test_a_fault_of_ours_never_hides_a_job_that_was_just_paid_for() -> None:
    async def stumble(_job: object, _seconds: float) -> None:
        raise RuntimeError("by design")

    upstream = Upstream({POST: {"id": JOB_ID, "state": "queued"}})
    async with caller_of(upstream) as caller:
        job = await caller.dream_machine.create_video(BOAT)
        with capture_logs() as logs:
            assert await replace(caller, report=stumble).wait(job, 45) is job
    assert [(line["event"], line["generation_id"]) for line in logs] == [("fault", JOB_ID)]


@pytest.mark.parametrize("end", ["completed", "time-out", "cancelled"])
async def test_the_key_is_not_kept_when_the_wait_is_over(end: str) -> None:
    looked = asyncio.Event()
    answers: dict[str, Silent | Json] = {
        "completed": {"id": JOB_ID, "state": "completed"},
        "time-out": {"id": JOB_ID, "state": "queued"},
        "cancelled": Silent(looked),
    }
    async with caller_of(Upstream({GET: answers[end]})) as caller:
        gc.collect()
        gc.disable()
        try:
            before = count_keys()
            waiting = asyncio.create_task(caller.wait_for(JOB_ID, 20))
            if end == "cancelled":
                await looked.wait()
                waiting.cancel()
            await asyncio.wait([waiting])
            assert waiting.cancelled() is (end == "cancelled")
            del waiting
            for _ in range(10):
                await asyncio.sleep(0)
            assert count_keys() == before
        finally:
            gc.enable()


async def test_a_watch_keeps_nothing_of_a_request_that_has_ended(clock: TurnedClock) -> None:
    class Progress:
        async def __call__(self, _job: object, _seconds: float) -> None:
            pass

    progress = Progress()
    kept = weakref.ref(progress)
    upstream = Upstream({GET: {"id": JOB_ID, "state": "queued"}})
    async with caller_of(upstream, pace_of(clock)) as caller:
        first = asyncio.create_task(replace(caller, report=progress).wait_for(JOB_ID, 60))
        await clock.wait_for_sleepers(2)
        second = asyncio.create_task(caller.wait_for(JOB_ID, 60))
        await clock.wait_for_sleepers(3)
        first.cancel()
        await asyncio.wait([first])
        del first, progress
        gc.collect()
        assert kept() is None
        second.cancel()
        await asyncio.wait([second])
    assert upstream.asked == [GET]


async def test_a_job_whose_id_has_an_odd_form_is_given_back_as_it_is() -> None:
    upstream = Upstream({POST: {"id": "job-7", "state": "queued"}})
    async with caller_of(upstream) as caller:
        job = await caller.dream_machine.create_video(BOAT)
        assert await caller.wait(job, 45) is job
    assert upstream.asked == [POST]
