"""One job under watch: a loop that asks Luma how it stands, for everybody who wants to know."""

import asyncio
import copy
import math
import random
import time
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from luma_mcp.errors import BadResponse, Internal, LumaMcpError, RateLimited, let_go

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 5.0
GROWTH = 1.5
LONGEST_PAUSE_IN_TROUBLE_SECONDS = 30.0
GROWTH_IN_TROUBLE = 2.0


class Followed(Protocol):
    """What a watch needs to know of a job."""

    @property
    def state(self) -> str | None:
        """Luma's word for how it stands."""
        ...

    @property
    def is_final(self) -> bool:
        """Whether the state will not change any more."""
        ...


Job = TypeVar("Job", bound=Followed)
Look = Callable[[], Coroutine[Any, Any, Job]]
Result = TypeVar("Result")


class Clock(Protocol):
    """What pauses and time-outs are measured by."""

    def time(self) -> float:
        """Seconds since some moment; they never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return once so many seconds have passed."""
        ...


class MonotonicClock:
    """The machine's own clock."""

    def time(self) -> float:
        """Seconds since some moment; they never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return once so many seconds have passed."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True)
class Pace:
    """By what watches measure time, and how they keep from asking in step.

    `spread` gives a number from 0 to 1.
    """

    clock: Clock = field(default_factory=MonotonicClock)
    spread: Callable[[], float] = random.random

    async def until(self, moment: float, signal: asyncio.Future[Any]) -> None:
        """Return at this moment of the clock, or as soon as the signal is given."""
        alarm = asyncio.ensure_future(self.clock.sleep(moment - self.clock.time()))
        try:
            await asyncio.wait({alarm, signal}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError as cancelled:
            # From Python 3.14 on a frame of asyncio's holds the task, which holds the error: with
            # all that its frames know, keys among it, they would stay until garbage is collected.
            raise cancelled.with_traceback(None)  # noqa: B904 - the same error
        finally:
            alarm.cancel()

    async def within(self, moment: float, work: Coroutine[Any, Any, Result]) -> Result | None:
        """Do some work, but not beyond this moment of the clock; gives None if it took too long."""
        task = asyncio.create_task(work)
        try:
            await self.until(moment, task)
            return task.result() if task.done() else None
        finally:
            task.cancel()
            task.add_done_callback(_hear_out)


class Quiet:
    """Until when Luma wants to hear nothing from one key, as its 429s and Retry-After say."""

    def __init__(self) -> None:
        self.until = -math.inf

    def refusal(self, now: float) -> RateLimited | None:
        """Give the error that says for how long Luma is not asked, if it is not."""
        if now >= self.until:
            return None
        return RateLimited(
            "Luma takes no more requests from this key just now.",
            retry_after_seconds=self.until - now,
        )

    def ask(self, until: float) -> None:
        """Keep quiet until this moment, or longer if that was asked for before."""
        self.until = max(self.until, until)


class Watch(Generic[Job]):
    """A job and the loop that looks after it.

    Attributes:
        job: Its newest state; None before any is known.
        error: Why no more can be learnt about it, once that is so.
        trouble: The last error, if it is one that may pass.
        news: Done at the next change; another takes its place then.
    """

    def __init__(self, look: Look[Job], known: Job | None, pace: Pace, quiet: Quiet) -> None:
        self.job = known
        self.error: LumaMcpError | None = None
        self.trouble: LumaMcpError | None = None
        self.news = _signal()
        self._look = look
        self._pace = pace
        self._quiet = quiet
        self._bell = _signal()
        self._hears_bell = True
        self._is_ended = False
        first_pause = 0.0 if known is None else FIRST_PAUSE_SECONDS
        # In a context of its own, so that it keeps nothing of the request that started it.
        self._loop = asyncio.create_task(self._follow(first_pause), context=Context())

    @property
    def is_over(self) -> bool:
        """Whether there will be no more news."""
        return self.error is not None or (self.job is not None and self.job.is_final)

    def announce(self) -> None:
        """Wake everybody who waits for news."""
        told, self.news = self.news, _signal()
        told.set_result(None)

    def tell(self, job: Job) -> None:
        """Take in the newest state, and announce it if it is another."""
        changed = self.job is None or job.state != self.job.state
        self.job, self.trouble = job, None
        if changed:
            self._hears_bell = True
            self.announce()

    def ring(self) -> None:
        """Ask for a look before its time.

        Until the next change of state further rings do nothing: whoever rings without need causes
        one look too many at most.
        """
        if self._hears_bell and not self._bell.done():
            self._hears_bell = False
            self._bell.set_result(None)

    def end(self) -> None:
        """Look no more."""
        self._is_ended = True
        self._loop.cancel()

    async def _follow(self, pause: float) -> None:
        try:
            while not self.is_over:
                await self._rest(pause)
                pause = await self._look_once(pause)
        except asyncio.CancelledError as end:
            # Not raised again: the task would keep it, and with it the caller's key.
            if not self._is_ended:
                self._give_up(_fault(end))

    async def _look_once(self, pause: float) -> float:
        """Look at the job, after this pause; gives the next one."""
        try:
            self.tell(await self._look())
        except LumaMcpError as error:
            # What is kept of it has no traceback, and so no frames with the caller's key.
            let_go(error)
            return self._bear(copy.copy(error), pause)
        except Exception as fault:  # noqa: BLE001 - whoever waits has to hear of it
            self._give_up(_fault(fault))
        return min(max(pause * GROWTH, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)

    async def _rest(self, seconds: float) -> None:
        """Pause until the next look is due, the bell rings, and Luma wants no quiet any more."""
        clock, late = self._pace.clock, self._pace.spread()
        due = clock.time() + seconds * (1 - late / 4)
        while clock.time() < (moment := max(due, self._quiet.until + late)):
            await self._pace.until(moment, self._bell)
            if self._bell.done():
                self._bell, due = _signal(), clock.time()

    def _bear(self, error: LumaMcpError, pause: float) -> float:
        """Ride out an error that may pass; gives the next pause."""
        # A garbled answer says nothing about the job, and asking again costs nothing.
        if not error.retryable and not isinstance(error, BadResponse):
            self._give_up(error)
            return pause
        self.trouble = error
        pause = max(pause * GROWTH_IN_TROUBLE, FIRST_PAUSE_SECONDS)
        pause = min(pause, LONGEST_PAUSE_IN_TROUBLE_SECONDS)
        if isinstance(error, RateLimited) or error.retry_after_seconds:
            self._quiet.ask(self._pace.clock.time() + (error.retry_after_seconds or pause))
        return pause

    def _give_up(self, error: LumaMcpError) -> None:
        self.error = error
        self.announce()


def _fault(cause: BaseException) -> Internal:
    error = Internal("This server has a fault; the job itself is not touched by it.")
    error.__cause__ = cause
    return error


def _hear_out(task: asyncio.Task[Any]) -> None:
    """Take a failure that came too late for anybody, so that asyncio does not complain of it."""
    if not task.cancelled():
        task.exception()


def _signal() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()
