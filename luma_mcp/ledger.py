"""What all processes of one server remember: how often something happened, and how far it got.

One process remembers in memory, until it ends. Several share a Redis or Valkey.
"""

import hashlib
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cachetools import TLRUCache

from luma_mcp.errors import Unavailable
from luma_mcp.settings import SettingError, variable_name

if TYPE_CHECKING:
    from redis.asyncio import BlockingConnectionPool, Redis

MAX_NAMES = 100_000
MAX_CONNECTIONS = 16
TIMEOUT_SECONDS = 2.0
_SCHEMES = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss"}
_SETTING = variable_name("redis_url")
# A script runs as a whole. Plain commands would lengthen the memory at a failure too.
_ADVANCE = """
local highest = redis.call('GET', KEYS[1])
if highest and tonumber(ARGV[1]) <= tonumber(highest) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""


class Ledger(Protocol):
    """Counts and numbers by name; those of one name have nothing to do with each other.

    Raises:
        Unavailable: What the processes share cannot be reached.
    """

    async def count(self, name: str, seconds: int) -> int:
        """Tell how often within so many seconds, which begin with the first time; this one too."""
        ...

    async def seconds_left(self, name: str) -> float:
        """Tell how long the window of a count still lasts; 0 if there is none."""
        ...

    async def advance(self, name: str, number: int, seconds: int) -> bool:
        """Note a number if it is above the highest so far, and tell whether it was.

        Of several at once with the same number, one is told so. What was noted is remembered for
        so many seconds. Numbers are told apart up to 2**53.
        """
        ...

    async def highest(self, name: str) -> int | None:
        """Give the highest number noted, or None if there is none or it was forgotten."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


def open_ledger(url: str | None) -> Ledger:
    """Remember in memory, or at the URL where several processes do; nothing is sent yet.

    Raises:
        SettingError: The URL cannot be used, or the library for it is not installed.
    """
    return MemoryLedger() if url is None else RedisLedger(url)


@dataclass(slots=True)
class _Kept:
    number: int
    until: float


class MemoryLedger:
    """What one process remembers: so many names, of which the least recently used are forgotten.

    Args:
        max_names: How many names are counted, and for how many a number is noted.
        now: The time in seconds.
    """

    def __init__(
        self, max_names: int = MAX_NAMES, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        # Two, so that a flood of names to count makes no number forgotten.
        self._counts, self._numbers = (
            TLRUCache[str, _Kept](max_names, lambda _name, kept, _now: kept.until, now)
            for _ in range(2)
        )

    async def count(self, name: str, seconds: int) -> int:
        """Count as `Ledger` says."""
        kept = self._counts.get(name)
        if kept is None:
            kept = self._counts[name] = _Kept(0, self._now() + seconds)
        kept.number += 1
        return kept.number

    async def seconds_left(self, name: str) -> float:
        """Tell as `Ledger` says."""
        kept = self._counts.get(name)
        return max(0.0, kept.until - self._now()) if kept else 0.0

    async def advance(self, name: str, number: int, seconds: int) -> bool:
        """Note as `Ledger` says."""
        kept = self._numbers.get(name)
        if kept and number <= kept.number:
            return False
        self._numbers[name] = _Kept(number, self._now() + seconds)
        return True

    async def highest(self, name: str) -> int | None:
        """Give as `Ledger` says."""
        kept = self._numbers.get(name)
        return kept.number if kept else None

    async def close(self) -> None:
        """Nothing is open."""


class RedisLedger:
    """What several processes remember together, in a Redis or Valkey of version 7 or newer.

    Args:
        url: Where it is; may hold a user, a password and options of redis-py.
        timeout_seconds: How long to wait for a connection, and for an answer.
    """

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._client = _client_for(url, timeout_seconds)
        self._advance = self._client.register_script(_ADVANCE)

    async def count(self, name: str, seconds: int) -> int:
        """Count as `Ledger` says."""
        key = _key("count", name)
        with _reaching():
            async with self._client.pipeline(transaction=True) as together:
                together.incr(key)
                together.expire(key, seconds, nx=True)
                times, _ = await together.execute()
        return times

    async def seconds_left(self, name: str) -> float:
        """Tell as `Ledger` says."""
        with _reaching():
            milliseconds = await self._client.pttl(_key("count", name))
        return max(0.0, milliseconds / 1000)  # below 0: there is none

    async def advance(self, name: str, number: int, seconds: int) -> bool:
        """Note as `Ledger` says."""
        with _reaching():
            return bool(await self._advance([_key("highest", name)], [number, seconds]))

    async def highest(self, name: str) -> int | None:
        """Give as `Ledger` says."""
        with _reaching():
            number = await self._client.get(_key("highest", name))
        return None if number is None else int(number)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


def _key(kind: str, name: str) -> str:
    """Name a key; a hash, since names hold addresses, which are personal, and foreign text."""
    return f"luma-mcp:{kind}:{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()}"


@contextmanager
def _reaching() -> Generator[None]:
    from redis import RedisError  # noqa: PLC0415 - an extra, which was there

    try:
        yield
    except (RedisError, OSError) as error:
        raise Unavailable(
            "The memory that this server shares with its replicas cannot be reached."
        ) from error


def _client_for(url: str, timeout_seconds: float) -> "Redis":
    try:
        from redis.asyncio import Redis, RedisError  # noqa: PLC0415 - an extra, maybe missing
    except ImportError as error:
        raise SettingError(
            f'{_SETTING} needs the Redis library: pip install "luma-mcp[redis]"'
        ) from error
    try:
        pool = _pool_for(url, timeout_seconds)
        pool.make_connection()  # refuses options that it does not know; nothing is opened
    except (KeyError, TypeError, ValueError, RedisError):
        # Whatever they say, it may quote the password.
        raise SettingError(
            f"{_SETTING} must be a URL that begins with redis://, rediss://, valkey:// or "
            "valkeys://, with a port and options that exist."
        ) from None
    return Redis.from_pool(pool)


def _pool_for(url: str, timeout_seconds: float) -> "BlockingConnectionPool":
    from redis.asyncio import BlockingConnectionPool, ConnectionError  # noqa: A004, PLC0415
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    scheme, rest = url.split("://", 1)
    return BlockingConnectionPool.from_url(
        f"{_SCHEMES[scheme.lower()]}://{rest}",
        max_connections=MAX_CONNECTIONS,
        timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        socket_timeout=timeout_seconds,
        # Once more for a connection that broke; what was too slow would only be waited for twice.
        retry=Retry(NoBackoff(), 1, (ConnectionError,)),
        # With version 3, redis-py 8.1 takes a connection that was closed meanwhile for a good one.
        protocol=2,
        driver_info=None,
    )
