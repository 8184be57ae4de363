"""The waiting room: who shares a watch, what each hears, and that nothing stays behind."""

import asyncio
import gc
import itertools
import math
from collections.abc import AsyncIterator, Mapping

import anyio
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    rule,
    run_state_machine_as_test,
)

from luma_mcp.callbacks import Callbacks
from luma_mcp.errors import (
    BadResponse,
    InsufficientCredits,
    Internal,
    InvalidRequest,
    KeyRejected,
    LumaMcpError,
    MissingKey,
    NotFound,
    RateLimited,
    RefusedByPolicy,
    TimedOut,
    Unavailable,
)
from luma_mcp.luma.dream_machine_models import Generation
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.sealing import Sealer
from luma_mcp.waiting import GOES_ON, CallSign, JobName, Report, WaitingRoom, silence
from luma_mcp.watching import Pace
from tests.clocks import HastyClock, LookedAt, WaitingClock, settle

ID = "5c0e1a3a-8f5e-4d1c-9a53-0d7f5b1e2a11"
NAME = JobName("key", "dream_machine", ID)
QUEUED, DREAMING, COMPLETED = (
    Generation(id=ID, state=state) for state in ("queued", "dreaming", "completed")
)
PASSING = [Unavailable("No."), TimedOut("No."), RateLimited("No."), BadResponse("No.")]
LASTING = [
    NotFound("No."),
    KeyRejected("No."),
    InvalidRequest("No."),
    InsufficientCredits("No."),
    MissingKey("No."),
    RefusedByPolicy("No."),
    Internal("No."),
]


def kind_of(error: LumaMcpError) -> str:
    return error.code


Waiting = asyncio.Task[Generation]


class Told:
    """What a waiter was told: states and seconds. While `hears` is not set, it listens on."""

    def __init__(self) -> None:
        self.lines: list[tuple[str | None, float]] = []
        self.hears = asyncio.Event()
        self.hears.set()

    async def __call__(self, job: Generation | None, seconds: float) -> None:
        self.lines.append((job.state if job else None, seconds))
        await self.hears.wait()


def start(
    room: WaitingRoom,
    job: LookedAt,
    seconds: float = 60,
    *,
    name: JobName = NAME,
    known: Generation | None = None,
    report: Report = silence,
) -> Waiting:
    return asyncio.create_task(room.wait(name, job.look, seconds, known=known, report=report))


def other_job(number: int) -> JobName:
    return NAME._replace(id=f"{number:036}")


async def at_once(waiting: Waiting) -> Generation:
    """Give the answer of one who has not to wait for it any more."""
    await settle()
    assert waiting.done()
    return waiting.result()


async def leave(*waiting: Waiting) -> None:
    for one in waiting:
        one.cancel()
    await asyncio.wait(waiting)
    await settle()


@pytest.fixture
async def turned(clock: TurnedClock) -> AsyncIterator[WaitingClock]:
    """A clock to turn; when a test is over nothing may run on."""
    before = len(asyncio.all_tasks())
    yield WaitingClock(clock)
    await settle()
    assert len(asyncio.all_tasks()) == before


@pytest.fixture
def job(turned: WaitingClock) -> LookedAt:
    return LookedAt(turned)


@pytest.fixture
def other(turned: WaitingClock) -> LookedAt:
    return LookedAt(turned)


@pytest.fixture
def pace(turned: WaitingClock) -> Pace:
    return Pace(turned, spread=lambda: 0.0)


def is_empty(room: WaitingRoom) -> bool:
    return (room.waiters, room.jobs) == (0, 0)


@pytest.fixture
async def room(pace: Pace) -> AsyncIterator[WaitingRoom]:
    """A room that has to be empty when the test is over."""
    room = WaitingRoom(pace)
    yield room
    await settle()
    assert is_empty(room)


# --- Who shares a watch -------------------------------------------------------------------------


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


# --- Time-outs ----------------------------------------------------------------------------------


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


