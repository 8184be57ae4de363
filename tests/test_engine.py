"""The engine that processes share: reached, or given up for a moment, its secrets kept."""

import asyncio
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass

import pytest
from redis import RedisError
from redis.asyncio import Redis
from structlog.testing import capture_logs

from luma_mcp.engine import MAX_CONNECTIONS, Engine, open_engine
from luma_mcp.errors import Unavailable
from luma_mcp.ledger import RedisLedger
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.settings import SettingError
from tests.e2e.processes import finished
from tests.engines import connected, redis_server
from tests.servers import misbehaving

PASSWORD = "not-for-anybody"


@pytest.fixture
async def engine_url() -> AsyncIterator[str]:
    async with redis_server() as url:
        yield url


@dataclass
class Impostor:
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
async def connected_to(
    impostor: Impostor, scheme: str = "redis", seconds: float = 10, pause: float = 0
) -> AsyncGenerator[Engine]:
    async with misbehaving(impostor.converse) as url:
        host = url.removeprefix("http://")
        engine_url = f"{scheme}://:{PASSWORD}@{host}"
        async with connected(engine_url, timeout_seconds=seconds, pause_seconds=pause) as engine:
            yield engine


def questions(engine: Engine) -> list[Callable[[], Awaitable[object]]]:
    """Give each way to ask."""
    ledger = RedisLedger(engine)
    return [
        lambda: ledger.advance("a", 1, 60),
        lambda: ledger.highest("a"),
        lambda: ledger.keep("a", "x", 60),
        lambda: ledger.recall("a"),
        lambda: ledger.replace("a", "x", "y", 60),
        lambda: ledger.forget("a", "x"),
        lambda: ledger.spend("a", 1, 10, 60),
        lambda: ledger.spent("a"),
        lambda: ledger.give_back("a", 1),
    ]


async def errors_of(engine: Engine) -> list[Unavailable]:
    """Ask in every way, each of which fails."""
    errors = []
    for ask in questions(engine):
        with pytest.raises(Unavailable) as caught:
            await ask()
        errors.append(caught.value)
    assert not await engine.check()
    return errors


def assert_plain(error: Unavailable, host: str) -> None:
    """Nobody reads where the engine is, and not even the log how to get in."""
    assert error.retryable
    assert host not in str(error.fields("id"))
    assert PASSWORD not in str(error.fields("id"))
    assert PASSWORD not in "".join(traceback.format_exception(error))


async def ask_often(engine: Engine, times: int) -> None:
    ledger = RedisLedger(engine)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(times):
            tasks.create_task(ledger.spend("a", 1, 1000, 60))


async def test_many_callers_share_few_connections(engine_url: str) -> None:
    async with connected(engine_url) as engine, Redis.from_url(engine_url) as redis:
        await ask_often(engine, 200)
        clients = await redis.client_list()
    assert len(clients) <= MAX_CONNECTIONS + 1


async def test_a_connection_that_was_closed_meanwhile_is_replaced(engine_url: str) -> None:
    async with connected(engine_url) as engine, Redis.from_url(engine_url) as redis:
        await ask_often(engine, 200)
        await redis.client_kill_filter(_type="normal", skipme=True)
        await ask_often(engine, 50)
        assert await RedisLedger(engine).spent("a") == 250


def test_what_uvloop_says_of_a_closed_connection_is_an_engine_that_is_away() -> None:
    engine = Engine("redis://127.0.0.1:1")
    with pytest.raises(Unavailable), engine.asking():
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>")
    assert not engine.is_reachable


@pytest.mark.parametrize("scheme", ["redis", "valkey", "VALKEY"])
async def test_valkey_is_the_same(engine_url: str, scheme: str) -> None:
    engine = open_engine(engine_url.replace("redis", scheme))
    assert engine
    assert await engine.check()
    await engine.close()
    await engine.close()  # a connection left open would warn, which fails the suite


async def test_a_password_opens_the_engine() -> None:
    async with redis_server("--requirepass", PASSWORD) as url:
        host = url.removeprefix("redis://")
        async with connected(f"redis://:{PASSWORD}@{host}/3") as engine:
            assert await engine.check()


async def test_a_wrong_password_is_told_to_nobody() -> None:
    async with redis_server("--requirepass", PASSWORD) as url:
        host = url.removeprefix("redis://")
        async with connected(f"redis://:wrong-{PASSWORD}@{host}") as engine:
            with capture_logs() as lines:
                for error in await errors_of(engine):
                    assert_plain(error, host)
    assert PASSWORD not in str(lines)
    assert host not in str(lines)


async def test_an_engine_that_ended_is_unavailable() -> None:
    async with redis_server() as url:
        engine = open_engine(url)
        assert engine
        assert await engine.check()
    for error in await errors_of(engine):
        assert_plain(error, url.removeprefix("redis://"))
    await engine.close()


