"""What processes of one server remember: in memory, and together in a real Redis."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import pytest
from redis.asyncio import Redis

from luma_mcp.engine import Engine
from luma_mcp.ledger import Ledger, MemoryLedger, RedisLedger, ledger_in
from luma_mcp.sandbox.clock import TurnedClock
from tests.engines import connected, let_pass, redis_server

ODD_NAMES = [
    "",
    " ",
    "two words",
    "a\r\nFLUSHALL\r\n",
    "\0",
    "é🎬",
    "\ud800",
    "a" * 10_000,
    "2001:db8::1",
]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Remembering:
    """A ledger, and how time passes for it."""

    ledger: Ledger
    pass_by: Callable[[float], Awaitable[None]]


@asynccontextmanager
async def in_memory() -> AsyncGenerator[Remembering]:
    clock = TurnedClock()

    async def pass_by(seconds: float) -> None:
        clock.advance(seconds)

    yield Remembering(MemoryLedger(now=lambda: clock.now().timestamp()), pass_by)


@asynccontextmanager
async def in_redis() -> AsyncGenerator[Remembering]:
    async with redis_server() as url, connected(url) as engine, Redis.from_url(url) as redis:
        yield Remembering(RedisLedger(engine), lambda seconds: let_pass(redis, seconds))


@pytest.fixture(params=[in_memory, in_redis])
async def remembering(request: pytest.FixtureRequest) -> AsyncIterator[Remembering]:
    async with request.param() as remembering:
        yield remembering


@pytest.fixture
def ledger(remembering: Remembering) -> Ledger:
    return remembering.ledger


@pytest.fixture
async def engine_url() -> AsyncIterator[str]:
    async with redis_server() as url:
        yield url


async def at_once(times: int, call: Callable[[int], Awaitable[Result]]) -> list[Result]:
    async def one(number: int) -> Result:
        return await call(number)

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one(number)) for number in range(times)]
    return [task.result() for task in running]


async def test_only_a_higher_number_is_noted(ledger: Ledger) -> None:
    assert await ledger.highest("a") is None
    told = [await ledger.advance("a", number, 60) for number in (3, 3, 2, 4, 10, 9)]
    assert told == [True, False, False, True, True, False]
    assert await ledger.highest("a") == 10
    assert await ledger.highest("b") is None


@pytest.mark.parametrize("first", [0, -1])
async def test_a_number_need_not_be_positive(ledger: Ledger, first: int) -> None:
    assert await ledger.advance("a", first, 60)
    assert await ledger.highest("a") == first
    assert not await ledger.advance("a", first, 60)


async def test_large_numbers_are_told_apart(ledger: Ledger) -> None:
    told = [await ledger.advance("a", number, 60) for number in (2**53 - 1, 2**53, 2**53 - 1)]
    assert told == [True, True, False]
    assert await ledger.highest("a") == 2**53


async def test_a_number_is_remembered_anew_from_each_success(remembering: Remembering) -> None:
    ledger = remembering.ledger
    await ledger.advance("a", 1, 60)
    await remembering.pass_by(50)
    assert await ledger.advance("a", 2, 60)
    await remembering.pass_by(50)
    assert await ledger.highest("a") == 2


async def test_a_refused_number_does_not_lengthen_the_memory(remembering: Remembering) -> None:
    ledger = remembering.ledger
    await ledger.advance("a", 2, 60)
    await remembering.pass_by(50)
    assert not await ledger.advance("a", 1, 60)
    await remembering.pass_by(10)
    assert await ledger.highest("a") is None
    assert await ledger.advance("a", 1, 60)


async def test_of_many_at_once_one_alone_advances(ledger: Ledger) -> None:
    told = await at_once(200, lambda _: ledger.advance("a", 1, 60))
    assert sorted(told) == [False] * 199 + [True]


async def test_whatever_order_numbers_come_in_the_highest_stays(ledger: Ledger) -> None:
    await at_once(200, lambda number: ledger.advance("a", number * 37 % 200, 60))
    assert await ledger.highest("a") == 199


async def test_the_first_text_is_kept(ledger: Ledger) -> None:
    assert await ledger.recall("a") is None
    assert [await ledger.keep("a", text, 60) for text in ("é", "2")] == [None, "é"]
    assert await ledger.recall("a") == "é"
    assert await ledger.keep("b", "2", 60) is None


async def test_of_many_at_once_one_alone_keeps_its_text(ledger: Ledger) -> None:
    found = await at_once(200, lambda number: ledger.keep("a", str(number), 60))
    kept = await ledger.recall("a")
    assert sorted(found, key=str) == sorted([None, *[kept] * 199], key=str)


async def test_a_text_is_kept_for_its_time(remembering: Remembering) -> None:
    ledger = remembering.ledger
    await ledger.keep("a", "1", 60)
    await remembering.pass_by(50)
    await ledger.keep("a", "2", 60)  # does not lengthen it
    await remembering.pass_by(10)
    assert await ledger.recall("a") is None
    assert await ledger.keep("a", "3", 60) is None


async def test_a_text_is_replaced_by_who_knows_it(remembering: Remembering) -> None:
    ledger = remembering.ledger
    assert not await ledger.replace("a", "1", "2", 60)
    await ledger.keep("a", "1", 60)
    assert not await ledger.replace("a", "2", "3", 60)
    assert await ledger.replace("a", "1", "2", 600)
    await remembering.pass_by(100)
    assert await ledger.recall("a") == "2"


async def test_of_many_at_once_one_alone_replaces_a_text(ledger: Ledger) -> None:
    await ledger.keep("a", "old", 60)
    told = await at_once(200, lambda number: ledger.replace("a", "old", str(number), 60))
    assert await ledger.recall("a") == str(told.index(True))
    assert sum(told) == 1


async def test_a_text_is_forgotten_by_who_knows_it(ledger: Ledger) -> None:
    await ledger.keep("a", "1", 60)
    assert not await ledger.forget("a", "2")
    assert await ledger.forget("a", "1")
    assert not await ledger.forget("a", "1")
    assert await ledger.recall("a") is None


async def test_a_sum_grows_up_to_its_bound(ledger: Ledger) -> None:
    assert await ledger.spent("a") == 0
    told = [await ledger.spend("a", amount, 10, 60) for amount in (6, 5, 4, 1, 0)]
    assert told == [True, False, True, False, True]
    assert await ledger.spent("a") == 10
    assert await ledger.spend("a", 10, 20, 60)
    assert not await ledger.spend("b", 11, 10, 60)
    assert await ledger.spent("b") == 0


async def test_of_many_at_once_no_more_is_spent_than_the_bound(ledger: Ledger) -> None:
    told = await at_once(200, lambda _: ledger.spend("a", 3, 100, 60))
    assert sum(told) == 33
    assert await ledger.spent("a") == 99


async def test_a_sum_is_remembered_from_its_first_amount_on(remembering: Remembering) -> None:
    ledger = remembering.ledger
    await ledger.spend("a", 1, 10, 60)
    await remembering.pass_by(50)
    await ledger.spend("a", 1, 10, 60)
    await ledger.give_back("a", 1)
    assert await ledger.spent("a") == 1
    await remembering.pass_by(10)
    assert await ledger.spent("a") == 0


async def test_what_is_given_back_can_be_spent_again(remembering: Remembering) -> None:
    ledger = remembering.ledger
    await ledger.give_back("a", 5)
    assert await ledger.spent("a") == 0
    assert not await ledger.spend("a", 11, 10, 60)
    assert await ledger.spend("a", 10, 10, 60)
    await ledger.give_back("a", 4)
    assert [await ledger.spend("a", amount, 10, 60) for amount in (5, 4)] == [False, True]
    await remembering.pass_by(60)
    await ledger.give_back("a", 10)  # belongs to what is forgotten
    assert await ledger.spent("a") == 0


async def test_a_sum_that_was_all_given_back_takes_no_room() -> None:
    memory = MemoryLedger(max_names=1)
    assert await memory.spend("a", 5, 10, 60)
    await memory.give_back("a", 5)
    async with redis_server() as url, connected(url) as engine, Redis.from_url(url) as redis:
        shared = RedisLedger(engine)
        for number in range(3):
            await shared.spend(str(number), 5, 10, 60)
            await shared.give_back(str(number), 5)
        assert await redis.keys() == []
    assert memory._sums.currsize == 0  # noqa: SLF001 - nobody else can see it


async def test_a_sum_that_was_forgotten_is_not_given_back(remembering: Remembering) -> None:
    ledger = remembering.ledger
    await ledger.spend("a", 5, 10, 60)
    await remembering.pass_by(60)
    await ledger.give_back("a", 5)
    assert await ledger.spent("a") == 0


async def test_what_is_of_one_name_but_not_of_one_kind_is_apart(ledger: Ledger) -> None:
    await ledger.advance("a", 7, 60)
    assert await ledger.keep("a", "text", 60) is None
    assert await ledger.spend("a", 5, 10, 60)
    assert (await ledger.highest("a"), await ledger.recall("a"), await ledger.spent("a")) == (
        7,
        "text",
        5,
    )


async def test_a_name_may_be_any_text(ledger: Ledger) -> None:
    for number, name in enumerate(ODD_NAMES):
        assert await ledger.advance(name, number, 60)
        assert await ledger.keep(name, str(number), 60) is None
        assert await ledger.spend(name, number, 100, 60)
    assert [await ledger.highest(name) for name in ODD_NAMES] == [*range(len(ODD_NAMES))]
    assert [await ledger.spent(name) for name in ODD_NAMES] == [*range(len(ODD_NAMES))]


async def test_beyond_the_bound_the_name_longest_unused_is_forgotten() -> None:
    ledger = MemoryLedger(max_names=3)
    for name in ("a", "b", "c", "a", "d"):
        await ledger.spend(name, 1, 10, 60)
        await ledger.advance(name, 1, 60)
        await ledger.keep(name, name, 60)
    assert [await ledger.highest(name) for name in "abcd"] == [1, None, 1, 1]
    assert [await ledger.recall(name) for name in "abcd"] == ["a", None, "c", "d"]
    assert [await ledger.spent(name) for name in "abcd"] == [2, 0, 1, 1]


async def test_a_flood_of_one_kind_makes_nothing_of_another_forgotten() -> None:
    ledger = MemoryLedger(max_names=3)
    await ledger.advance("a", 1, 60)
    await ledger.spend("a", 1, 10, 60)
    for number in range(10):
        await ledger.keep(str(number), "", 60)
    assert (await ledger.highest("a"), await ledger.spent("a")) == (1, 1)


async def test_what_is_forgotten_makes_room() -> None:
    clock = TurnedClock()
    ledger = MemoryLedger(max_names=2, now=lambda: clock.now().timestamp())
    await ledger.keep("long", "1", 600)
    await ledger.keep("short", "2", 60)
    clock.advance(60)
    await ledger.keep("new", "3", 60)
    assert await ledger.recall("long") == "1"


async def test_without_an_engine_memory_is_what_there_is(engine_url: str) -> None:
    assert isinstance(ledger_in(None), MemoryLedger)
    async with connected(engine_url) as engine:
        assert isinstance(ledger_in(engine), RedisLedger)


async def test_two_processes_remember_together(engine_url: str) -> None:
    async with connected(engine_url) as one, connected(engine_url) as other:
        ledgers = (RedisLedger(one), RedisLedger(other))
        told = await at_once(200, lambda number: ledgers[number % 2].advance("a", 1, 60))
        spent = await at_once(200, lambda number: ledgers[number % 2].spend("a", 1, 50, 60))
        assert (sum(told), sum(spent)) == (1, 50)
        assert [await ledger.keep("a", "x", 60) for ledger in ledgers] == [None, "x"]


async def test_names_are_not_to_be_read_there_and_everything_ends(engine_url: str) -> None:
    name = "203.0.113.7"
    async with connected(engine_url) as engine, Redis.from_url(engine_url) as redis:
        ledger = RedisLedger(engine)
        await ledger.spend(name, 1, 10, 60)
        await ledger.advance(name, 5, 600)
        await ledger.keep(name, "text", 60)
        await ledger.replace(name, "text", "other", 6_000)
        kept = {key: await redis.get(key) for key in await redis.keys()}
        assert sorted(kept.values()) == [b"1", b"5", b"other"]
        assert all(key.startswith(b"luma-mcp:") for key in kept)
        assert all(name.encode() not in key for key in kept)
        left = sorted([await redis.pttl(key) for key in kept])
        assert 0 < left[0] <= 60_000 < left[1] <= 600_000 < left[2] <= 6_000_000


async def test_a_restarted_engine_is_taken_as_new(engine_url: str) -> None:
    """It has lost the scripts."""
    async with connected(engine_url) as engine, Redis.from_url(engine_url) as redis:
        ledger = RedisLedger(engine)
        assert await ledger.advance("a", 1, 60)
        await redis.flushall()
        await redis.script_flush()
        assert await ledger.advance("a", 1, 60)


async def _told_by(engine: Engine) -> list[bool]:
    ledger = RedisLedger(engine)
    return await at_once(50, lambda _: ledger.advance("a", 1, 60))


async def test_a_ledger_outlives_connections_that_were_closed(engine_url: str) -> None:
    async with connected(engine_url) as engine, Redis.from_url(engine_url) as redis:
        assert sum(await _told_by(engine)) == 1
        await redis.client_kill_filter(_type="normal", skipme=True)
        assert sum(await _told_by(engine)) == 0
