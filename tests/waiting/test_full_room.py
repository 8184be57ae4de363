"""A full room."""

import pytest

from luma_mcp.errors import NotFound, RateLimited
from luma_mcp.waiting import GOES_ON, WaitingRoom
from luma_mcp.watching import Pace
from tests.clocks import LookedAt, WaitingClock, settle
from tests.waiting.room import DREAMING, NAME, QUEUED, at_once, is_empty, leave, other_job, start


@pytest.mark.parametrize(
    ("there", "comes"),
    [(["key", "key"], "key"), (["one", "two", "three"], "key")],
    ids=["of the key", "of the process"],
)
async def test_who_comes_to_a_full_room_gets_the_present_state_without_waiting(
    pace: Pace, turned: WaitingClock, there: list[str], comes: str
) -> None:
    room = WaitingRoom(pace, max_waiters=3, max_waiters_of_a_key=2)
    waiting = [start(room, LookedAt(turned), name=NAME._replace(key=key)) for key in there]
    await turned.pass_by(0.5)
    job, name = LookedAt(turned), other_job(7)._replace(key=comes)
    assert (await at_once(start(room, job, name=name))).state == "queued"
    assert job.looks == [0.5]
    assert await at_once(start(room, job, name=name, known=DREAMING)) is DREAMING
    assert job.looks == [0.5]
    assert room.waiters == len(there)
    job.says = NotFound("No.")
    with pytest.raises(NotFound):
        await at_once(start(room, job, name=name))
    await leave(waiting.pop())
    waiting.append(start(room, job, name=name, known=QUEUED))
    await turned.pass_by(0.5)
    assert (room.waiters, waiting[-1].done()) == (len(there), False)
    await leave(*waiting)
    assert is_empty(room)


async def test_a_key_that_has_filled_its_share_leaves_room_for_others(
    pace: Pace, job: LookedAt, turned: WaitingClock
) -> None:
    room = WaitingRoom(pace, max_waiters=3, max_waiters_of_a_key=2)
    waiting = [start(room, job, name=other_job(number)) for number in range(2)]
    await settle()
    waiting.append(start(room, job, name=NAME._replace(key="other")))
    await turned.pass_by(0.5)
    assert (room.waiters, room.jobs) == (3, 3)
    await leave(*waiting)


async def test_a_full_room_keeps_nobody_longer_than_agreed(
    pace: Pace, job: LookedAt, turned: WaitingClock
) -> None:
    room = WaitingRoom(pace, max_waiters=0)
    job.answers.clear()
    waiting = start(room, job, 10)
    await turned.pass_by(10)
    on_time = waiting.done()
    await leave(waiting)
    assert on_time
    assert waiting.result() is None
    assert job.looking == 0


async def test_a_full_room_answers_what_others_know_and_asks_nobody(
    pace: Pace, job: LookedAt, turned: WaitingClock
) -> None:
    room = WaitingRoom(pace, max_waiters=1)
    waiting = start(room, job)
    await turned.pass_by(0.5)
    assert [(await at_once(start(room, job))).state for _ in range(5)] == ["queued"] * 5
    assert job.looks == [0]
    await leave(waiting)


async def test_a_full_room_does_not_break_the_quiet(
    pace: Pace, job: LookedAt, other: LookedAt, turned: WaitingClock
) -> None:
    room = WaitingRoom(pace, max_waiters=1)
    job.says = RateLimited("No.", retry_after_seconds=60)
    waiting = start(room, job)
    await turned.pass_by(10)
    with pytest.raises(RateLimited) as caught:
        await at_once(start(room, other, name=other_job(1)))
    assert (caught.value.retry_after_seconds, other.looks) == (50, [])
    await leave(waiting)


async def test_who_comes_into_the_quiet_hears_how_long_it_lasts(
    room: WaitingRoom, job: LookedAt, other: LookedAt, turned: WaitingClock
) -> None:
    job.says = RateLimited("No.", retry_after_seconds=60)
    waiting = [start(room, job)]
    await turned.pass_by(10)
    late = start(room, other, 20, name=other_job(1))
    await turned.pass_by(20)
    with pytest.raises(RateLimited) as caught:
        await at_once(late)
    assert (caught.value.retry_after_seconds, caught.value.advice) == (30, GOES_ON)
    assert (caught.value.generation_id, other.looks) == (other_job(1).id, [])
    await leave(*waiting)


async def test_with_the_last_waiter_of_a_key_its_quiet_is_forgotten(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    job.says = RateLimited("No.", retry_after_seconds=60)
    waiting = start(room, job)
    await settle()
    await leave(waiting)
    job.says = "completed"
    assert (await at_once(start(room, job))).state == "completed"
    assert (job.looks, turned.seconds) == ([0, 0], 0)
