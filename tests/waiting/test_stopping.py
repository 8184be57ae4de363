"""The end of the process."""

import pytest

from luma_mcp.errors import RateLimited
from luma_mcp.waiting import WaitingRoom
from tests.clocks import LookedAt, WaitingClock, settle
from tests.waiting.room import QUEUED, at_once, is_empty, other_job, start


async def test_when_the_process_stops_all_go_home_with_the_newest_state(
    room: WaitingRoom, job: LookedAt, other: LookedAt, turned: WaitingClock
) -> None:
    job.says = "dreaming"
    waiting = [start(room, job), start(room, job, known=QUEUED)]
    waiting.append(start(room, other, name=other_job(1), known=QUEUED))
    await turned.pass_by(0.5)
    room.stop()
    await settle()
    assert [one.result().state for one in waiting] == ["dreaming", "dreaming", "queued"]
    assert is_empty(room)
    assert turned.seconds == 0.5


@pytest.mark.parametrize("trouble", [None, RateLimited("No.")])
async def test_when_the_process_stops_who_has_learnt_nothing_goes_home_with_nothing(
    room: WaitingRoom, job: LookedAt, trouble: RateLimited | None
) -> None:
    if trouble is None:
        job.answers.clear()
    else:
        job.says = trouble
    waiting = start(room, job)
    await settle()
    room.stop()
    assert await at_once(waiting) is None
    assert job.looking == 0


async def test_when_the_process_has_stopped_nobody_waits_any_more(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    room.stop()
    assert await at_once(start(room, job, known=QUEUED)) is QUEUED
    assert await at_once(start(room, job)) is None
    assert is_empty(room)
    await turned.pass_by(60)
    assert job.looks == []
