"""How much one caller may ask: in memory, and together with other processes in a real Redis."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from luma_mcp.engine import Engine
from luma_mcp.errors import RateLimited
from luma_mcp.limiting import (
    LEASE_SECONDS,
    LEASES_AT_ONCE,
    RENEWAL_SECONDS,
    WINDOW_SECONDS,
    Leases,
    Limits,
    MemoryWindows,
    address_of,
)
from luma_mcp.settings import load_settings
from tests.engines import connected, let_pass, redis_server

PLACES = "luma-mcp:concurrent_*"


@dataclass
class Turned:
    """A clock in seconds."""

    time: float = 1000.0

    def __call__(self) -> float:
        return self.time


@dataclass
class Limiting:
    """Where is counted, and how time passes there."""

    pass_by: Callable[[float], Awaitable[None]]
    engine: Engine | None = None
    clock: Turned = field(default_factory=Turned)
    refused: list[str] = field(default_factory=list)

    def by(self, **most: int) -> Limits:
        return Limits(most, self.engine, self.refused.append, now=self.clock)


@asynccontextmanager
async def in_memory() -> AsyncGenerator[Limiting]:
    clock = Turned()

    async def pass_by(seconds: float) -> None:
        clock.time += seconds

    yield Limiting(pass_by, clock=clock)


@asynccontextmanager
async def in_redis() -> AsyncGenerator[Limiting]:
    async with (
        redis_server() as url,
        connected(url) as engine,
        Redis.from_url(url) as redis,
    ):
        yield Limiting(lambda seconds: let_pass(redis, seconds), engine)


@pytest.fixture(params=[in_memory, in_redis])
async def limiting(request: pytest.FixtureRequest) -> AsyncIterator[Limiting]:
    async with request.param() as limiting:
        yield limiting


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with redis_server() as url:
        yield url


@asynccontextmanager
async def limits_at(
    url: str, renewal_seconds: float = RENEWAL_SECONDS, **most: int
) -> AsyncGenerator[Limits]:
    """Limit as one process of several does."""
    async with connected(url) as engine:
        limits = Limits(most, engine, renewal_seconds=renewal_seconds)
        try:
            yield limits
        finally:
            await limits.close()


async def passes(check: Awaitable[None]) -> bool:
    return await seconds_told(check) == 0


async def seconds_told(check: Awaitable[None]) -> float:
    """Give how long to wait; 0 for what is not refused."""
    try:
        await check
    except RateLimited as refused:
        return refused.retry_after_seconds or -1
    return 0


async def all_told(checks: Sequence[Awaitable[None]]) -> list[bool]:
    """Check all at once; tell which pass."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(passes(check)) for check in checks]
    return [task.result() for task in running]


async def is_free(limits: Limits, *keys: str) -> bool:
    """Tell whether there is a place for one more."""
    try:
        async with limits.call_of(keys):
            return True
    except RateLimited:
        return False


async def hold(stack: AsyncExitStack, limits: Limits, *keys: str) -> None:
    await stack.enter_async_context(limits.call_of(keys))


async def held_in(redis: Redis) -> int:
    """Count all leases there are."""
    return sum([await redis.zcard(name) for name in await redis.keys(PLACES)])


async def until_held(redis: Redis, number: int) -> None:
    while await held_in(redis) != number:  # noqa: ASYNC110 - in another process
        await asyncio.sleep(0)


async def until_given_back(limiting: Limiting) -> None:
    """Wait until all places are free: an engine is told beside whoever leaves."""
    if limiting.engine is not None:
        await until_held(limiting.engine.client, 0)


async def age_leases(redis: Redis, seconds: float) -> None:
    """Let time pass for leases, as if nobody had renewed them."""
    for name in await redis.keys(PLACES):
        for lease in await redis.zrange(name, 0, -1):
            await redis.execute_command("ZINCRBY", name, -seconds * 1000, lease)


async def test_so_many_calls_pass_in_a_minute_and_no_more(limiting: Limiting) -> None:
    limits = limiting.by(calls_per_minute=3)
    assert [await passes(limits.check_call(("a",))) for _ in range(5)] == [True] * 3 + [False] * 2
    with pytest.raises(RateLimited) as refused:
        await limits.check_call(("a",))
    assert refused.value.message == "This server takes at most 3 calls in a minute with one key."
    assert refused.value.advice == "Wait, then make the same call again."
    assert refused.value.retry_after_seconds in {59, 60, 61}
    assert limiting.refused == ["calls_per_minute"] * 3


