"""One watch: when it looks, what it makes of the answers, and what it leaves behind."""

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from luma_mcp.errors import (
    BadResponse,
    Internal,
    LumaMcpError,
    NotFound,
    RateLimited,
    TimedOut,
    Unavailable,
)
from luma_mcp.luma.jobs import Job
from luma_mcp.watching import MonotonicClock, Pace, Quiet, Watch
from tests.clocks import LookedAt, WaitingClock, settle
from tests.waiting.room import LASTING, PASSING, QUEUED, kind_of

REGULAR = [0, 1, 2.5, 4.75, 8.125, 13.125, 18.125]
IN_TROUBLE = [0, 1, 3, 7, 15, 31, 61, 91, 121]


def is_told_by(kept: LumaMcpError | None, error: LumaMcpError) -> bool:
    """Whether what is kept says the same as the error that was raised."""
    return type(kept) is type(error) and kept.fields("request") == error.fields("request")


@pytest.fixture
async def complaints() -> AsyncIterator[list[dict[str, Any]]]:
    """What asyncio complains of."""
    loop, heard = asyncio.get_running_loop(), []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, complaint: heard.append(complaint))
    yield heard
    loop.set_exception_handler(before)


@asynccontextmanager
async def watching(
    job: LookedAt, pace: Pace, known: Job | None = None, quiet: Quiet | None = None
) -> AsyncGenerator[Watch[Job]]:
    """Watch the job until the block ends."""
    watch = Watch(job.look, known, pace, quiet or Quiet())
    try:
        yield watch
    finally:
        watch.end()
        await settle()
    assert job.looking == 0
    assert job.most <= 1


