"""How much one caller may ask: so often in a minute, and so much at once.

Replicas count together in the engine that they share. While it is away, each counts for itself.
"""

import asyncio
import hashlib
import itertools
import math
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from ipaddress import IPv6Address, ip_address, ip_network
from types import MappingProxyType
from typing import Any, NoReturn, Self

from cachetools import TTLCache
from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage, SlidingWindowCounterSupport, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from luma_mcp.engine import Engine
from luma_mcp.errors import RateLimited, Unavailable
from luma_mcp.origins import plain_address
from luma_mcp.settings import Settings
from luma_mcp.wording import count

WINDOW_SECONDS = 60
MAX_NAMES = 100_000
# A replica that was killed keeps its places for so long; all others renew theirs in time.
LEASE_SECONDS = 60
RENEWAL_SECONDS = 20
LEASES_AT_ONCE = 500  # in one script, which nobody else's is run beside
_INSTANT = 1e-3  # what it took to ask, and what floating point makes of an even number
_PREFIX = "luma-mcp"
_WORDS = {
    "calls_per_minute": ("call", "in a minute with one key"),
    "paid_calls_per_minute": ("job", "started in a minute with one key"),
    "concurrent_calls": ("call", "at once with one key"),
    "requests_per_minute": ("request", "in a minute from one address"),
    "concurrent_requests": ("request", "at once from one address"),
    "sign_ins_per_minute": ("such request", "in a minute from one address"),
}
_WAIT_FOR_ONE = "Wait until one of them has ended, then make the same call again."
_NOW = "local time = redis.call('TIME'); local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
# All places or none, so that a refused call takes nobody's.
_TAKE = f"""{_NOW}
for _, places in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', places, '-inf', now)
  if redis.call('ZCARD', places) >= tonumber(ARGV[3]) then return 0 end
end
for _, places in ipairs(KEYS) do
  redis.call('ZADD', places, now + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', places, ARGV[2])
end
return 1
"""
_RENEW = f"""{_NOW}
for number, places in ipairs(KEYS) do
  redis.call('ZADD', places, now + ARGV[1], ARGV[number + 1])
  redis.call('PEXPIRE', places, ARGV[1])
end
"""
_RETURN = "for number, places in ipairs(KEYS) do redis.call('ZREM', places, ARGV[number]) end"


