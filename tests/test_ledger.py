"""What processes of one server remember: in memory, and together in a real Redis."""

import asyncio
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from luma_mcp.errors import Unavailable
from luma_mcp.ledger import MAX_CONNECTIONS, Ledger, MemoryLedger, RedisLedger, open_ledger
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.settings import SettingError
from tests.e2e.processes import finished
from tests.engines import redis_server
from tests.servers import misbehaving

PASSWORD = "not-for-anybody"
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


@dataclass(frozen=True)
class Remembering:
    """A ledger, and how time passes for it."""

    ledger: Ledger
    pass_by: Callable[[float], Awaitable[None]]


@asynccontextmanager
async def redis_ledger(url: str, seconds: float = 10) -> AsyncGenerator[RedisLedger]:
    ledger = RedisLedger(url, timeout_seconds=seconds)
    try:
        yield ledger
    finally:
        await ledger.close()


async def let_pass(engine: Redis, seconds: float) -> None:
    """Shorten what each key has left to live; one that lives for ever goes on to."""
    for key in await engine.keys():
        left = await engine.pttl(key)
        if left >= 0:
            await engine.pexpire(key, int(left - seconds * 1000))


@asynccontextmanager
async def in_memory() -> AsyncGenerator[Remembering]:
    clock = TurnedClock()

    async def pass_by(seconds: float) -> None:
        clock.advance(seconds)

    yield Remembering(MemoryLedger(now=lambda: clock.now().timestamp()), pass_by)


@asynccontextmanager
async def in_redis() -> AsyncGenerator[Remembering]:
    async with redis_server() as url, redis_ledger(url) as ledger, Redis.from_url(url) as engine:
        yield Remembering(ledger, lambda seconds: let_pass(engine, seconds))


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


async def at_once(times: int, call: Callable[[int], Awaitable[int]]) -> list[int]:
    async def one(number: int) -> int:
        return await call(number)

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one(number)) for number in range(times)]
    return [task.result() for task in running]


async def errors_of(ledger: Ledger) -> list[Unavailable]:
    """Try each operation, all of which fail."""
    calls = (
        lambda: ledger.count("a", 60),
        lambda: ledger.seconds_left("a"),
        lambda: ledger.advance("a", 1, 60),
        lambda: ledger.highest("a"),
    )
    errors = []
    for call in calls:
        with pytest.raises(Unavailable) as caught:
            await call()
        errors.append(caught.value)
    return errors


def assert_plain(error: Unavailable, host: str) -> None:
    """Nobody reads where the engine is, and not even the log how to get in."""
    assert error.retryable
    assert host not in str(error.fields("id"))
    assert PASSWORD not in str(error.fields("id"))
    assert PASSWORD not in "".join(traceback.format_exception(error))


@dataclass
class Engine:
    """What only looks like an engine.

    Attributes:
        answers: What it says to whoever says something, before it hangs up; None for nothing ever.
        visits: How often somebody connected.
        heard: The first that it was told.
    """

    answers: bytes | None = None
    visits: int = 0
    heard: bytes = b""

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        self.heard = await reader.read(1000)
        if self.answers is None:
            await reader.read()
        else:
            writer.write(self.answers)
        writer.close()


@asynccontextmanager
async def ledger_at(
    engine: Engine, scheme: str = "redis", seconds: float = 10
) -> AsyncGenerator[RedisLedger]:
    async with misbehaving(engine.converse) as url:
        host = url.removeprefix("http://")
        async with redis_ledger(f"{scheme}://:{PASSWORD}@{host}", seconds) as ledger:
            yield ledger


async def test_a_count_tells_how_often_each_name_came(ledger: Ledger) -> None:
    assert [await ledger.count("a", 60) for _ in range(3)] == [1, 2, 3]
    assert await ledger.count("b", 60) == 1


async def test_the_window_of_a_count_begins_with_the_first_time(remembering: Remembering) -> None:
    ledger = remembering.ledger
    await ledger.count("a", 60)
    await remembering.pass_by(50)
    assert await ledger.count("a", 60) == 2
    assert 0 < await ledger.seconds_left("a") <= 10
    await remembering.pass_by(10)
    assert await ledger.seconds_left("a") == 0
    assert await ledger.count("a", 60) == 1
    assert 50 < await ledger.seconds_left("a") <= 60


async def test_a_name_that_nobody_counted_has_no_window(ledger: Ledger) -> None:
    assert await ledger.seconds_left("a") == 0


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


async def test_of_many_at_once_each_is_counted(ledger: Ledger) -> None:
    counted = await at_once(200, lambda _: ledger.count("a", 60))
    assert sorted(counted) == list(range(1, 201))


