"""The Redis or Valkey that several processes of one server share, and whether it can be reached."""

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from luma_mcp.errors import Unavailable
from luma_mcp.settings import SettingError, variable_name
from luma_mcp.telemetry import get_logger
from luma_mcp.wording import install_extra

if TYPE_CHECKING:
    from redis.asyncio import BlockingConnectionPool, Redis

_log = get_logger()
MAX_CONNECTIONS = 64
# Longer than a process with more to do than it can keeps anything waiting: that it is busy itself
# shall not look like an engine that is away.
TIMEOUT_SECONDS = 5.0
# After a failure nobody asks for so long: a silent engine would cost every call the time-out.
PAUSE_SECONDS = 2.0
_SCHEMES = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss"}
_SETTING = variable_name("redis_url")
_CHECK = "luma-mcp:check"


class Engine:
    """A Redis or Valkey of version 7 or newer; nothing is sent before somebody asks.

    Args:
        url: Where it is; may hold a user, a password and options of redis-py.
        timeout_seconds: How long to wait for a connection, and for an answer.
        pause_seconds: How long nobody asks after a failure; then one may try.
        now: The time in seconds.

    Attributes:
        client: Speaks to it, inside of `asking`.
        is_reachable: Whether it answered the last time.

    Raises:
        SettingError: The URL cannot be used, or the library for it is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = _client_for(url, timeout_seconds)
        self.is_reachable = True
        self._pause_seconds = pause_seconds
        self._now = now
        self._silent_until = now()
        self._checking: asyncio.Task[bool] | None = None

    @contextmanager
    def asking(self) -> Generator[None]:
        """Ask it something.

        Raises:
            Unavailable: It cannot be reached or refuses, or could not a moment ago.
        """
        from redis import RedisError  # noqa: PLC0415 - an extra, which was there

        now = self._now()
        if not self.is_reachable:
            if now < self._silent_until:
                raise _unreachable()
            self._silent_until = now + self._pause_seconds  # one tries, the others need not wait
        try:
            yield
        except (RedisError, OSError, RuntimeError) as error:
            # RuntimeError is what uvloop says of a connection that the engine has just closed.
            self._fail(error)
            raise _unreachable() from error
        if not self.is_reachable:
            self.is_reachable = True
            _log.info("shared store reachable")

    async def check(self) -> bool:
        """Tell whether it can be reached and written to; asks it, unless it just failed.

        One that is full, or a replica, answers a PING and refuses all that it is here for.
        """
        if self._checking is None:
            self._checking = asyncio.create_task(self._check())
            self._checking.add_done_callback(self._end_check)
        # One for all who ask meanwhile: readiness is asked for by anybody, and as often.
        return await asyncio.shield(self._checking)

    async def close(self) -> None:
        """Close all connections."""
        await self.client.aclose()

    async def _check(self) -> bool:
        try:
            with self.asking():
                await self.client.set(_CHECK, 1, ex=60)
        except Unavailable:
            return False
        return True

    def _end_check(self, _checking: asyncio.Task[bool]) -> None:
        self._checking = None

    def _fail(self, error: Exception) -> None:
        self._silent_until = self._now() + self._pause_seconds
        if self.is_reachable:
            self.is_reachable = False
            _log.error(
                "shared store unreachable",
                reason=type(error).__name__,
                advice=f"Look at the engine behind {_SETTING}. Until it answers, each process "
                "limits for itself, and refuses calls with an idempotency_key or a daily budget.",
            )


def open_engine(url: str | None) -> Engine | None:
    """Prepare to ask the engine at a URL; None without one.

    Raises:
        SettingError: The URL cannot be used, or the library for it is not installed.
    """
    return Engine(url) if url is not None else None


def _unreachable() -> Unavailable:
    return Unavailable("The memory that this server shares with its replicas cannot be reached.")


def _client_for(url: str, timeout_seconds: float) -> "Redis":
    try:
        from redis.asyncio import Redis, RedisError  # noqa: PLC0415 - an extra, maybe missing
    except ImportError as error:
        raise SettingError(
            f"{_SETTING} needs the Redis library. {install_extra('redis')}"
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
    from redis.exceptions import ReadOnlyError  # noqa: PLC0415

    scheme, rest = url.split("://", 1)
    return BlockingConnectionPool.from_url(
        f"{_SCHEMES[scheme.lower()]}://{rest}",
        max_connections=MAX_CONNECTIONS,
        timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        socket_timeout=timeout_seconds,
        # Once more for a connection that broke, or that leads to what is no primary any more;
        # what was too slow would only be waited for twice.
        retry=Retry(NoBackoff(), 1, (ConnectionError, ReadOnlyError)),
        # With version 3, redis-py 8.1 takes a connection that was closed meanwhile for a good one.
        protocol=2,
        driver_info=None,
    )