async def test_a_job_of_unknown_state_is_looked_at_at_once(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    async with watching(job, pace) as watch:
        await turned.pass_by(0)
        assert job.looks == [0]
        assert watch.job == job.generation


async def test_a_job_of_known_state_is_looked_at_after_a_second(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    async with watching(job, pace, QUEUED) as watch:
        assert watch.job is QUEUED
        await turned.pass_by(0.9)
        assert job.looks == []
        await turned.pass_by(0.1)
        assert job.looks == [1]


@pytest.mark.parametrize(("known", "looks"), [(None, REGULAR), (QUEUED, REGULAR[1:])])
async def test_pauses_grow_by_half_up_to_five_seconds(
    job: LookedAt, pace: Pace, turned: WaitingClock, known: Job | None, looks: list[float]
) -> None:
    async with watching(job, pace, known):
        await turned.pass_by(20)
    assert job.looks == looks


@pytest.mark.parametrize(
    ("spread", "looks"),
    [
        (0.0, [0, 1, 2.5, 4.75, 8.125]),
        (0.5, [0, 0.875, 2.1875, 4.15625, 7.109375]),
        (1.0, [0, 0.75, 1.875, 3.5625, 6.09375, 9.84375]),
    ],
)
async def test_spread_shortens_a_pause_by_up_to_a_quarter(
    job: LookedAt, turned: WaitingClock, spread: float, looks: list[float]
) -> None:
    async with watching(job, Pace(turned, lambda: spread)):
        await turned.pass_by(10)
    assert job.looks == looks


async def test_no_watch_keeps_in_step_with_another_unless_it_is_told_to() -> None:
    spread = Pace().spread
    numbers = {spread() for _ in range(100)}
    assert len(numbers) == 100
    assert 0 <= min(numbers) < max(numbers) <= 1


async def test_a_job_that_is_known_to_be_final_is_never_looked_at(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    async with watching(job, pace, Job(api="dream_machine", state="failed")) as watch:
        assert watch.is_over
        await turned.pass_by(60)
    assert job.looks == []


@pytest.mark.parametrize("state", ["completed", "failed"])
async def test_the_look_that_finds_the_end_is_the_last(
    job: LookedAt, pace: Pace, turned: WaitingClock, state: str
) -> None:
    async with watching(job, pace) as watch:
        await turned.pass_by(2)
        assert not watch.is_over
        job.says = state
        await turned.pass_by(60)
        assert watch.is_over
        assert watch.job == job.generation
    assert job.looks == [0, 1, 2.5]


async def test_a_change_of_state_is_news_and_the_same_state_is_none(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    async with watching(job, pace, QUEUED) as watch:
        news = watch.news
        await turned.pass_by(2)
        assert len(job.looks) == 1
        assert not news.done()
        assert watch.news is news
        job.says = "dreaming"
        await turned.pass_by(1)
        assert news.done()
        assert not watch.news.done()


async def test_a_state_that_is_no_news_is_the_newest_all_the_same(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    async with watching(job, pace, QUEUED) as watch:
        await turned.pass_by(1)
        assert watch.job is not QUEUED
        assert watch.job == job.generation


async def test_the_first_state_is_news(job: LookedAt, pace: Pace) -> None:
    async with watching(job, pace) as watch:
        news = watch.news
        await settle()
        assert news.done()
        assert watch.job == job.generation


async def test_an_announcement_wakes_those_of_now_and_not_those_to_come(
    job: LookedAt, pace: Pace
) -> None:
    async with watching(job, pace, QUEUED) as watch:
        news = watch.news
        watch.announce()
        watch.announce()
        assert news.done()
        assert not watch.news.done()


async def test_a_watch_that_ends_before_its_first_look_makes_none(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    async with watching(job, pace) as watch:
        watch.end()
        await turned.pass_by(10)
    assert job.looks == []


async def test_the_look_under_way_ends_with_the_watch(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    job.answers.clear()
    async with watching(job, pace) as watch:
        await turned.pass_by(10)
        assert (job.looks, job.looking) == ([0], 1)
        watch.end()
        await settle()
        assert job.looking == 0
        job.answers.set()
        await turned.pass_by(10)
        assert watch.job is None
    assert job.looks == [0]


async def test_a_watch_that_has_ended_keeps_nothing_of_its_last_look(
    job: LookedAt, pace: Pace
) -> None:
    class Key:
        """What a look holds and nobody may keep."""

    held: list[weakref.ref[Key]] = []

    async def look() -> Job:
        key = Key()
        held.append(weakref.ref(key))
        await job.answers.wait()
        return job.generation

    job.answers.clear()
    watch = Watch(look, None, pace, Quiet())
    await settle()
    assert held[0]() is not None
    watch.end()
    await settle()
    assert held[0]() is None


async def test_a_watch_that_ends_between_looks_makes_no_more(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    async with watching(job, pace) as watch:
        await turned.pass_by(0.5)
        watch.end()
        await turned.pass_by(10)
    assert job.looks == [0]


async def test_a_watch_knows_nothing_of_the_request_that_started_it(
    job: LookedAt, pace: Pace
) -> None:
    request: ContextVar[str] = ContextVar("request", default="none")
    seen: list[str] = []

    async def look() -> Job:
        seen.append(request.get())
        return job.generation

    request.set("with a key")
    watch = Watch(look, None, pace, Quiet())
    await settle()
    watch.end()
    assert seen == ["none"]


@pytest.mark.parametrize("error", LASTING, ids=kind_of)
@pytest.mark.parametrize("known", [None, QUEUED])
async def test_an_error_that_does_not_pass_ends_the_watch_and_is_news(
    job: LookedAt,
    pace: Pace,
    turned: WaitingClock,
    known: Job | None,
    error: LumaMcpError,
) -> None:
    job.says = error
    async with watching(job, pace, known) as watch:
        news = watch.news
        await turned.pass_by(60)
        assert is_told_by(watch.error, error)
        assert watch.job is known
        assert watch.is_over
        assert news.done()
    assert len(job.looks) == 1


async def test_a_look_that_is_cancelled_from_elsewhere_ends_the_watch_as_a_fault(
    pace: Pace,
) -> None:
    async def look() -> Job:
        raise asyncio.CancelledError

    watch = Watch(look, None, pace, Quiet())
    await watch.news
    assert isinstance(watch.error, Internal)
    assert isinstance(watch.error.__cause__, asyncio.CancelledError)
    assert watch.is_over


async def test_an_unforeseen_exception_ends_the_watch_as_a_fault_of_the_server(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    job.says = ZeroDivisionError("by design")
    async with watching(job, pace) as watch:
        news = watch.news
        await turned.pass_by(60)
        assert isinstance(watch.error, Internal)
        assert watch.error.__cause__ is job.says
        assert "by design" not in watch.error.message
        assert news.done()
    assert job.looks == [0]


@pytest.mark.parametrize("error", PASSING, ids=kind_of)
async def test_in_trouble_pauses_double_up_to_half_a_minute(
    job: LookedAt, pace: Pace, turned: WaitingClock, error: LumaMcpError
) -> None:
    job.says = error
    async with watching(job, pace) as watch:
        news = watch.news
        await turned.pass_by(130)
        assert is_told_by(watch.trouble, error)
        assert not watch.is_over
        assert not news.done()
    assert job.looks == IN_TROUBLE


@pytest.mark.parametrize("error", [NotFound("No."), Unavailable("No.")], ids=kind_of)
async def test_what_is_kept_of_an_error_has_no_traceback_with_a_key_in_it(
    job: LookedAt, pace: Pace, turned: WaitingClock, error: LumaMcpError
) -> None:
    job.says = error
    async with watching(job, pace) as watch:
        await turned.pass_by(0)
        kept = watch.error or watch.trouble
        assert kept is not None
        assert kept.__traceback__ is None


async def test_pauses_are_the_usual_ones_once_trouble_is_over(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    job.says = Unavailable("No.")
    async with watching(job, pace) as watch:
        await turned.pass_by(100)
        job.says = "queued"
        await turned.pass_by(40)
        assert watch.trouble is None
        assert watch.job == job.generation
    assert job.looks == [*IN_TROUBLE, 126, 131, 136]


async def test_a_short_trouble_makes_pauses_grow_no_further_than_usual(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    job.says = TimedOut("No.")
    async with watching(job, pace):
        await turned.pass_by(2)
        job.says = "queued"
        await turned.pass_by(20)
    assert job.looks == [0, 1, 3, 6, 10.5, 15.5, 20.5]


async def test_trouble_does_not_make_a_known_state_unknown(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    async with watching(job, pace) as watch:
        await turned.pass_by(0)
        known, job.says = watch.job, Unavailable("No.")
        await turned.pass_by(60)
        assert watch.job is known
        assert isinstance(watch.trouble, Unavailable)


@pytest.mark.parametrize("kind", [RateLimited, Unavailable])
async def test_a_watch_keeps_quiet_for_as_long_as_luma_asks_for(
    job: LookedAt, pace: Pace, turned: WaitingClock, kind: type[LumaMcpError]
) -> None:
    job.says = kind("No.", retry_after_seconds=12)
    async with watching(job, pace):
        await turned.pass_by(11.9)
        assert job.looks == [0]
        job.says = "queued"
        await turned.pass_by(2)
    assert job.looks == [0, 12, 13.5]


async def test_a_quiet_that_is_shorter_than_the_pause_shortens_nothing(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    job.says = RateLimited("No.", retry_after_seconds=1)
    async with watching(job, pace):
        await turned.pass_by(32)
    assert job.looks == [0, 1, 3, 7, 15, 31]


@pytest.mark.parametrize("asked", [None, 0.0])
async def test_a_429_that_names_no_time_asks_for_quiet_until_the_next_look(
    job: LookedAt, pace: Pace, turned: WaitingClock, asked: float | None
) -> None:
    job.says = RateLimited("No.", retry_after_seconds=asked)
    quiet, ends = Quiet(), []
    async with watching(job, pace, quiet=quiet):
        for seconds in (0, 1, 2, 4):
            await turned.pass_by(seconds)
            ends.append(quiet.until - turned.time())
    assert ends == [1, 2, 4, 8]


@pytest.mark.parametrize("error", [Unavailable("No."), TimedOut("No."), BadResponse("No.")])
async def test_trouble_that_is_no_429_and_names_no_time_asks_for_no_quiet(
    job: LookedAt, pace: Pace, turned: WaitingClock, error: LumaMcpError
) -> None:
    job.says = error
    quiet = Quiet()
    async with watching(job, pace, quiet=quiet):
        await turned.pass_by(10)
    assert quiet.until < 0


def test_a_quiet_is_never_made_shorter() -> None:
    quiet = Quiet()
    for until in (10.0, 5.0):
        quiet.ask(until)
    assert quiet.until == 10
    quiet.ask(11)
    assert quiet.until == 11


def test_a_quiet_says_how_long_it_lasts_and_nothing_once_it_is_over() -> None:
    quiet = Quiet()
    assert quiet.refusal(0.0) is None
    quiet.ask(10)
    refusal = quiet.refusal(4.0)
    assert refusal is not None
    assert refusal.retry_after_seconds == 6
    assert quiet.refusal(10.0) is None


async def test_a_quiet_keeps_every_watch_that_shares_it_and_no_other(
    pace: Pace, turned: WaitingClock
) -> None:
    quiet = Quiet()
    sharing, unborn, other = (LookedAt(turned) for _ in range(3))
    async with watching(sharing, pace, QUEUED, quiet), watching(other, pace, QUEUED, Quiet()):
        await turned.pass_by(0.5)
        quiet.ask(turned.time() + 5.5)
        async with watching(unborn, pace, None, quiet):
            await turned.pass_by(5.4)
            assert (sharing.looks, unborn.looks) == ([], [])
            assert other.looks == [1, 2.5, 4.75]
            await turned.pass_by(0.1)
            assert (sharing.looks, unborn.looks) == ([6], [6])


async def test_a_quiet_that_is_made_longer_keeps_those_who_are_quiet_already(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    quiet = Quiet()
    quiet.ask(turned.time() + 5)
    async with watching(job, pace, quiet=quiet):
        await turned.pass_by(4)
        quiet.ask(turned.time() + 16)
        await turned.pass_by(15.9)
        assert job.looks == []
        await turned.pass_by(0.1)
    assert job.looks == [20]


async def test_after_a_quiet_watches_come_back_within_a_second_but_not_at_once(
    turned: WaitingClock,
) -> None:
    quiet, early, late = Quiet(), LookedAt(turned), LookedAt(turned)
    quiet.ask(turned.time() + 10)
    async with (
        watching(early, Pace(turned, lambda: 0.25), None, quiet),
        watching(late, Pace(turned, lambda: 1.0), None, quiet),
    ):
        await turned.pass_by(11)
    assert (early.looks, late.looks) == ([10.25], [11])


Ring = Callable[[Watch[Job]], None]


def once(watch: Watch[Job]) -> None:
    watch.ring()


def a_hundred_times(watch: Watch[Job]) -> None:
    for _ in range(100):
        watch.ring()


@pytest.mark.parametrize("ring", [once, a_hundred_times])
async def test_however_often_the_bell_rings_one_look_comes_early(
    job: LookedAt, pace: Pace, turned: WaitingClock, ring: Ring
) -> None:
    async with watching(job, pace) as watch:
        await turned.pass_by(14)
        ring(watch)
        await turned.pass_by(1)
        assert job.looks == [0, 1, 2.5, 4.75, 8.125, 13.125, 14]
        ring(watch)
        await turned.pass_by(3.9)
        assert job.looks[-1] == 14
        await turned.pass_by(0.1)
    assert job.looks[-1] == 19


async def test_after_a_needless_ring_the_bell_is_not_heard_until_the_state_has_changed(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    async with watching(job, pace) as watch:
        await turned.pass_by(14)
        watch.ring()
        await turned.pass_by(6)
        assert job.looks[-2:] == [14, 19]
        watch.ring()
        job.says = "dreaming"
        await turned.pass_by(5)
        assert job.looks[-2:] == [19, 24]
        watch.ring()
        await turned.pass_by(0)
    assert job.looks[-2:] == [24, 25]


async def test_the_bell_is_heard_again_after_a_change_of_state(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    async with watching(job, pace) as watch:
        await turned.pass_by(14)
        job.says = "dreaming"
        watch.ring()
        await turned.pass_by(1)
        watch.ring()
        await turned.pass_by(1)
        watch.ring()
        await turned.pass_by(1)
    assert job.looks[-3:] == [13.125, 14, 15]


@pytest.mark.parametrize("ring", [once, a_hundred_times])
async def test_a_ring_while_a_look_is_under_way_brings_one_more(
    job: LookedAt, pace: Pace, turned: WaitingClock, ring: Ring
) -> None:
    async with watching(job, pace) as watch:
        await turned.pass_by(8)
        job.answers.clear()
        await turned.pass_by(1)
        assert job.looking == 1
        ring(watch)
        await settle()
        assert job.looks[-1] == 8.125
        job.answers.set()
        await turned.pass_by(4)
        ring(watch)
        await turned.pass_by(0.9)
        assert job.looks[-2:] == [8.125, 9]
        await turned.pass_by(0.1)
    assert job.looks[-1] == 14


async def test_a_ring_during_the_look_that_finds_a_change_does_not_use_up_the_next(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    async with watching(job, pace) as watch:
        await turned.pass_by(8)
        job.answers.clear()
        await turned.pass_by(0.5)
        job.says = "dreaming"
        watch.ring()
        job.answers.set()
        await turned.pass_by(0.5)
        assert job.looks[-2:] == [8.125, 8.5]
        job.says = "completed"
        watch.ring()
        await turned.pass_by(0)
        assert watch.is_over
    assert job.looks[-2:] == [8.5, 9]


async def test_rings_at_every_step_around_a_change_bring_two_more_looks(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    async with watching(job, pace) as watch:
        await turned.pass_by(8)
        job.answers.clear()
        await turned.pass_by(0.5)
        job.says = "dreaming"
        job.answers.set()
        for _ in range(20):
            watch.ring()
            await asyncio.sleep(0)
        await turned.pass_by(4)
    assert job.looks[-4:] == [4.75, 8.125, 8.5, 8.5]


async def test_a_ring_in_trouble_brings_a_look_before_its_time(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    job.says = Unavailable("No.")
    async with watching(job, pace) as watch:
        await turned.pass_by(70)
        job.says = "completed"
        watch.ring()
        await turned.pass_by(0)
        assert watch.is_over
    assert job.looks[-2:] == [61, 70]


async def test_the_bell_does_not_break_a_quiet(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    job.says = RateLimited("No.", retry_after_seconds=20)
    async with watching(job, pace) as watch:
        await turned.pass_by(1)
        job.says = "queued"
        for _ in range(18):
            watch.ring()
            await turned.pass_by(1)
        assert job.looks == [0]
        await turned.pass_by(1.4)
        assert job.looks == [0, 20]


async def test_a_ring_for_a_watch_that_is_over_does_nothing(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    job.says = "completed"
    async with watching(job, pace) as watch:
        await turned.pass_by(0)
        watch.ring()
        await turned.pass_by(10)
    assert job.looks == [0]


async def test_a_signal_ends_a_pause(pace: Pace) -> None:
    signal = asyncio.get_running_loop().create_future()
    pausing = asyncio.create_task(pace.until(pace.clock.time() + 60, signal))
    await settle()
    assert not pausing.done()
    signal.set_result(None)
    await pausing


async def test_a_pause_ends_at_its_moment_and_leaves_the_signal_alone(
    pace: Pace, turned: WaitingClock
) -> None:
    signal = asyncio.get_running_loop().create_future()
    pausing = asyncio.create_task(pace.until(turned.time() + 60, signal))
    await turned.pass_by(59.9)
    assert not pausing.done()
    await turned.pass_by(0.1)
    assert pausing.done()
    assert not signal.done()


async def test_a_cancelled_pause_leaves_the_signal_alone(pace: Pace) -> None:
    signal = asyncio.get_running_loop().create_future()
    pausing = asyncio.create_task(pace.until(pace.clock.time() + 60, signal))
    await settle()
    pausing.cancel()
    await settle()
    assert pausing.cancelled()
    assert not signal.done()


async def test_work_that_is_done_in_time_gives_its_result_or_its_error(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    assert await pace.within(turned.time() + 1, job.look()) == job.generation
    job.says = NotFound("No.")
    with pytest.raises(NotFound):
        await pace.within(turned.time() + 1, job.look())


async def test_work_that_takes_too_long_is_ended_and_gives_nothing(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    job.answers.clear()
    working = asyncio.create_task(pace.within(turned.time() + 10, job.look()))
    await turned.pass_by(9.9)
    assert (working.done(), job.looking) == (False, 1)
    await turned.pass_by(0.1)
    assert (working.result(), job.looking) == (None, 0)


async def test_work_that_fails_when_it_is_too_late_is_no_matter_for_the_log(
    job: LookedAt, pace: Pace, turned: WaitingClock, complaints: list[dict[str, Any]]
) -> None:
    async def fail_late() -> None:
        try:
            await job.answers.wait()
        finally:
            raise NotFound("No.")

    job.answers.clear()
    working = asyncio.create_task(pace.within(turned.time() + 10, fail_late()))
    await turned.pass_by(10)
    assert working.result() is None
    gc.collect()
    assert complaints == []


async def test_work_ends_with_the_one_who_wanted_it(
    job: LookedAt, pace: Pace, turned: WaitingClock
) -> None:
    job.answers.clear()
    working = asyncio.create_task(pace.within(turned.time() + 10, job.look()))
    await settle()
    working.cancel()
    await settle()
    assert working.cancelled()
    assert job.looking == 0


async def test_the_clock_of_the_machine_never_goes_back() -> None:
    clock = MonotonicClock()
    before = clock.time()
    await clock.sleep(0)
    await clock.sleep(-1)
    assert before <= clock.time()