async def test_whatever_order_numbers_come_in_the_highest_stays(ledger: Ledger) -> None:
    await at_once(200, lambda number: ledger.advance("a", number * 37 % 200, 60))
    assert await ledger.highest("a") == 199


async def test_counts_and_numbers_of_one_name_are_apart(ledger: Ledger) -> None:
    await ledger.advance("a", 7, 60)
    assert await ledger.count("a", 60) == 1
    assert await ledger.highest("a") == 7
    assert not await ledger.advance("a", 2, 60)


async def test_a_name_may_be_any_text(ledger: Ledger) -> None:
    for number, name in enumerate(ODD_NAMES):
        assert await ledger.count(name, 60) == 1
        assert await ledger.advance(name, number, 60)
    assert [await ledger.highest(name) for name in ODD_NAMES] == [*range(len(ODD_NAMES))]


async def test_closing_lets_go_of_what_was_open(ledger: Ledger) -> None:
    await ledger.count("a", 60)
    await ledger.close()  # a connection left open would warn, which fails the suite
    await ledger.close()


async def test_beyond_the_bound_the_name_longest_unused_is_forgotten() -> None:
    ledger = MemoryLedger(max_names=3)
    for name in ("a", "b", "c", "a", "d"):
        await ledger.count(name, 60)
        await ledger.advance(name, 1, 60)
    assert [await ledger.highest(name) for name in "abcd"] == [1, None, 1, 1]
    assert [await ledger.count(name, 60) for name in "adcb"] == [3, 2, 2, 1]


async def test_a_flood_of_counts_makes_no_number_forgotten() -> None:
    ledger = MemoryLedger(max_names=3)
    await ledger.advance("a", 1, 60)
    for number in range(10):
        await ledger.count(str(number), 60)
    assert await ledger.highest("a") == 1


async def test_what_is_forgotten_makes_room() -> None:
    clock = TurnedClock()
    ledger = MemoryLedger(max_names=2, now=lambda: clock.now().timestamp())
    await ledger.count("long", 600)
    await ledger.count("short", 60)
    clock.advance(60)
    await ledger.count("new", 60)
    assert await ledger.count("long", 600) == 2


async def test_without_an_address_memory_is_what_there_is() -> None:
    assert isinstance(open_ledger(None), MemoryLedger)


async def test_two_processes_remember_together(engine_url: str) -> None:
    async with redis_ledger(engine_url) as one, redis_ledger(engine_url) as other:
        ledgers = (one, other)
        told = await at_once(200, lambda number: ledgers[number % 2].advance("a", 1, 60))
        assert sum(told) == 1
        assert [await ledger.count("a", 60) for ledger in ledgers] == [1, 2]
        assert await other.highest("a") == 1


async def test_names_are_not_to_be_read_there_and_everything_ends(engine_url: str) -> None:
    name = "203.0.113.7"
    async with redis_ledger(engine_url) as ledger, Redis.from_url(engine_url) as engine:
        await ledger.count(name, 60)
        await ledger.advance(name, 5, 600)
        kept = {key: await engine.get(key) for key in await engine.keys()}
        assert sorted(kept.values()) == [b"1", b"5"]
        assert all(key.startswith(b"luma-mcp:") for key in kept)
        assert all(name.encode() not in key for key in kept)
        left = sorted([await engine.pttl(key) for key in kept])
        assert 0 < left[0] <= 60_000 < left[1] <= 600_000


async def test_no_count_is_written_without_its_end(engine_url: str) -> None:
    async with redis_ledger(engine_url) as ledger, Redis.from_url(engine_url) as engine:
        await ledger.count("a", 60)
        commands = await engine.info("commandstats")
    assert commands["cmdstat_exec"]["calls"] == commands["cmdstat_incrby"]["calls"] == 1


async def test_many_callers_share_few_connections(engine_url: str) -> None:
    async with redis_ledger(engine_url) as ledger, Redis.from_url(engine_url) as engine:
        await at_once(200, lambda _: ledger.count("a", 60))
        clients = await engine.client_list()
    assert len(clients) <= MAX_CONNECTIONS + 1


async def test_a_connection_that_was_closed_meanwhile_is_replaced(engine_url: str) -> None:
    async with redis_ledger(engine_url) as ledger, Redis.from_url(engine_url) as engine:
        await at_once(200, lambda _: ledger.count("a", 60))
        await engine.client_kill_filter(_type="normal", skipme=True)
        counted = await at_once(50, lambda _: ledger.count("a", 60))
    assert sorted(counted) == list(range(201, 251))


async def test_a_restarted_engine_is_taken_as_new(engine_url: str) -> None:
    """It has lost the script that advances."""
    async with redis_ledger(engine_url) as ledger, Redis.from_url(engine_url) as engine:
        assert await ledger.advance("a", 1, 60)
        await engine.flushall()
        await engine.script_flush()
        assert await ledger.advance("a", 1, 60)


