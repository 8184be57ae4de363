"""Whoever leaves, and whenever, leaves nothing behind and the others alone."""

import asyncio

import anyio
import pytest

from luma_mcp.luma.jobs import Job
from luma_mcp.waiting import WaitingRoom
from luma_mcp.watching import Pace
from tests.clocks import HastyClock, LookedAt, WaitingClock, settle
from tests.waiting.room import (
    COMPLETED,
    NAME,
    QUEUED,
    Told,
    Waiting,
    at_once,
    is_empty,
    leave,
    start,
)


@pytest.mark.parametrize(
    ("known", "answers", "looks"),
    [(QUEUED, True, []), (None, False, [0]), (None, True, [0])],
    ids=["before the first look", "during a look", "between looks"],
)
async def test_with_the_last_waiter_the_looks_end(
    room: WaitingRoom,
    job: LookedAt,
    turned: WaitingClock,
    known: Job | None,
    answers: bool,  # noqa: FBT001 - a column of the table
    looks: list[float],
) -> None:
    if not answers:
        job.answers.clear()
    waiting = start(room, job, known=known)
    await turned.pass_by(0.5)
    assert (room.waiters, room.jobs, job.looking) == (1, 1, int(not answers))
    await leave(waiting)
    assert waiting.cancelled()
    assert is_empty(room)
    assert job.looking == 0
    await turned.pass_by(60)
    assert job.looks == looks


async def test_who_is_cancelled_before_having_begun_starts_nothing(
    room: WaitingRoom, job: LookedAt
) -> None:
    await leave(start(room, job))
    assert job.looks == []


async def test_a_later_look_ends_with_the_last_waiter(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    waiting = start(room, job)
    await turned.pass_by(0.5)
    job.answers.clear()
    await turned.pass_by(0.5)
    assert job.looking == 1
    await leave(waiting)
    assert job.looking == 0


async def test_the_look_under_way_ends_with_a_time_out_of_the_last_waiter(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    job.answers.clear()
    waiting = start(room, job, 10)
    await turned.pass_by(10)
    assert job.looking == 0
    assert await at_once(waiting) is None
    assert job.looks == [0]


async def test_the_one_whose_look_is_under_way_may_leave_without_the_others_noticing(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    job.answers.clear()
    first, second = start(room, job), start(room, job)
    await settle()
    await leave(first)
    assert (room.waiters, room.jobs, job.looking) == (1, 1, 1)
    job.answers.set()
    await turned.pass_by(3)
    job.says = "completed"
    await turned.pass_by(2)
    assert second.result().state == "completed"
    assert job.looks == [0, 1, 2.5, 4.75]


async def test_who_leaves_while_being_told_something_leaves_nothing_behind(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    told = Told()
    told.hears.clear()
    waiting = start(room, job, report=told)
    await turned.pass_by(1)
    assert told.lines == [("queued", 0)]
    await leave(waiting)
    assert waiting.cancelled()
    assert is_empty(room)


@pytest.mark.parametrize("fault", [ConnectionResetError, asyncio.CancelledError])
async def test_a_report_that_raises_ends_the_waiting_of_that_one_only(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock, fault: type[BaseException]
) -> None:
    async def hang_up(_job: object, _seconds: float) -> None:
        raise fault

    deaf, other = start(room, job, report=hang_up), start(room, job)
    await turned.pass_by(0)
    with pytest.raises(fault):
        await at_once(deaf)
    assert (room.waiters, room.jobs, other.done()) == (1, 1, False)
    await leave(other)


async def test_a_waiter_whose_cancel_scope_ends_leaves_nothing_behind(
    room: WaitingRoom, job: LookedAt
) -> None:
    with anyio.CancelScope() as scope:

        async def hang_up(_job: object, _seconds: float) -> None:
            scope.cancel()

        await room.wait(NAME, job.look, 60, report=hang_up)
    assert scope.cancelled_caught
    assert is_empty(room)


async def take_steps(number: int, job: LookedAt) -> None:
    """Take so many steps of the event loop; the second look finds the end."""
    for _ in range(number):
        await asyncio.sleep(0)
        job.says = "completed" if job.looks else "queued"


async def test_at_whatever_step_one_leaves_nothing_stays_behind(turned: WaitingClock) -> None:
    ends = set()
    for steps in range(40):
        room, job = WaitingRoom(Pace(HastyClock())), LookedAt(turned)
        waiting = start(room, job, report=Told())
        await take_steps(steps, job)
        await leave(waiting)
        assert is_empty(room)
        assert job.looking == 0
        ends.add("left" if waiting.cancelled() else waiting.result().state)
    assert ends == {"left", "completed"}


async def test_at_whatever_step_one_leaves_the_other_hears_of_the_end(
    turned: WaitingClock,
) -> None:
    ends = set()
    for steps in range(40):
        room, job = WaitingRoom(Pace(HastyClock())), LookedAt(turned)
        one, other = start(room, job), start(room, job)
        await take_steps(steps, job)
        one.cancel()
        job.says = "completed"
        assert (await other).state == "completed"
        await asyncio.wait([one])
        assert is_empty(room)
        ends.add("left" if one.cancelled() else one.result().state)
    assert ends == {"left", "completed"}


async def test_who_is_cancelled_in_the_very_step_of_the_news_leaves_the_others_to_hear_it(
    room: WaitingRoom,
) -> None:
    waiting: list[Waiting] = []

    async def look() -> Job:
        waiting[0].cancel()
        return COMPLETED

    waiting.extend(asyncio.create_task(room.wait(NAME, look, 60)) for _ in range(2))
    assert await at_once(waiting[1]) is COMPLETED
    assert waiting[0].cancelled()
