"""Who shares a watch, and who does not."""

import pytest

from luma_mcp.errors import NotFound
from luma_mcp.waiting import JobName, WaitingRoom
from tests.clocks import LookedAt, WaitingClock, settle
from tests.waiting.room import NAME, Told, at_once, leave, start


async def test_all_who_wait_for_a_job_share_its_looks(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    waiting = [start(room, job) for _ in range(50)]
    await turned.pass_by(3)
    assert (room.waiters, room.jobs, job.looks) == (50, 1, [0, 1, 2.5])
    job.says = "completed"
    await turned.pass_by(2)
    assert [one.result().state for one in waiting] == ["completed"] * 50
    assert (job.looks, job.most) == ([0, 1, 2.5, 4.75], 1)


@pytest.mark.parametrize(
    "name",
    [NAME._replace(key="other"), NAME._replace(api="agents"), NAME._replace(id="other")],
    ids=["key", "api", "id"],
)
async def test_another_key_api_or_id_is_another_job(
    room: WaitingRoom, job: LookedAt, other: LookedAt, turned: WaitingClock, name: JobName
) -> None:
    first, second = start(room, job), start(room, other, name=name)
    await settle()
    assert room.jobs == 2
    other.says = NotFound("No.")
    await turned.pass_by(1)
    with pytest.raises(NotFound):
        await at_once(second)
    assert (first.done(), room.waiters, room.jobs) == (False, 1, 1)
    assert (job.looks, other.looks) == ([0, 1], [0, 1])
    await leave(first)


async def test_who_comes_later_hears_the_newest_state_at_once_and_has_a_time_of_their_own(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    told = Told()
    first = start(room, job)
    await turned.pass_by(3)
    job.says = "dreaming"
    await turned.pass_by(4)
    second = start(room, job, 4, report=told)
    await settle()
    assert told.lines == [("dreaming", 0)]
    await turned.pass_by(3.9)
    assert not second.done()
    await turned.pass_by(0.1)
    assert (await at_once(second)).state == "dreaming"
    assert (first.done(), job.looks) == (False, [0, 1, 2.5, 4.75, 8.125])
    await leave(first)


async def test_who_comes_while_the_first_look_is_under_way_waits_for_it_too(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    job.answers.clear()
    first = start(room, job)
    await turned.pass_by(1)
    second = start(room, job)
    await turned.pass_by(1)
    job.says = "completed"
    job.answers.set()
    assert (await at_once(first)).state == (await at_once(second)).state == "completed"
    assert job.looks == [0]


async def test_a_look_of_the_room_asks_with_the_look_of_who_came_first(
    room: WaitingRoom, job: LookedAt, other: LookedAt, turned: WaitingClock
) -> None:
    waiting = [start(room, job), start(room, other)]
    await turned.pass_by(3)
    assert (job.looks, other.looks) == ([0, 1, 2.5], [])
    await leave(*waiting)
