import asyncio
from datetime import UTC, datetime, timedelta

from luma_mcp.sandbox.clock import SystemClock, TurnedClock


async def test_the_clock_of_the_machine_tells_the_time_in_utc() -> None:
    clock = SystemClock()
    before = clock.now()
    await clock.sleep(-1)
    assert before <= clock.now()
    assert before.tzinfo is UTC


async def test_a_turned_clock_stands_still_until_it_is_advanced() -> None:
    clock = TurnedClock(datetime(2026, 5, 5, tzinfo=UTC))
    assert clock.now() == clock.now()
    clock.advance(1.5)
    assert clock.now() - datetime(2026, 5, 5, tzinfo=UTC) == timedelta(seconds=1.5)


async def test_sleepers_wake_in_the_order_of_their_moments() -> None:
    clock, woken = TurnedClock(), []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async with asyncio.TaskGroup() as group:
        for seconds in (0, 3, 1, 2):
            group.create_task(sleep(seconds))
        await clock.wait_for_sleepers(3)
        clock.advance(2)
        clock.advance(1)
        assert woken == [0]
    assert woken == [0, 1, 2, 3]


async def test_a_sleeper_who_is_cancelled_leaves_no_trace() -> None:
    clock = TurnedClock()
    task = asyncio.create_task(clock.sleep(1))
    await clock.wait_for_sleepers()
    task.cancel()
    await asyncio.wait([task])
    waiting = asyncio.create_task(clock.wait_for_sleepers())
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