async def test_it_is_noticed_once_that_the_engine_is_away_and_once_that_it_is_back(
    engine_url: str,
) -> None:
    with capture_logs() as lines:
        async with connected(engine_url, pause_seconds=0) as engine:
            for away in (False, True, True, False, False):
                with pytest.raises(Unavailable) if away else nullcontext(), engine.asking():
                    if away:
                        raise RedisError
                assert engine.is_reachable is not away
    assert [line["event"] for line in lines] == [
        "shared store unreachable",
        "shared store reachable",
    ]


async def test_after_a_failure_one_asks_at_a_time_once_the_pause_is_over() -> None:
    clock, impostor = TurnedClock(), Impostor(b"")
    async with misbehaving(impostor.converse) as url:
        engine = Engine(
            url.replace("http", "redis"),
            pause_seconds=10,
            now=lambda: clock.now().timestamp(),
        )
        assert not await engine.check()
        visits = impostor.visits
        await errors_of(engine)
        assert impostor.visits == visits
        clock.advance(10)
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(engine.check()) for _ in range(50)]
        assert not any(task.result() for task in asking)
        assert visits < impostor.visits <= visits + 2  # tried twice, as ever
        await engine.close()


async def test_a_restarted_engine_is_found_again() -> None:
    clock = TurnedClock()
    async with redis_server() as url:
        engine = Engine(url, pause_seconds=10, now=lambda: clock.now().timestamp())
        assert await engine.check()
    assert not await engine.check()
    port = int(url.rpartition(":")[2])
    async with redis_server(port=port):
        assert not await engine.check()  # the pause
        clock.advance(10)
        assert await engine.check()
        assert await engine.check()
        await engine.close()


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
async def test_a_silent_engine_is_waited_for_once_and_not_long(scheme: str) -> None:
    impostor = Impostor()
    async with connected_to(impostor, scheme, seconds=0.01) as engine, asyncio.timeout(8):
        errors = await errors_of(engine)  # which redis-py alone would wait for 5 seconds each
    assert impostor.visits == len(errors) + 1


async def test_who_finds_no_connection_free_is_not_kept_for_ever() -> None:
    async with connected_to(Impostor(), seconds=0.05) as engine:
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(engine.check()) for _ in range(3 * MAX_CONNECTIONS)]
        assert not any(task.result() for task in asking)


@pytest.mark.parametrize(
    "answers",
    [b"", b"-LOADING the dataset\r\n", b"-WRONGPASS no\r\n", b"HTTP/1.1 400 Bad\r\n\r\n"],
)
async def test_an_engine_that_hangs_up_is_tried_twice_at_most(answers: bytes) -> None:
    impostor = Impostor(answers)
    async with connected_to(impostor) as engine:
        errors = await errors_of(engine)
    assert len(errors) < impostor.visits <= 2 * (len(errors) + 1)


async def test_an_engine_that_is_no_primary_any_more_is_looked_for_anew() -> None:
    visits = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal visits
        visits += 1
        demoted = visits == 1
        while await reader.read(1000):
            writer.write(b"-READONLY This is a replica.\r\n" if demoted else b"$-1\r\n")
        writer.close()

    async with misbehaving(answer) as url, connected(url.replace("http", "redis")) as engine:
        assert await RedisLedger(engine).keep("a", "x", 60) is None
    assert visits == 2


async def test_an_engine_that_may_not_write_is_unavailable(engine_url: str) -> None:
    async with (
        connected(engine_url, pause_seconds=0) as engine,
        Redis.from_url(engine_url) as redis,
    ):
        await redis.replicaof("127.0.0.1", "1")
        ledger = RedisLedger(engine)
        with pytest.raises(Unavailable):
            await ledger.spend("a", 1, 10, 60)
        with pytest.raises(Unavailable):
            await ledger.keep("a", "x", 60)


@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
async def test_a_scheme_that_ends_in_s_means_tls(scheme: str) -> None:
    impostor = Impostor(b"")
    async with connected_to(impostor, scheme) as engine:
        await errors_of(engine)
    assert impostor.heard.startswith(b"\x16\x03")  # a handshake, RFC 8446, section 5.1
    assert PASSWORD.encode() not in impostor.heard


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
        open_engine(url)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_without_an_address_there_is_no_engine() -> None:
    assert open_engine(None) is None


async def test_the_password_is_not_printed() -> None:
    engine = open_engine(f"redis://user:{PASSWORD}@host:6379")
    assert PASSWORD not in repr(engine)


async def test_only_who_shares_needs_the_library() -> None:
    lines = (
        "import sys",
        "sys.modules['redis'] = None",
        "from luma_mcp.engine import open_engine",
        "open_engine(None)",
        "open_engine('redis://host')",
    )
    status, _, err = await finished("-c", "\n".join(lines), program=())
    assert status == 1
    assert err.splitlines()[-1] == (
        "luma_mcp.settings.SettingError: "
        "LUMA_MCP_REDIS_URL needs the Redis library. "
        'Install the server with its extra "redis": pip install ".[redis]" in its source.'
    )
