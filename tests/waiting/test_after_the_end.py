"""The end of a job, and those who come after it."""

import pytest

from luma_mcp.errors import KeyRejected
from luma_mcp.waiting import WaitingRoom
from tests.clocks import LookedAt, WaitingClock, settle
from tests.waiting.room import Told, at_once, leave, start


async def test_who_comes_after_the_end_while_others_are_still_leaving_gets_it_without_a_look(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    told = Told()
    slow = start(room, job, report=told)
    await turned.pass_by(0.5)
    told.hears.clear()
    job.says = "completed"
    await turned.pass_by(1)
    assert (slow.done(), room.jobs) == (False, 1)
    assert (await at_once(start(room, job))).state == "completed"
    told.hears.set()
    assert (await at_once(slow)).state == "completed"
    assert job.looks == [0, 1]


async def test_who_comes_after_an_error_starts_anew_though_others_have_not_left_yet(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    told = Told()
    told.hears.clear()
    slow = start(room, job, report=told)
    await settle()
    job.says = KeyRejected("No.")
    await turned.pass_by(1)
    job.says = "queued"
    late = start(room, job)
    await turned.pass_by(0.5)
    assert (room.waiters, room.jobs, job.looks) == (2, 1, [0, 1, 1])
    told.hears.set()
    with pytest.raises(KeyRejected):
        await at_once(slow)
    assert (room.waiters, room.jobs, late.done()) == (1, 1, False)
    joining = start(room, job)
    await turned.pass_by(0.4)
    assert (room.waiters, room.jobs, job.looks) == (2, 1, [0, 1, 1])
    await leave(late, joining)


async def test_a_job_that_was_waited_for_can_be_waited_for_again(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    for _ in range(2):
        waiting = start(room, job, 2)
        await turned.pass_by(2)
        assert waiting.result().state == "queued"
    assert job.looks == [0, 1, 2, 3]
