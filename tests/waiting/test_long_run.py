"""Thousands of jobs, and whatever may happen in whatever order."""

import asyncio
import gc
import itertools
import math
from collections.abc import Mapping

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    rule,
    run_state_machine_as_test,
)

from luma_mcp.callbacks import Callbacks
from luma_mcp.errors import Internal, NotFound, RateLimited, Unavailable
from luma_mcp.luma.jobs import Job
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.sealing import Sealer
from luma_mcp.waiting import CallSign, JobName, WaitingRoom
from luma_mcp.watching import Pace
from tests.clocks import HastyClock, LookedAt, WaitingClock
from tests.waiting.room import (
    ID,
    QUEUED,
    Told,
    Waiting,
    called_back,
    is_empty,
)

ENDS = [
    Job(api="dream_machine", id=ID, state="failed"),
    NotFound("No."),
    ZeroDivisionError(),
    RateLimited("No."),
]


async def live_through(room: WaitingRoom, number: int) -> None:
    """Wait for one job: to its end, to an error, to a time-out, or until its waiter leaves."""
    answers = [ENDS[number % 4], QUEUED]

    async def look() -> Job:
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

    def sign(_job: Job) -> CallSign:
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
        known = (
            Job(api="dream_machine", state="queued", callback_url=job.callback_url)
            if knows
            else None
        )
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
            assert job.callback_url == self._jobs[visit.name].callback_url
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