@pytest.mark.parametrize("scheme", ["redis", "valkey", "VALKEY"])
async def test_valkey_is_the_same(engine_url: str, scheme: str) -> None:
    ledger = open_ledger(engine_url.replace("redis", scheme))
    assert await ledger.count("a", 60) == 1
    await ledger.close()


async def test_a_password_opens_the_engine() -> None:
    async with redis_server("--requirepass", PASSWORD) as url:
        host = url.removeprefix("redis://")
        async with redis_ledger(f"redis://:{PASSWORD}@{host}/3") as ledger:
            assert await ledger.count("a", 60) == 1


async def test_a_wrong_password_is_told_to_nobody() -> None:
    async with redis_server("--requirepass", PASSWORD) as url:
        host = url.removeprefix("redis://")
        async with redis_ledger(f"redis://:wrong-{PASSWORD}@{host}") as ledger:
            for error in await errors_of(ledger):
                assert_plain(error, host)


async def test_an_engine_that_ended_is_unavailable() -> None:
    async with redis_server() as url:
        ledger = open_ledger(url)
        await ledger.count("a", 60)
    for error in await errors_of(ledger):
        assert_plain(error, url.removeprefix("redis://"))
    await ledger.close()


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
async def test_a_silent_engine_is_waited_for_once_and_not_long(scheme: str) -> None:
    engine = Engine()
    async with ledger_at(engine, scheme, seconds=0.01) as ledger, asyncio.timeout(4):
        errors = await errors_of(ledger)  # which redis-py alone would wait for 5 seconds each
    assert engine.visits == len(errors)


async def test_who_finds_no_connection_free_is_not_kept_for_ever() -> None:
    engine = Engine()

    async def count_failing(_number: int) -> int:
        with pytest.raises(Unavailable):
            await ledger.count("a", 60)
        return 1

    async with ledger_at(engine, seconds=0.05) as ledger:
        failed = await at_once(3 * MAX_CONNECTIONS, count_failing)
    assert sum(failed) == 3 * MAX_CONNECTIONS


@pytest.mark.parametrize(
    "answers",
    [b"", b"-LOADING the dataset\r\n", b"-WRONGPASS no\r\n", b"HTTP/1.1 400 Bad\r\n\r\n"],
)
async def test_an_engine_that_hangs_up_is_tried_twice_at_most(answers: bytes) -> None:
    engine = Engine(answers)
    async with ledger_at(engine) as ledger:
        errors = await errors_of(ledger)
    assert len(errors) <= engine.visits <= 2 * len(errors)


async def test_an_engine_that_may_not_write_is_unavailable(engine_url: str) -> None:
    async with redis_ledger(engine_url) as ledger, Redis.from_url(engine_url) as engine:
        await engine.replicaof("127.0.0.1", "1")
        with pytest.raises(Unavailable):
            await ledger.count("a", 60)
        with pytest.raises(Unavailable):
            await ledger.advance("a", 1, 60)


@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
async def test_a_scheme_that_ends_in_s_means_tls(scheme: str) -> None:
    engine = Engine(b"")
    async with ledger_at(engine, scheme) as ledger:
        await errors_of(ledger)
    assert engine.heard.startswith(b"\x16\x03")  # a handshake, RFC 8446, section 5.1
    assert PASSWORD.encode() not in engine.heard


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis",
        f"http://:{PASSWORD}@host",
        f"unix://{PASSWORD}",
        f"redis://:{PASSWORD}@host:99999",
        f"redis://:{PASSWORD}/@host:6379",
        f"redis://:{PASSWORD}#@host:6379",
        f"redis://:{PASSWORD}@[::1",
        f"redis://:{PASSWORD}@host?no_such_option=1",
        f"redis://host?socket_timeout={PASSWORD}",
        "redis://host?protocol=9",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(SettingError, match=r"^LUMA_MCP_REDIS_URL must be ") as caught:
        open_ledger(url)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


async def test_the_password_is_not_printed() -> None:
    ledger = open_ledger(f"redis://user:{PASSWORD}@host:6379")
    assert PASSWORD not in repr(ledger)


async def test_only_who_shares_needs_the_library() -> None:
    lines = (
        "import sys",
        "sys.modules['redis'] = None",
        "from luma_mcp.ledger import open_ledger",
        "open_ledger(None)",
        "open_ledger('redis://host')",
    )
    status, _, err = await finished("-c", "\n".join(lines), program=())
    assert status == 1
    assert err.splitlines()[-1] == (
        "luma_mcp.settings.SettingError: "
        'LUMA_MCP_REDIS_URL needs the Redis library: pip install "luma-mcp[redis]"'
    )