# --- Those who leave ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "answers", "looks"),
    [(QUEUED, True, []), (None, False, [0]), (None, True, [0])],
    ids=["before the first look", "during a look", "between looks"],
)
async def test_with_the_last_waiter_the_looks_end(
    room: WaitingRoom,
    job: LookedAt,
    turned: WaitingClock,
    known: Generation | None,
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

    async def look() -> Generation:
        waiting[0].cancel()
        return COMPLETED

    waiting.extend(asyncio.create_task(room.wait(NAME, look, 60)) for _ in range(2))
    assert await at_once(waiting[1]) is COMPLETED
    assert waiting[0].cancelled()


# --- The end, and those who come after it -------------------------------------------------------


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


# --- Errors -------------------------------------------------------------------------------------


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


# --- Quiet --------------------------------------------------------------------------------------


async def test_a_429_quiets_all_jobs_of_its_key_and_no_other(
    room: WaitingRoom, turned: WaitingClock
) -> None:
    limited, early, late, foreign = (LookedAt(turned) for _ in range(4))
    waiting = [
        start(room, early, name=other_job(1)),
        start(room, foreign, name=NAME._replace(key="other")),
    ]
    await turned.pass_by(2)
    limited.says = RateLimited("No.", retry_after_seconds=20)
    waiting.append(start(room, limited))
    await turned.pass_by(1)
    waiting.append(start(room, late, name=other_job(2)))
    await turned.pass_by(18.9)
    assert (limited.looks, early.looks, late.looks) == ([2], [0, 1], [])
    assert foreign.looks == [0, 1, 2.5, 4.75, 8.125, 13.125, 18.125]
    limited.says = "queued"
    await turned.pass_by(0.1)
    assert (limited.looks, early.looks, late.looks) == ([2, 22], [0, 1, 22], [22])
    await leave(*waiting)


async def test_a_429_that_names_no_time_quiets_all_jobs_of_its_key_for_its_pause(
    room: WaitingRoom, job: LookedAt, other: LookedAt, turned: WaitingClock
) -> None:
    job.says = RateLimited("No.")
    waiting = [start(room, job)]
    await turned.pass_by(3.5)
    assert job.looks == [0, 1, 3]
    waiting.append(start(room, other, name=other_job(1)))
    await turned.pass_by(3.4)
    assert other.looks == []
    job.says = "queued"
    await turned.pass_by(0.1)
    assert other.looks == [7]
    await leave(*waiting)


# --- The bell -----------------------------------------------------------------------------------


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


def called_back(job: LookedAt, callbacks: Callbacks, key: str = NAME.key) -> CallSign:
    """Let Luma call back for the job; gives how."""
    job.request = {"callback_url": callbacks.make_url(key)}
    sign = callbacks.call_sign_of(job.generation)
    assert sign is not None
    return sign


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

    def sign(job: Generation) -> CallSign:
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


# --- Reports ------------------------------------------------------------------------------------


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


# --- A full room --------------------------------------------------------------------------------


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


# --- The end of the process ---------------------------------------------------------------------


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
    assert job.looks == []
    assert (await at_once(start(room, job))).state == "queued"
    assert is_empty(room)
    await turned.pass_by(60)
    assert job.looks == [0]


# --- In the long run ----------------------------------------------------------------------------


ENDS = [Generation(id=ID, state="failed"), NotFound("No."), ZeroDivisionError(), RateLimited("No.")]


async def live_through(room: WaitingRoom, number: int) -> None:
    """Wait for one job: to its end, to an error, to a time-out, or until its waiter leaves."""
    answers = [ENDS[number % 4], QUEUED]

    async def look() -> Generation:
        answer = answers.pop() if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer.with_traceback(None)
        return answer

    name = JobName(f"key {number}", "dream_machine", ID)
    waiting = asyncio.create_task(room.wait(name, look, 60))
    if number % 5 == 0:
        await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled() or waiting.exception() or waiting.result()


def objects_in_memory() -> int:
    gc.collect()
    return len(gc.get_objects())


async def test_ten_thousand_jobs_leave_nothing_in_memory() -> None:
    tasks, numbers = len(asyncio.all_tasks()), itertools.count()

    def sign(_job: Generation) -> CallSign:
        return CallSign(f"key {number}", f"name {number}")

    room = WaitingRoom(Pace(HastyClock()), call_sign_of=sign)
    for number in itertools.islice(numbers, 300):
        await live_through(room, number)
    before = objects_in_memory()
    for number in itertools.islice(numbers, 10_000):
        await live_through(room, number)
    assert objects_in_memory() - before < 100
    assert is_empty(room)
    assert len(asyncio.all_tasks()) == tasks
    assert not any(table for table in vars(room).values() if isinstance(table, Mapping))


class Visit:
    """One who waits, how long at most, and when that ended."""

    def __init__(self, name: JobName, deadline: float, told: Told, waiting: Waiting) -> None:
        self.name = name
        self.deadline = deadline
        self.told = told
        self.waiting = waiting
        self.left = False
        self.ended = math.inf


NAMES = [JobName(key, "dream_machine", number) for key in ("one", "two") for number in "12"]
SAYINGS = [
    "queued",
    "dreaming",
    "completed",
    Unavailable("No."),
    RateLimited("No.", retry_after_seconds=15),
    NotFound("No."),
    ZeroDivisionError(),
]
LONGEST_SILENCE_SECONDS = 30


class Visits(RuleBasedStateMachine):
    """Waiters come and leave in any order, while jobs go on, fail to answer, and ring."""

    there = Bundle("there")

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._clock = WaitingClock(TurnedClock())
        callbacks = Callbacks("https://mcp.example.com", Sealer())
        pace = Pace(self._clock, spread=lambda: 0.0)
        self._room = WaitingRoom(pace, call_sign_of=callbacks.call_sign_of)
        self._jobs = {name: LookedAt(self._clock) for name in NAMES}
        self._signs = {name: called_back(self._jobs[name], callbacks, name.key) for name in NAMES}
        self._said: dict[JobName, set[str | Exception]] = {name: {"queued"} for name in NAMES}
        self._visits: list[Visit] = []

    @rule(
        target=there,
        name=st.sampled_from(NAMES),
        seconds=st.sampled_from([0.5, 7.0, 1000.0]),
        knows=st.booleans(),
        hears=st.booleans(),
    )
    def come(self, name: JobName, seconds: float, *, knows: bool, hears: bool) -> Visit:
        job, told = self._jobs[name], Told()
        if not hears:
            told.hears.clear()
        known = Generation(state="queued", request=job.request) if knows else None
        wait = self._room.wait(name, job.look, seconds, known=known, report=told)
        deadline = self._clock.seconds + seconds
        visit = Visit(name, deadline, told, self._runner.get_loop().create_task(wait))
        visit.waiting.add_done_callback(lambda _: setattr(visit, "ended", self._clock.seconds))
        self._visits.append(visit)
        return visit

    @rule(visit=there)
    def leave(self, visit: Visit) -> None:
        visit.left = visit.waiting.cancel() or visit.left

    @rule(name=st.sampled_from(NAMES), says=st.sampled_from(SAYINGS))
    def go_on(self, name: JobName, says: str | Exception) -> None:
        self._jobs[name].says = says
        self._said[name].add(says)

    @rule(name=st.sampled_from(NAMES), answers=st.booleans())
    def answer(self, name: JobName, *, answers: bool) -> None:
        gate = self._jobs[name].answers
        (gate.set if answers else gate.clear)()

    @rule(name=st.sampled_from(NAMES))
    def ring(self, name: JobName) -> None:
        self._room.ring(self._signs[name])

    @rule(steps=st.integers(1, 6))
    def step(self, steps: int) -> None:
        async def take() -> None:
            for _ in range(steps):
                await asyncio.sleep(0)

        self._runner.run(take())

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 5.0, 20.0]))
    def pass_by(self, seconds: float) -> None:
        self._runner.run(self._clock.pass_by(seconds))
        self._check()

    def _check(self) -> None:
        staying = [visit for visit in self._visits if not visit.waiting.done()]
        names = {visit.name for visit in staying}
        # Who does not listen has perhaps not heard yet that the watch has failed.
        listening = {visit.name for visit in staying if visit.told.hears.is_set()}
        assert self._room.waiters == len(staying)
        assert len(listening) <= self._room.jobs <= len(names)
        assert staying or not asyncio.all_tasks(self._runner.get_loop())
        assert all(visit.deadline > self._clock.seconds and not visit.left for visit in staying)
        assert all(job.most <= 1 for job in self._jobs.values())
        assert {name for name, job in self._jobs.items() if job.looking} <= names
        for visit in self._visits:
            if visit.waiting.done():
                self._check_end(visit)

    def _check_end(self, visit: Visit) -> None:
        if visit.waiting.cancelled():
            assert visit.left
            return
        error, on_time = visit.waiting.exception(), visit.ended == visit.deadline
        if error is None:
            job = visit.waiting.result()
            if job is None:  # there was no answer in all the time
                assert on_time
                return
            assert job.request == self._jobs[visit.name].request
            assert job.state in self._said[visit.name]
            assert job.is_final or on_time
        else:
            assert isinstance(error, NotFound | Internal) or on_time
            assert type(error.__cause__ or error) in self._kinds_for(visit.name)

    def _kinds_for(self, name: JobName) -> set[type]:
        """Say what may be heard about a job: what was said of it, and limits of its key."""
        own = {type(said) for said in self._said[name]}
        key = {type(said) for one in NAMES if one.key == name.key for said in self._said[one]}
        return own | (key & {RateLimited})

    def teardown(self) -> None:
        with self._runner:
            for job in self._jobs.values():
                job.says = "completed"
                job.answers.set()
            for said in self._said.values():
                said.add("completed")
            for visit in self._visits:
                visit.told.hears.set()
            self.pass_by(LONGEST_SILENCE_SECONDS)
        assert all(visit.waiting.done() for visit in self._visits)


def test_whatever_happens_in_whatever_order_nobody_is_lost_and_nothing_is_left() -> None:
    limits = settings(max_examples=50, stateful_step_count=40, deadline=None)
    run_state_machine_as_test(Visits, settings=limits)
