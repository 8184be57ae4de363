"""Time for tests of waiting: clocks that are turned or in haste, and a job to look at."""

import asyncio
import heapq

from luma_mcp.luma.jobs import Job
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.watching import Pace

# Far more steps than the longest chain of wake-ups in waiting has.
STEPS = 30


async def settle() -> None:
    """Let everybody who is awake go on until all sleep."""
    for _ in range(STEPS):
        await asyncio.sleep(0)


class HastyClock:
    """A clock that jumps to the next moment for which anybody sleeps, after so many steps.

    With more `sleepers` than one it waits until so many sleep: with two, who waits and the watch,
    it does not move during a look.
    """

    def __init__(self, steps: int = 1, sleepers: int = 1) -> None:
        self._steps = steps
        self._sleepers = sleepers
        self._time = 0.0
        self._dues: list[float] = []

    def time(self) -> float:
        return self._time

    async def sleep(self, seconds: float) -> None:
        due = self._time + seconds
        self._dues.append(due)
        try:
            while self._time < due:
                for _ in range(self._steps):
                    await asyncio.sleep(0)
                if len(self._dues) >= self._sleepers:
                    self._time = max(self._time, min(self._dues))
        finally:
            self._dues.remove(due)


class WaitingClock:
    """The turned clock as waiting sees it."""

    def __init__(self, clock: TurnedClock) -> None:
        self._clock = clock
        self._start = self.time()
        self._dues: list[float] = []

    def time(self) -> float:
        return self._clock.now().timestamp()

    async def sleep(self, seconds: float) -> None:
        heapq.heappush(self._dues, self.time() + seconds)
        await self._clock.sleep(seconds)

    @property
    def seconds(self) -> float:
        """How many seconds have passed."""
        return self.time() - self._start

    async def pass_by(self, seconds: float) -> None:
        """Let so many seconds pass, with a stop at each moment at which somebody wakes."""
        end = self.time() + seconds
        await settle()
        while self._dues and self._dues[0] <= end:
            self._clock.advance(max(0.0, heapq.heappop(self._dues) - self.time()))
            await settle()
        self._clock.advance(end - self.time())
        await settle()


def pace_of(clock: TurnedClock) -> Pace:
    """Wait by a turned clock, to the second."""
    return Pace(WaitingClock(clock), spread=lambda: 0.0)


class LookedAt:
    """A job at Luma, and at which seconds it was looked at.

    Attributes:
        says: Its state, or what goes wrong with looking.
        callback_url: Whom Luma tells about it.
        looks: When each look began.
        looking: How many looks are under way, and `most` at once.
        answers: While it is not set, looks stay under way.
    """

    def __init__(self, clock: WaitingClock, says: str | Exception = "queued") -> None:
        self._clock = clock
        self.says = says
        self.callback_url: str | None = None
        self.looks: list[float] = []
        self.looking = self.most = 0
        self.answers = asyncio.Event()
        self.answers.set()

    @property
    def generation(self) -> Job:
        """The job as Luma would describe it now."""
        if isinstance(self.says, Exception):
            raise self.says.with_traceback(None)
        return Job(
            api="dream_machine",
            id="5c0e1a3a-8f5e-4d1c-9a53-0d7f5b1e2a11",
            state=self.says,
            callback_url=self.callback_url,
        )

    async def look(self) -> Job:
        """Look once."""
        self.looks.append(self._clock.seconds)
        self.looking += 1
        self.most = max(self.most, self.looking)
        try:
            await self.answers.wait()
            return self.generation
        finally:
            self.looking -= 1