async def test_a_call_passes_when_the_refusal_said_so(limiting: Limiting) -> None:
    limits = limiting.by(calls_per_minute=3)
    for _ in range(3):
        await limits.check_call(("a",))
    await limiting.pass_by(await seconds_told(limits.check_call(("a",))))
    assert [await passes(limits.check_call(("a",))) for _ in range(2)] == [True, False]
    # The calls of the minute before count ever less: one in twenty seconds is forgotten.
    seconds = await seconds_told(limits.check_call(("a",)))
    assert 15 <= seconds <= 21
    await limiting.pass_by(seconds)
    assert [await passes(limits.check_call(("a",))) for _ in range(2)] == [True, False]


async def test_who_stays_away_for_two_minutes_begins_anew(limiting: Limiting) -> None:
    limits = limiting.by(calls_per_minute=3)
    for pause in (0, 130, 70, 125):
        await limiting.pass_by(pause)
        if pause != 70:
            assert [await passes(limits.check_call(("a",))) for _ in range(4)] == [True] * 3 + [
                False
            ]


async def test_of_many_at_once_so_many_pass(limiting: Limiting) -> None:
    limits = limiting.by(calls_per_minute=50)
    assert sum(await all_told([limits.check_call(("a",)) for _ in range(200)])) == 50


async def test_a_call_counts_for_each_key_that_came_with_it(limiting: Limiting) -> None:
    limits = limiting.by(calls_per_minute=3)
    told = [await passes(limits.check_call(("a", made_up))) for made_up in "wxyz"]
    assert told == [True, True, True, False]
    assert not await passes(limits.check_call(("a",)))


async def test_a_refused_call_counts_for_nobody(limiting: Limiting) -> None:
    limits = limiting.by(calls_per_minute=3)
    for _ in range(3):
        await limits.check_call(("b",))
    for _ in range(10):
        assert not await passes(limits.check_call(("a", "b")))
    assert [await passes(limits.check_call(("a",))) for _ in range(4)] == [True] * 3 + [False]


async def test_callers_and_limits_have_nothing_to_do_with_each_other(limiting: Limiting) -> None:
    limits = limiting.by(
        calls_per_minute=1, paid_calls_per_minute=1, requests_per_minute=1, sign_ins_per_minute=0
    )
    checks = {
        "calls_per_minute": lambda name: limits.check_call((name,)),
        "paid_calls_per_minute": limits.check_paid_call,
        "requests_per_minute": limits.check_request,
        "sign_ins_per_minute": lambda name: limits.check_sign_in("token", name, 1),
    }
    for name in ("a", "b", "\ud800"):
        assert [await passes(check(name)) for check in checks.values()] == [True] * 4
    assert [await passes(check("a")) for check in checks.values()] == [False] * 4
    assert limiting.refused == list(checks)
    assert await passes(limits.check_sign_in("register", "a", 1))


async def test_zero_is_no_limit(limiting: Limiting) -> None:
    limits = limiting.by(calls_per_minute=0, concurrent_calls=0)
    async with AsyncExitStack() as stack:
        for _ in range(100):
            await hold(stack, limits, "a")
            await limits.check_call(("a",))
            await limits.check_paid_call("a")  # of which nothing was said


def test_the_limits_are_those_of_the_settings() -> None:
    chosen = load_settings(calls_per_minute=1, concurrent_requests=2)
    refused: list[str] = []
    limits = Limits.by(chosen, None, refused.append)

    async def check() -> None:
        for _ in range(2):
            await passes(limits.check_call(("a",)))
        async with limits.request_of("x"), limits.request_of("x"):
            with pytest.raises(RateLimited, match="at most 2 requests at once from one address"):
                await limits.request_of("x").__aenter__()

    asyncio.run(check())
    assert refused == ["calls_per_minute", "concurrent_requests"]


GAPS = st.lists(st.floats(0, 90, allow_nan=False), min_size=1, max_size=80)


@settings(max_examples=60, deadline=None)
@given(gaps=GAPS, most=st.integers(1, 10))
def test_in_no_minute_do_more_pass_than_the_strategy_allows(gaps: list[float], most: int) -> None:
    """It takes calls for spread evenly over a window: in the worst minute across two, 2 x most."""
    clock, passed = Turned(), []
    limits = Limits({"calls_per_minute": most}, now=clock)

    async def call_all() -> None:
        for gap in gaps:
            clock.time += gap / most
            if await passes(limits.check_call(("a",))):
                passed.append(clock.time)

    asyncio.run(call_all())
    for first in passed:
        within = [one for one in passed if first <= one < first + WINDOW_SECONDS]
        assert len(within) <= 2 * most
    assert len([one for one in passed if one < passed[0] + WINDOW_SECONDS]) <= most