class Limits:
    """The limits of a server, for all its callers; what is not named has none.

    Args:
        most: How much each limit allows; 0 for no limit.
        engine: What the processes of one server share.
        on_refused: Hears the name of each limit that refused something.
        max_names: How many names each limit by the minute remembers in this process.
        renewal_seconds: How often what is held is renewed in the engine.
        now: The time in seconds, for what this process remembers.
    """

    def __init__(
        self,
        most: Mapping[str, int] = MappingProxyType({}),
        engine: Engine | None = None,
        on_refused: Callable[[str], None] = lambda _: None,
        *,
        max_names: int = MAX_NAMES,
        renewal_seconds: float = RENEWAL_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.on_refused = on_refused
        self._most = {**dict.fromkeys(_WORDS, 0), **most}
        self._leases = Leases(engine, renewal_seconds) if engine is not None else None
        shared = _Shared(engine) if engine is not None else None
        self._rates = {
            name: _Rate(name, MemoryWindows(max_names, now), shared)
            for name in _WORDS
            if name.endswith("_per_minute")
        }
        self._places = {
            name: _Places(name, self._most[name], self._leases, self._refused)
            for name in _WORDS
            if name.startswith("concurrent_")
        }

    @classmethod
    def by(
        cls, settings: Settings, engine: Engine | None, on_refused: Callable[[str], None]
    ) -> Self:
        """Set the limits as the operator wants them."""
        most = {name: value for name, value in settings if name in _WORDS}
        return cls(most, engine, on_refused)

    async def check_call(self, keys: Sequence[str]) -> None:
        """Count a call for the fingerprint of each key that its request brought.

        Raises:
            RateLimited: There were too many with one of them; then it counts for none.
        """
        await self._check("calls_per_minute", keys)

    async def check_paid_call(self, key: str) -> None:
        """Count the start of a job for the fingerprint of the key that pays.

        Raises:
            RateLimited: There were too many.
        """
        await self._check("paid_calls_per_minute", (key,))

    async def check_request(self, address: str) -> None:
        """Count a request to an MCP endpoint.

        Raises:
            RateLimited: There were too many from this address.
        """
        await self._check("requests_per_minute", (address,))

    async def check_sign_in(self, endpoint: str, address: str, most: int) -> None:
        """Count a request to an endpoint of sign-ins, of which each has a limit of its own.

        Raises:
            RateLimited: There were too many from this address.
        """
        await self._check("sign_ins_per_minute", (f"{endpoint}:{address}",), most)

    def call_of(self, keys: Sequence[str]) -> AbstractAsyncContextManager[None]:
        """Hold a place for a call with each of these fingerprints, as long as the block lasts.

        Raises:
            RateLimited: There are too many calls with one of them already.
        """
        return self._places["concurrent_calls"].held(keys)

    def request_of(self, address: str) -> AbstractAsyncContextManager[None]:
        """Hold a place for a request to an MCP endpoint, as long as the block lasts.

        Raises:
            RateLimited: There are too many requests from this address already.
        """
        return self._places["concurrent_requests"].held((address,))

    async def close(self) -> None:
        """Give back what other processes might miss; before the engine is closed."""
        if self._leases is not None:
            await self._leases.close()

    async def _check(self, name: str, names: Sequence[str], most: int | None = None) -> None:
        most = most or self._most[name]
        seconds = await self._rates[name].seconds_to_wait(most, names) if most else None
        if seconds is not None:
            raise self._refused(name, most, seconds)

    def _refused(
        self, name: str, most: int, seconds: int, advice: str | None = None
    ) -> RateLimited:
        self.on_refused(name)
        noun, where = _WORDS[name]
        return RateLimited(
            f"This server takes at most {count(most, noun)} {where}.",
            advice=advice,
            retry_after_seconds=seconds,
        )


def address_of(client: tuple[str, int] | None) -> str:
    """Tell callers apart by address; a caller with IPv6 has a whole network of them."""
    return _network_of(client[0]) if client else ""


@lru_cache(maxsize=4096)
def _network_of(host: str) -> str:
    try:
        address = ip_address(plain_address(host))
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(ip_network((int(address), 64), strict=False))


@lru_cache(maxsize=64)
def _per_minute(name: str, most: int) -> RateLimitItemPerMinute:
    return RateLimitItemPerMinute(most, namespace=name)


def _hashed(name: str) -> str:
    """Name without telling: addresses are personal."""
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()


@dataclass(slots=True)
class _Window:
    """When a name's window began, how many hits the one before had, and how many it has itself."""

    begun: float
    previous: int = 0
    current: int = 0

    def weight(self, expiry: int, now: float) -> float:
        """Tell how much the window before still counts."""
        return self.previous * (self.begun + expiry - now) / expiry


class MemoryWindows(Storage, SlidingWindowCounterSupport):
    """The sliding windows of so many names, in the memory of one process.

    That of the library is walked at every hit and has no maximum. Here a window begins with the
    first hit, as in the library's scripts for Redis, and the least recently used make room.

    Args:
        max_names: How many.
        now: The time in seconds.
    """

    def __init__(
        self, max_names: int = MAX_NAMES, now: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._now = now
        self._windows: TTLCache[str, _Window] = TTLCache(max_names, 2 * WINDOW_SECONDS, now)

    def __len__(self) -> int:
        """Tell how many names are remembered."""
        return len(self._windows)

    @property
    def base_exceptions(self) -> tuple[()]:
        """Nothing is expected to fail."""
        return ()

    async def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool:
        """Count hits unless there were too many; a negative amount takes some back."""
        now = self._now()
        window = self._window(key, expiry, now)
        if math.floor(window.weight(expiry, now)) + window.current + amount > limit:
            return False
        window.current += amount
        return True

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Give the counts of both windows, and after how many seconds each is forgotten."""
        now = self._now()
        window = self._window(key, expiry, now)
        left = window.begun + expiry - now
        return window.previous, left, window.current, left + expiry

    async def clear_sliding_window(self, key: str, expiry: int) -> None:  # noqa: ARG002 - theirs
        """Forget a name."""
        self._windows.pop(key, None)

    def _window(self, key: str, expiry: int, now: float) -> _Window:
        window = self._windows.get(key)
        if window is None or now - window.begun >= 2 * expiry:
            window = self._windows[key] = _Window(now)
        elif now - window.begun >= expiry:
            window = self._windows[key] = _Window(window.begun + expiry, window.current)
        return window

    async def check(self) -> bool:
        """Tell that it works."""
        return True

    async def _other_strategy(self, *_arguments: Any, **_named: Any) -> NoReturn:  # noqa: ANN401
        raise NotImplementedError("There are sliding windows alone.")

    incr = get = get_expiry = reset = clear = _other_strategy


class _Shared:
    """The windows that processes count in together."""

    def __init__(self, engine: Engine) -> None:
        storage = RedisStorage(
            "redis://",
            implementation="redispy",
            key_prefix=_PREFIX,
            connection_pool=engine.client.connection_pool,  # ty: ignore[invalid-argument-type]
        )
        self.limiter = SlidingWindowCounterRateLimiter(storage)
        self.asking = engine.asking


class _Rate:
    """One limit by the minute."""

    def __init__(self, name: str, windows: MemoryWindows, shared: _Shared | None) -> None:
        self._name = name
        self._here = SlidingWindowCounterRateLimiter(windows)
        self._shared = shared

    async def seconds_to_wait(self, most: int, names: Sequence[str]) -> int | None:
        """Count for each name, or for none; tell when to try again if there were too many."""
        item = _per_minute(self._name, most)
        hashed = [_hashed(name) for name in names]
        if self._shared is not None:
            with suppress(Unavailable), self._shared.asking():
                return await _hit(self._shared.limiter, item, hashed)
        return await _hit(self._here, item, hashed)


async def _hit(
    limiter: SlidingWindowCounterRateLimiter, item: RateLimitItemPerMinute, names: Sequence[str]
) -> int | None:
    for number, name in enumerate(names):
        if not await limiter.hit(item, name):
            for earlier in names[:number]:
                await limiter.hit(item, earlier, cost=-1)
            return await _seconds_to_wait(limiter, item, name)
    return None


async def _seconds_to_wait(
    limiter: SlidingWindowCounterRateLimiter, item: RateLimitItemPerMinute, name: str
) -> int:
    """Tell after how many whole seconds one more will do, of a name that is at its limit.

    The limiter's own word is the very moment until which it will not.
    """
    storage = limiter.storage
    previous, left, _, left_of_both = await storage.get_sliding_window(  # ty: ignore[missing-attribute]
        item.key_for(name), WINDOW_SECONDS
    )
    # At its end a window counts in full, and from then on ever less.
    seconds = left_of_both - WINDOW_SECONDS
    if previous:
        still_counted = math.floor(previous * left / WINDOW_SECONDS)
        seconds = min(seconds, left - still_counted * WINDOW_SECONDS / previous)
    return max(0, math.floor(seconds + _INSTANT)) + 1


class _Places:
    """One limit of what is at once: counted in this process, and shared if there is an engine."""

    def __init__(
        self, name: str, most: int, leases: "Leases | None", refused: Callable[..., RateLimited]
    ) -> None:
        self._name = name
        self._most = most
        self._leases = leases
        self._refused = partial(refused, name, most, 1, _WAIT_FOR_ONE)
        self._used: dict[str, int] = {}

    @asynccontextmanager
    async def held(self, names: Sequence[str]) -> AsyncGenerator[None]:
        """Hold a place for each name.

        Raises:
            RateLimited: There is none for one of them; then none was taken.
        """
        if not self._most:
            yield
            return
        with self._held_here(names):
            if self._leases is None:
                yield
                return
            keys = [f"{_PREFIX}:{self._name}:{_hashed(name)}" for name in names]
            async with self._leases.held(keys, self._most) as are_held:
                if not are_held:
                    raise self._refused()
                yield

    @contextmanager
    def _held_here(self, names: Sequence[str]) -> Generator[None]:
        used = self._used
        if any(used.get(name, 0) >= self._most for name in names):
            raise self._refused()
        for name in names:
            used[name] = used.get(name, 0) + 1
        try:
            yield
        finally:
            for name in names:
                if used[name] == 1:
                    del used[name]
                else:
                    used[name] -= 1


class Leases:
    """The places that this process holds among those of all, and gives back or renews.

    One task does both, for all of them. Nobody waits for what is given back.

    Args:
        engine: Where the places are.
        renewal_seconds: How often all are renewed.
    """

    def __init__(self, engine: Engine, renewal_seconds: float) -> None:
        self._engine = engine
        self._renewal_seconds = renewal_seconds
        register = engine.client.register_script
        self._take, self._renew, self._return = map(register, (_TAKE, _RENEW, _RETURN))
        self._process = secrets.token_hex(8)
        self._numbers = itertools.count()
        self._held: dict[str, Sequence[str]] = {}
        self._returned: dict[str, Sequence[str]] = {}
        self._times_returned = 0
        self._news = asyncio.Event()
        self._asking: set[asyncio.Task[bool]] = set()
        self._keeping: asyncio.Task[None] | None = None
        self._is_closing = False

    @asynccontextmanager
    async def held(self, keys: Sequence[str], most: int) -> AsyncGenerator[bool]:
        """Hold a place in each set, or in none if one is full; tell whether.

        While the engine is away everybody does: then this process counts for itself.
        """
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep())
        lease = f"{self._process}:{next(self._numbers)}"
        asking = asyncio.create_task(self._ask(lease, keys, most))
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)
        try:
            # Asked to its end whatever becomes of the caller: what was taken must be known.
            yield await asyncio.shield(asking)
        finally:
            asking.add_done_callback(partial(self._give_back, lease))

    async def renew(self) -> None:
        """Renew all; what was lost with an engine that was started anew is there again."""
        with suppress(Unavailable):
            for keys, leases in _batches(self._held):
                with self._engine.asking():
                    await self._renew(keys, [LEASE_SECONDS * 1000, *leases])

    async def close(self) -> None:
        """Give everything back."""
        if self._keeping is None:
            return
        self._is_closing = True
        self._news.set()
        await asyncio.wait({self._keeping, *self._asking})
        self._returned |= self._held
        self._held.clear()
        await self._give_all_back()

    async def _ask(self, lease: str, keys: Sequence[str], most: int) -> bool:
        arguments = [lease, LEASE_SECONDS * 1000, most]
        times_returned = self._times_returned
        try:
            with self._engine.asking():
                is_taken = await self._take(keys, arguments)
            # A place that this process just returned is free, whether the engine knew or not.
            if not is_taken and (self._returned or self._times_returned > times_returned):
                await self._remove(self._returned)
                with self._engine.asking():
                    is_taken = await self._take(keys, arguments)
        except Unavailable:
            is_taken = True
        if is_taken:
            self._held[lease] = keys
        return bool(is_taken)

    def _give_back(self, lease: str, _asking: asyncio.Task[bool]) -> None:
        if keys := self._held.pop(lease, None):
            self._returned[lease] = keys
            self._news.set()

    async def _give_all_back(self) -> None:
        """Give back what was returned; never beside a renewal, which would bring it back."""
        returned = dict(self._returned)
        await self._remove(returned)
        self._times_returned += 1
        for lease in returned:
            del self._returned[lease]

    async def _remove(self, leases: Mapping[str, Sequence[str]]) -> None:
        with suppress(Unavailable):  # without the engine they end by themselves
            for keys, names in _batches(leases):
                with self._engine.asking():
                    await self._return(keys, names)

    async def _keep(self) -> None:
        due = time.monotonic() + self._renewal_seconds
        while not self._is_closing:
            self._news.clear()
            if self._returned:
                await self._give_all_back()
            with suppress(TimeoutError):
                async with asyncio.timeout(due - time.monotonic()):
                    await self._news.wait()
            if time.monotonic() >= due:
                await self.renew()
                due = time.monotonic() + self._renewal_seconds


def _batches(
    leases: Mapping[str, Sequence[str]],
) -> Iterator[tuple[list[str], list[str]]]:
    """Give sets and what is in them, pair by pair, as many as one script shall take."""
    pairs = [(key, lease) for lease, keys in leases.items() for key in keys]
    for start in range(0, len(pairs), LEASES_AT_ONCE):
        keys, names = zip(*pairs[start : start + LEASES_AT_ONCE], strict=True)
        yield list(keys), list(names)
