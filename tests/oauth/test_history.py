"""What became of sign-ins: steps are taken once, save by a client whose answer was lost."""

import asyncio

import pytest

from luma_mcp.ledger import MemoryLedger
from luma_mcp.oauth.history import AGAIN_SECONDS, REFRESH_SECONDS, History


class Clock:
    """Both clocks of a sign-in, turned by hand."""

    def __init__(self) -> None:
        self.seconds = 1_795_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def history(clock: Clock) -> History:
    return History(MemoryLedger(now=clock), clock)


async def test_a_code_is_taken_once_however_fast_it_comes_back(history: History) -> None:
    assert await history.take("one", 1)
    assert not await history.has_ended("one")
    assert not await history.take("one", 1)
    assert await history.has_ended("one")
    assert await history.take("other", 1)


async def test_a_token_may_come_back_while_its_answer_may_have_been_lost(
    history: History, clock: Clock
) -> None:
    assert await history.take("one", 1)
    assert await history.take("one", 2)
    clock.seconds += AGAIN_SECONDS - 1
    assert await history.take("one", 2)
    assert not await history.has_ended("one")
    clock.seconds += 1  # counted from the first time, not from the last
    assert not await history.take("one", 2)
    assert await history.has_ended("one")
    assert not await history.take("one", 3)


async def test_a_token_that_was_followed_by_two_ends_the_sign_in_at_once(history: History) -> None:
    assert [await history.take("one", step) for step in (1, 2, 3, 4)] == [True] * 4
    assert not await history.take("one", 3)
    assert await history.has_ended("one")


async def test_a_code_that_comes_back_after_tokens_ends_them(history: History) -> None:
    assert await history.take("one", 1)
    assert await history.take("one", 2)
    assert not await history.take("one", 1)
    assert await history.has_ended("one")


async def test_nothing_follows_an_end_as_long_as_a_token_may_last(
    history: History, clock: Clock
) -> None:
    await history.take("one", 1)
    await history.end("one")
    clock.seconds += REFRESH_SECONDS - 1
    assert not await history.take("one", 2)
    assert await history.has_ended("one")


async def test_one_may_end_before_it_began(history: History) -> None:
    await history.end("one")
    assert not await history.take("one", 1)


async def test_many_at_once_take_a_step_or_none_does(history: History) -> None:
    await history.take("one", 1)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(history.take("one", 2)) for _ in range(20)]
    assert all(task.result() for task in tasks)


async def test_steps_of_years_stay_below_the_end(history: History, clock: Clock) -> None:
    clock.seconds = 2.0**33 - 2  # the year 2242
    assert await history.take("one", 700_000)
    assert await history.take("one", 700_001)
    assert not await history.has_ended("one")


async def test_a_clock_that_goes_back_ends_nothing(history: History, clock: Clock) -> None:
    assert await history.take("one", 1)
    clock.seconds -= 10
    assert await history.take("one", 2)
    clock.seconds -= 10
    assert await history.take("one", 2)