@settings(max_examples=60, deadline=None)
@given(gaps=GAPS, most=st.integers(1, 10))
def test_what_is_told_is_the_second_from_which_a_call_passes(gaps: list[float], most: int) -> None:
    clock = Turned()
    limits = Limits({"calls_per_minute": most}, now=clock)

    async def call_all() -> None:
        for gap in gaps:
            clock.time += gap / most
            if seconds := await seconds_told(limits.check_call(("a",))):
                assert 1 <= seconds <= WINDOW_SECONDS + 1
                clock.time += seconds - 1.01
                assert seconds == 1 or not await passes(limits.check_call(("a",)))
                clock.time += 1.01
                assert await passes(limits.check_call(("a",)))

    asyncio.run(call_all())


async def test_a_flood_of_names_takes_bounded_memory_and_frees_nobody() -> None:
    windows = MemoryWindows(max_names=1_000)
    assert await windows.acquire_sliding_window_entry("a", 3, 60, 3)
    for number in range(50_000):
        assert await windows.acquire_sliding_window_entry(str(number), 3, 60)
        if number % 500 == 0:
            assert not await windows.acquire_sliding_window_entry("a", 3, 60)
    assert len(windows) == 1_000


async def test_memory_is_empty_after_the_crowd_has_left() -> None:
    clock = Turned()
    windows = MemoryWindows(now=clock)
    for number in range(1_000):
        await windows.acquire_sliding_window_entry(str(number), 3, 60)
    clock.time += 2 * WINDOW_SECONDS
    await windows.acquire_sliding_window_entry("a", 3, 60)
    assert len(windows) == 1
    await windows.clear_sliding_window("a", 60)
    assert len(windows) == 0


async def test_memory_knows_no_other_strategy() -> None:
    windows = MemoryWindows()
    assert await windows.check()
    for asked in (windows.incr("a", 60), windows.get("a"), windows.get_expiry("a")):
        with pytest.raises(NotImplementedError, match="sliding windows alone"):
            await asked


async def test_two_processes_count_together(url: str) -> None:
    async with limits_at(url, calls_per_minute=50) as one, limits_at(url, calls_per_minute=50) as b:
        checks = [(one, b)[number % 2].check_call(("a",)) for number in range(200)]
        assert sum(await all_told(checks)) == 50


async def test_names_are_not_to_be_read_there_and_everything_ends(url: str) -> None:
    address = "203.0.113.7"
    most = {"requests_per_minute": 3, "concurrent_requests": 3}
    async with limits_at(url, **most) as limits, Redis.from_url(url) as redis:
        async with limits.request_of(address):
            await limits.check_request(address)
            keys = await redis.keys()
            assert len(keys) == 2
            assert all(str(key).startswith("b'luma-mcp:") for key in keys)
            assert address not in str(keys)
            left = [await redis.pttl(key) for key in keys]
        assert all(0 < one <= 2 * WINDOW_SECONDS * 1000 for one in left)


async def test_without_the_engine_each_process_limits_for_itself() -> None:
    most = {"calls_per_minute": 3, "concurrent_calls": 2}
    async with redis_server() as url, Redis.from_url(url) as redis:
        one, other = limits_at(url, 0.01, **most), limits_at(url, 0.01, **most)
        port = int(url.rpartition(":")[2])
        async with one as here, other as there, AsyncExitStack() as stack:
            await hold(stack, here, "a")
            assert [await passes(here.check_call(("a",))) for _ in range(4)] == [True] * 3 + [False]
            assert not await passes(there.check_call(("a",)))
            await redis.shutdown(nosave=True)
            for limits in (here, there):
                told = [await passes(limits.check_call(("a",))) for _ in range(4)]
                assert told == [True] * 3 + [False]
            await hold(stack, here, "a")
            assert not await is_free(here, "a")
            await hold(stack, there, "a")
            async with redis_server(port=port):
                assert await passes(there.check_call(("a",)))
                # It comes back as new; who still holds something says so at the next renewal.
                await until_held(redis, 3)
                assert not await is_free(there, "a")
                await stack.aclose()
                await until_held(redis, 0)


