"""What a time-out gives, and whom it concerns."""

import pytest

from luma_mcp.waiting import WaitingRoom
from tests.clocks import LookedAt, WaitingClock, settle
from tests.waiting.room import COMPLETED, QUEUED, Told, at_once, is_empty, leave, start


async def test_a_time_out_gives_the_newest_state_and_concerns_nobody_else(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    hasty, patient = start(room, job, 10), start(room, job, 20)
    await turned.pass_by(3)
    job.says = "dreaming"
    await turned.pass_by(6.9)
    assert not hasty.done()
    await turned.pass_by(0.1)
    assert hasty.result().state == "dreaming"
    assert (room.waiters, room.jobs, patient.done()) == (1, 1, False)
    await turned.pass_by(10)
    assert patient.result().state == "dreaming"
    assert job.looks == [0, 1, 2.5, 4.75, 8.125, 13.125, 18.125]


async def test_a_known_state_is_the_answer_of_a_time_out_before_the_first_look(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    waiting = start(room, job, 0.5, known=QUEUED)
    await turned.pass_by(0.5)
    assert waiting.result() is QUEUED
    assert job.looks == []


async def test_who_knows_a_state_gets_it_at_the_time_out_though_the_watch_has_learnt_none(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    job.answers.clear()
    first = start(room, job)
    await settle()
    second = start(room, job, 10, known=QUEUED)
    await turned.pass_by(10)
    await leave(first)
    assert second.result() == QUEUED


async def test_an_old_state_that_a_newcomer_knows_replaces_no_newer_one(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    told, job.says = Told(), "dreaming"
    first = start(room, job, report=told)
    await turned.pass_by(0.5)
    second = start(room, job, 0.25, known=QUEUED)
    await turned.pass_by(0.25)
    assert second.result().state == "dreaming"
    assert told.lines == [("dreaming", 0)]
    await leave(first)


async def test_a_job_that_is_known_to_be_final_is_not_waited_for(
    room: WaitingRoom, job: LookedAt
) -> None:
    told = Told()
    assert await at_once(start(room, job, known=COMPLETED, report=told)) is COMPLETED
    assert (job.looks, told.lines) == ([], [])


@pytest.mark.parametrize("seconds", [0, -1])
async def test_who_has_no_time_gets_the_state_that_is_known(
    room: WaitingRoom, job: LookedAt, seconds: float
) -> None:
    assert await at_once(start(room, job, seconds, known=QUEUED)) is QUEUED
    assert job.looks == []


async def test_a_job_that_is_final_at_the_first_look_is_answered_at_once(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    job.says = "failed"
    assert (await at_once(start(room, job))).state == "failed"
    assert is_empty(room)
    assert (job.looks, turned.seconds) == ([0], 0)


async def test_a_job_that_never_ends_is_looked_at_every_five_seconds(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    told = Told()
    waiting = start(room, job, 600, report=told)
    await turned.pass_by(600)
    assert waiting.result().state == "queued"
    assert job.looks == [0, 1, 2.5, 4.75, *(8.125 + 5 * number for number in range(119))]
    assert told.lines == [("queued", 5 * number) for number in range(120)]


@pytest.mark.timeout(60)
async def test_a_report_that_is_not_heard_keeps_nobody_past_the_time_out(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    told = Told()
    told.hears.clear()
    waiting = start(room, job, 10, report=told)
    await turned.pass_by(10)
    on_time = waiting.done()
    told.hears.set()
    assert (await at_once(waiting)).state == "queued"
    assert on_time
