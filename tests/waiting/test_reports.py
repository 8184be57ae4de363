"""What waiters are told while they wait."""

from luma_mcp.waiting import WaitingRoom
from tests.clocks import LookedAt, WaitingClock, settle
from tests.waiting.room import QUEUED, Told, at_once, leave, start


async def test_a_waiter_is_told_of_each_change_and_every_five_seconds_anyway(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    told = Told()
    waiting = start(room, job, known=QUEUED, report=told)
    await turned.pass_by(3)
    job.says = "dreaming"
    await turned.pass_by(9)
    job.says = "completed"
    await turned.pass_by(60)
    assert waiting.done()
    assert told.lines == [
        ("queued", 0),
        ("dreaming", 4.75),
        ("dreaming", 9.75),
        ("completed", 13.125),
    ]


async def test_a_waiter_who_learns_nothing_is_told_that_time_passes(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    told = Told()
    job.answers.clear()
    waiting = start(room, job, 20, report=told)
    await turned.pass_by(12)
    job.answers.set()
    await turned.pass_by(8)
    assert waiting.result().state == "queued"
    assert told.lines == [(None, 5), (None, 10), ("queued", 12), ("queued", 17)]


async def test_a_waiter_is_told_nothing_after_the_time_out(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    told, other = Told(), start(room, job)
    waiting = start(room, job, 10, report=told)
    await turned.pass_by(9)
    job.says = "dreaming"
    await turned.pass_by(20)
    assert waiting.result().state == "queued"
    assert told.lines == [("queued", 0), ("queued", 5)]
    await leave(other)


async def test_a_slow_report_misses_no_change(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    told = Told()
    told.hears.clear()
    waiting = start(room, job, report=told)
    await turned.pass_by(0.5)
    job.says = "dreaming"
    await turned.pass_by(1)
    job.says = "completed"
    await turned.pass_by(10)
    assert not waiting.done()
    told.hears.set()
    assert (await at_once(waiting)).state == "completed"
    assert told.lines == [("queued", 0), ("completed", 11.5)]


async def test_nobody_is_told_that_time_passes_before_it_does(job: LookedAt) -> None:
    room = WaitingRoom()  # on the machine's own clock, which never stands still
    told = Told()
    job.answers.clear()
    waiting = start(room, job, report=told)
    await settle()
    assert told.lines == []
    await leave(waiting)