async def test_so_many_calls_run_at_once_and_no_more(limiting: Limiting) -> None:
    limits = limiting.by(concurrent_calls=2)
    async with AsyncExitStack() as stack:
        await hold(stack, limits, "a")
        await hold(stack, limits, "a", "b")
        with pytest.raises(RateLimited) as refused:
            await hold(stack, limits, "a")
        assert refused.value.message == "This server takes at most 2 calls at once with one key."
        assert "Wait until one of them has ended" in (refused.value.advice or "")
        assert refused.value.retry_after_seconds == 1
        # What is refused because of one key takes no place of the other.
        assert not await is_free(limits, "b", "a")
        assert await is_free(limits, "b")
        assert await is_free(limits, "c")
        assert limiting.refused == ["concurrent_calls"] * 2
    async with AsyncExitStack() as stack:
        await hold(stack, limits, "a", "b")
        await hold(stack, limits, "a", "b")
    await limits.close()


async def test_one_after_another_is_never_too_many(limiting: Limiting) -> None:
    limits = limiting.by(concurrent_calls=1)
    assert all([await is_free(limits, "a") for _ in range(300)])
    await limits.close()


async def test_calls_that_fail_or_are_cancelled_give_their_places_back(limiting: Limiting) -> None:
    limits = limiting.by(concurrent_calls=3)

    async def stay() -> None:
        async with limits.call_of(("a", "b")):
            await asyncio.Event().wait()

    for number in range(300):
        task = asyncio.create_task(stay())
        for _ in range(number % 30):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    await until_given_back(limiting)
    with pytest.raises(ZeroDivisionError):
        async with limits.call_of(("a",)):
            _ = 1 / 0
    await until_given_back(limiting)
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await hold(stack, limits, "a", "b")
        assert not await is_free(limits, "a")
        assert not await is_free(limits, "b")
    await limits.close()


async def test_processes_count_together_what_is_at_once(url: str) -> None:
    one, other = limits_at(url, concurrent_calls=2), limits_at(url, concurrent_calls=2)
    async with one as here, other as there, Redis.from_url(url) as redis:
        async with here.call_of(("a",)), there.call_of(("a",)):
            assert not await is_free(here, "a")
            assert not await is_free(there, "a")
            # All or nothing here too: the other key keeps its places.
            assert not await is_free(there, "b", "a")
            assert await held_in(redis) == 2
        await until_held(redis, 0)
        assert await redis.keys() == []


async def test_a_full_process_does_not_even_ask(url: str) -> None:
    one = limits_at(url, concurrent_calls=1)
    async with Redis.from_url(url) as redis, one as limits, limits.call_of(("a",)):
        await redis.flushall()
        assert not await is_free(limits, "a")
        assert await redis.keys() == []


async def test_a_replica_that_was_killed_frees_its_places_after_a_minute(url: str) -> None:
    dead, alive = limits_at(url, concurrent_calls=1), limits_at(url, concurrent_calls=1)
    async with Redis.from_url(url) as redis, alive as here, dead as there, there.call_of(("a",)):
        await age_leases(redis, LEASE_SECONDS - 1)
        assert not await is_free(here, "a")
        await age_leases(redis, 1)
        assert await is_free(here, "a")


async def test_what_is_held_is_renewed_as_long_as_it_is_held(url: str) -> None:
    most = LEASES_AT_ONCE + 1
    async with connected(url) as engine, Redis.from_url(url) as redis:
        leases = Leases(engine, renewal_seconds=0.01)
        async with AsyncExitStack() as stack:
            for _ in range(most):
                assert await stack.enter_async_context(leases.held(["luma-mcp:concurrent_x"], most))
            await redis.flushall()
            await until_held(redis, most)
            name = "luma-mcp:concurrent_x"
            [(_, end)] = await redis.execute_command("ZRANGE", name, 0, 0, "WITHSCORES")
            seconds, _ = await redis.time()
            assert seconds + LEASE_SECONDS - 10 < float(end) / 1000
            assert await redis.pttl(name) > (LEASE_SECONDS - 10) * 1000
        await until_held(redis, 0)
        await leases.close()


async def test_who_ends_in_order_gives_everything_back_at_once(url: str) -> None:
    one = limits_at(url, concurrent_calls=9)
    async with Redis.from_url(url) as redis, one as limits, AsyncExitStack() as stack:
        for key in "abc":
            await hold(stack, limits, key)
        await limits.close()
        assert await redis.keys() == []


async def test_nothing_is_left_to_close_where_nothing_was_held(url: str) -> None:
    async with limits_at(url, concurrent_calls=9) as limits:
        await limits.close()
    await Limits().close()


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:0:0:ffff:ffff:ffff:ffff", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a.socket", "a.socket"),
        ("", ""),
    ],
)
def test_callers_are_told_apart_by_address(host: str, counted: str) -> None:
    assert address_of((host, 1)) == counted


def test_a_caller_without_an_address_is_one_of_all_those() -> None:
    assert address_of(None) == ""
