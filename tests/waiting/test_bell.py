"""The bell: looks before their time."""

from collections.abc import AsyncIterator

import pytest

from luma_mcp.callbacks import Callbacks
from luma_mcp.errors import KeyRejected
from luma_mcp.luma.jobs import Job
from luma_mcp.sealing import Sealer
from luma_mcp.waiting import CallSign, WaitingRoom
from luma_mcp.watching import Pace
from tests.clocks import LookedAt, WaitingClock, settle
from tests.waiting.room import NAME, Told, at_once, called_back, is_empty, leave, other_job, start


@pytest.fixture
def callbacks() -> Callbacks:
    return Callbacks("https://mcp.example.com", Sealer())


@pytest.fixture
async def rung(pace: Pace, callbacks: Callbacks) -> AsyncIterator[WaitingRoom]:
    """A room with a bell."""
    room = WaitingRoom(pace, call_sign_of=callbacks.call_sign_of)
    yield room
    await settle()
    assert is_empty(room)


async def test_a_ring_makes_the_watch_of_its_job_look_early_and_no_other(
    rung: WaitingRoom,
    callbacks: Callbacks,
    job: LookedAt,
    other: LookedAt,
    turned: WaitingClock,
) -> None:
    sign = called_back(job, callbacks)
    called_back(other, callbacks)
    waiting = [start(rung, job), start(rung, other, name=other_job(1))]
    await turned.pass_by(10)
    job.says = "completed"
    for _ in range(100):
        rung.ring(sign)
    await turned.pass_by(0)
    assert waiting[0].result().state == "completed"
    assert job.looks == [0, 1, 2.5, 4.75, 8.125, 10]
    assert other.looks == [0, 1, 2.5, 4.75, 8.125]
    await leave(waiting[1])


async def test_a_hundred_needless_rings_cost_one_look(
    rung: WaitingRoom, callbacks: Callbacks, job: LookedAt, turned: WaitingClock
) -> None:
    sign = called_back(job, callbacks)
    waiting = start(rung, job)
    await turned.pass_by(9)
    for _ in range(100):
        rung.ring(sign)
        await turned.pass_by(0.03125)
    assert job.looks == [0, 1, 2.5, 4.75, 8.125, 9]
    await leave(waiting)


async def test_a_job_that_the_creator_knows_is_found_by_its_first_ring(
    rung: WaitingRoom, callbacks: Callbacks, job: LookedAt, turned: WaitingClock
) -> None:
    sign = called_back(job, callbacks)
    waiting = start(rung, job, known=job.generation)
    await turned.pass_by(0.5)
    rung.ring(sign)
    await turned.pass_by(0)
    assert job.looks == [0.5]
    await leave(waiting)


async def test_a_call_sign_of_another_key_is_not_taken(
    rung: WaitingRoom, callbacks: Callbacks, job: LookedAt, turned: WaitingClock
) -> None:
    sign = called_back(job, callbacks, key="other")
    waiting = start(rung, job)
    await turned.pass_by(0.5)
    rung.ring(sign)
    rung.ring(sign._replace(key=NAME.key))
    await turned.pass_by(0)
    assert job.looks == [0]
    await leave(waiting)


async def test_a_call_sign_is_read_once_for_all_who_wait(
    pace: Pace, job: LookedAt, turned: WaitingClock
) -> None:
    read: list[str | None] = []

    def sign(job: Job) -> CallSign:
        read.append(job.state)
        return CallSign(NAME.key, "a name")

    room = WaitingRoom(pace, call_sign_of=sign)
    waiting = [start(room, job) for _ in range(10)]
    await turned.pass_by(20)
    assert read == ["queued"]
    await leave(*waiting)


async def test_a_ring_that_nobody_waits_for_does_nothing(
    rung: WaitingRoom, callbacks: Callbacks, job: LookedAt, turned: WaitingClock
) -> None:
    sign = called_back(job, callbacks)
    rung.ring(sign)
    waiting = start(rung, job)
    await turned.pass_by(0.5)
    rung.ring(CallSign(NAME.key, "no such name"))
    await turned.pass_by(0)
    await leave(waiting)
    rung.ring(sign)
    await turned.pass_by(10)
    assert job.looks == [0]


async def test_a_room_without_a_bell_is_deaf(
    room: WaitingRoom, callbacks: Callbacks, job: LookedAt, turned: WaitingClock
) -> None:
    sign = called_back(job, callbacks)
    waiting = start(room, job)
    await turned.pass_by(0.5)
    room.ring(sign)
    await turned.pass_by(0)
    assert job.looks == [0]
    await leave(waiting)


async def test_the_bell_finds_the_new_watch_though_one_of_the_old_has_not_left_yet(
    rung: WaitingRoom, callbacks: Callbacks, job: LookedAt, turned: WaitingClock
) -> None:
    sign, told = called_back(job, callbacks), Told()
    slow = start(rung, job, report=told)
    await turned.pass_by(0.5)
    told.hears.clear()
    job.says = "dreaming"
    await turned.pass_by(1)
    job.says = KeyRejected("No.")
    await turned.pass_by(1.5)
    job.says = "queued"
    late = start(rung, job)
    await turned.pass_by(0.5)
    told.hears.set()
    with pytest.raises(KeyRejected):
        await at_once(slow)
    rung.ring(sign)
    await turned.pass_by(0)
    assert job.looks == [0, 1, 2.5, 3, 3.5]
    await leave(late)
