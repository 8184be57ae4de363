"""The clock that jobs age by: the machine's own, or one that a test turns."""

import asyncio
import heapq
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the sandbox asks of a clock."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return once so many seconds of this clock have passed."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Return once so many seconds have passed."""
        await asyncio.sleep(max(0.0, seconds))


@dataclass(order=True)
class _Sleeper:
    due: datetime
    number: int
    alarm: asyncio.Event = field(compare=False, default_factory=asyncio.Event)


class TurnedClock:
    """A clock that stands still until it is advanced, by code on the sandbox's event loop."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._sleepers: list[_Sleeper] = []
        self._slept = 0
        self._arrivals = asyncio.Condition()

    def now(self) -> datetime:
        """The present moment, in UTC."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move time on and wake every sleeper whose moment has come, the earliest first."""
        self._now += timedelta(seconds=seconds)
        while self._sleepers and self._sleepers[0].due <= self._now:
            heapq.heappop(self._sleepers).alarm.set()

    async def sleep(self, seconds: float) -> None:
        """Return once the clock has been advanced by so many seconds."""
        due = self._now + timedelta(seconds=seconds)
        if due <= self._now:
            await asyncio.sleep(0)
            return
        self._slept += 1
        sleeper = _Sleeper(due, self._slept)
        heapq.heappush(self._sleepers, sleeper)
        try:
            async with self._arrivals:
                self._arrivals.notify_all()
            await sleeper.alarm.wait()
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)

    async def wait_for_sleepers(self, count: int = 1) -> None:
        """Return once at least so many tasks sleep, so that advancing will find them."""
        async with self._arrivals:
            await self._arrivals.wait_for(lambda: len(self._sleepers) >= count)
