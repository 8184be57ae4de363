"""Errors that end a wait, and errors that are ridden out."""

import pytest

from luma_mcp.errors import Internal, KeyRejected, LumaMcpError, NotFound, RateLimited, Unavailable
from luma_mcp.waiting import GOES_ON, WaitingRoom
from tests.clocks import LookedAt, WaitingClock, settle
from tests.waiting.room import ID, LASTING, PASSING, QUEUED, at_once, kind_of, start


@pytest.mark.parametrize("error", LASTING, ids=kind_of)
async def test_an_error_that_does_not_pass_is_heard_by_all_and_each_has_a_copy(
    room: WaitingRoom, job: LookedAt, error: LumaMcpError
) -> None:
    job.says = error
    job.answers.clear()
    waiting = [start(room, job) for _ in range(3)]
    await settle()
    job.answers.set()
    caught = []
    for one in waiting:
        with pytest.raises(type(error)) as info:
            await at_once(one)
        caught.append(info.value)
        expected = error.fields("request")
        assert info.value.fields("request") == expected
        info.value.message = info.value.advice = info.value.generation_id = "spoilt"
    assert len({id(one) for one in [*caught, error]}) == 4
    assert error.message == "No."
    assert job.looks == [0]


@pytest.mark.parametrize("error", LASTING, ids=kind_of)
async def test_an_error_about_a_job_that_was_seen_names_it(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock, error: LumaMcpError
) -> None:
    waiting = start(room, job)
    await turned.pass_by(0.5)
    job.says = error
    await turned.pass_by(1)
    with pytest.raises(type(error)) as caught:
        await at_once(waiting)
    assert (caught.value.generation_id, error.generation_id) == (ID, None)


async def test_an_error_about_a_job_that_the_waiter_knows_names_it(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    job.says = NotFound("No.")
    waiting = start(room, job, known=QUEUED)
    await turned.pass_by(1)
    with pytest.raises(NotFound) as caught:
        await at_once(waiting)
    assert caught.value.generation_id == ID


async def test_after_an_error_the_next_who_waits_starts_anew(
    room: WaitingRoom, job: LookedAt
) -> None:
    job.says = KeyRejected("No.")
    with pytest.raises(KeyRejected):
        await at_once(start(room, job))
    job.says = "completed"
    assert (await at_once(start(room, job))).state == "completed"
    assert job.looks == [0, 0]


async def test_a_fault_of_ours_is_heard_by_all_with_its_cause(
    room: WaitingRoom, job: LookedAt
) -> None:
    job.says = ZeroDivisionError("by design")
    waiting = [start(room, job) for _ in range(3)]
    faults = set()
    for one in waiting:
        with pytest.raises(Internal, match="has a fault") as caught:
            await at_once(one)
        assert caught.value.__cause__ is job.says
        assert "by design" not in caught.value.message
        faults.add(id(caught.value))
    assert len(faults) == 3


@pytest.mark.parametrize("error", PASSING, ids=kind_of)
async def test_an_error_that_may_pass_is_ridden_out(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock, error: LumaMcpError
) -> None:
    job.says = error
    waiting = start(room, job)
    await turned.pass_by(10)
    job.says = "completed"
    await turned.pass_by(5)
    assert waiting.result().state == "completed"
    assert job.looks == [0, 1, 3, 7, 15]


@pytest.mark.parametrize("error", PASSING, ids=kind_of)
async def test_a_time_out_in_trouble_gives_the_state_that_was_learnt_before(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock, error: LumaMcpError
) -> None:
    waiting = start(room, job, 30)
    await turned.pass_by(0.5)
    job.says = error
    await turned.pass_by(29.5)
    assert waiting.result().state == "queued"


@pytest.mark.parametrize("error", PASSING, ids=kind_of)
async def test_a_time_out_with_no_state_learnt_says_what_the_trouble_was(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock, error: LumaMcpError
) -> None:
    job.says = error
    before = error.fields("request")
    one, other = start(room, job, 10), start(room, job, 20)
    await turned.pass_by(10)
    with pytest.raises(type(error)) as caught:
        await at_once(one)
    told = {"advice": GOES_ON, "generation_id": ID}
    if isinstance(error, RateLimited):
        told["retry_after_seconds"] = 5  # the pause that has grown to 8 seconds began at 7
    assert caught.value.fields("request") == before | told
    caught.value.message = "spoilt"
    await turned.pass_by(10)
    with pytest.raises(type(error), match="No") as caught:
        await at_once(other)
    assert caught.value.message == "No."
    assert error.fields("request") == before


async def test_who_hears_of_the_same_trouble_at_once_has_an_error_of_their_own(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    job.says = Unavailable("No.")
    waiting = [start(room, job, 10) for _ in range(3)]
    await turned.pass_by(10)
    errors = [one.exception() for one in waiting]
    assert [str(error) for error in errors] == ["No."] * 3
    assert len({id(error) for error in errors}) == 3


async def test_the_last_trouble_is_the_one_that_a_time_out_tells_of(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    job.says = Unavailable("No.")
    waiting = start(room, job, 10)
    await turned.pass_by(0.5)
    job.says = RateLimited("Later.", retry_after_seconds=60)
    await turned.pass_by(9.5)
    with pytest.raises(RateLimited, match="Later") as caught:
        await at_once(waiting)
    assert caught.value.retry_after_seconds == 51


async def test_a_time_out_without_any_answer_is_no_error(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    job.answers.clear()
    waiting = start(room, job, 10)
    await turned.pass_by(10)
    assert await at_once(waiting) is None
