"""What all processes of one server remember: how far something got, texts, and sums.

One process remembers in memory, until it ends. Several share a Redis or Valkey.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, cast

from cachetools import TLRUCache

from luma_mcp.engine import Engine

MAX_NAMES = 100_000
Value = TypeVar("Value")
# Scripts run as a whole. Plain commands would lengthen the memory at a failure too.
_ADVANCE = """
local highest = redis.call('GET', KEYS[1])
if highest and tonumber(ARGV[1]) <= tonumber(highest) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""
_REPLACE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""
_FORGET = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
_SPEND = """
if tonumber(redis.call('GET', KEYS[1]) or 0) + tonumber(ARGV[1]) > tonumber(ARGV[2]) then
  return 0
end
redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3], 'NX')
return 1
"""
_GIVE_BACK = """
if redis.call('EXISTS', KEYS[1]) == 1 and redis.call('DECRBY', KEYS[1], ARGV[1]) <= 0 then
  redis.call('DEL', KEYS[1])
end
return 1
"""


class Ledger(Protocol):
    """Numbers, texts and sums by name; those of one name have nothing to do with each other.

    Raises:
        Unavailable: What the processes share cannot be reached.
    """

    async def advance(self, name: str, number: int, seconds: int) -> bool:
        """Note a number if it is above the highest so far, and tell whether it was.

        Of several at once with the same number, one is told so. What was noted is remembered for
        so many seconds. Numbers are told apart up to 2**53.
        """
        ...

    async def highest(self, name: str) -> int | None:
        """Give the highest number noted, or None if there is none or it was forgotten."""
        ...

    async def keep(self, name: str, text: str, seconds: int) -> str | None:
        """Keep a text for so many seconds unless there is one; gives the one that there was.

        Of several at once, one is told that there was none.
        """
        ...

    async def recall(self, name: str) -> str | None:
        """Give the text that is kept, if there is one."""
        ...

    async def replace(self, name: str, old: str, new: str, seconds: int) -> bool:
        """Keep another text instead, if it is still this one that is kept; tell whether it was."""
        ...

    async def forget(self, name: str, text: str) -> bool:
        """Keep a text no longer, if it is still this one that is kept; tell whether it was."""
        ...

    async def spend(self, name: str, amount: int, most: int, seconds: int) -> bool:
        """Add to a sum unless it would be more than `most` then; tell whether it was added.

        The sum is remembered for so many seconds from its first amount on.
        """
        ...

    async def spent(self, name: str) -> int:
        """Give the sum."""
        ...

    async def give_back(self, name: str, amount: int) -> None:
        """Take an amount that was added off the sum again, unless the sum was forgotten."""
        ...


def ledger_in(engine: Engine | None) -> Ledger:
    """Remember in memory, or in the engine that several processes share."""
    return MemoryLedger() if engine is None else RedisLedger(engine)


@dataclass(slots=True)
class _Kept(Generic[Value]):
    value: Value
    until: float


class MemoryLedger:
    """What one process remembers: so many names, of which the least recently used are forgotten.

    Args:
        max_names: How many numbers are noted, how many texts kept, and how many sums.
        now: The time in seconds.
    """

    def __init__(
        self, max_names: int = MAX_NAMES, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        def cache() -> TLRUCache[str, _Kept]:
            return TLRUCache(max_names, lambda _name, kept, _now: kept.until, now)

        self._now = now
        # One for each kind, so that a flood of one makes nothing of another forgotten.
        self._numbers, self._texts, self._sums = cache(), cache(), cache()

    async def advance(self, name: str, number: int, seconds: int) -> bool:
        """Note as `Ledger` says."""
        kept = self._numbers.get(name)
        if kept and number <= kept.value:
            return False
        self._numbers[name] = self._for(seconds, number)
        return True

    async def highest(self, name: str) -> int | None:
        """Give as `Ledger` says."""
        kept = self._numbers.get(name)
        return kept.value if kept else None

    async def keep(self, name: str, text: str, seconds: int) -> str | None:
        """Keep as `Ledger` says."""
        kept = self._texts.get(name)
        if kept:
            return kept.value
        self._texts[name] = self._for(seconds, text)
        return None

    async def recall(self, name: str) -> str | None:
        """Give as `Ledger` says."""
        kept = self._texts.get(name)
        return kept.value if kept else None

    async def replace(self, name: str, old: str, new: str, seconds: int) -> bool:
        """Keep as `Ledger` says."""
        if await self.recall(name) != old:
            return False
        self._texts[name] = self._for(seconds, new)
        return True

    async def forget(self, name: str, text: str) -> bool:
        """Forget as `Ledger` says."""
        if await self.recall(name) != text:
            return False
        del self._texts[name]
        return True

    async def spend(self, name: str, amount: int, most: int, seconds: int) -> bool:
        """Add as `Ledger` says."""
        kept = self._sums.get(name) or self._for(seconds, 0)
        if kept.value + amount > most:
            return False
        kept.value += amount
        self._sums[name] = kept
        return True

    async def spent(self, name: str) -> int:
        """Give as `Ledger` says."""
        kept = self._sums.get(name)
        return kept.value if kept else 0

    async def give_back(self, name: str, amount: int) -> None:
        """Take off as `Ledger` says."""
        if kept := self._sums.get(name):
            kept.value -= amount
            if kept.value <= 0:  # whoever comes with made-up keys leaves nothing
                del self._sums[name]

    def _for(self, seconds: int, value: Value) -> _Kept[Value]:
        return _Kept(value, self._now() + seconds)


class RedisLedger:
    """What several processes remember together, in the engine that they share."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        register = engine.client.register_script
        self._advance, self._replace, self._forget, self._spend, self._give_back = (
            register(script) for script in (_ADVANCE, _REPLACE, _FORGET, _SPEND, _GIVE_BACK)
        )

    async def advance(self, name: str, number: int, seconds: int) -> bool:
        """Note as `Ledger` says."""
        with self._engine.asking():
            return bool(await self._advance([_key("highest", name)], [number, seconds]))

    async def highest(self, name: str) -> int | None:
        """Give as `Ledger` says."""
        number = await self._get("highest", name)
        return None if number is None else int(number)

    async def keep(self, name: str, text: str, seconds: int) -> str | None:
        """Keep as `Ledger` says."""
        with self._engine.asking():
            kept = await self._engine.client.set(
                _key("text", name), text, ex=seconds, nx=True, get=True
            )
        return cast("bytes", kept).decode() if kept else None

    async def recall(self, name: str) -> str | None:
        """Give as `Ledger` says."""
        text = await self._get("text", name)
        return None if text is None else text.decode()

    async def replace(self, name: str, old: str, new: str, seconds: int) -> bool:
        """Keep as `Ledger` says."""
        with self._engine.asking():
            return bool(await self._replace([_key("text", name)], [old, new, seconds]))

    async def forget(self, name: str, text: str) -> bool:
        """Forget as `Ledger` says."""
        with self._engine.asking():
            return bool(await self._forget([_key("text", name)], [text]))

    async def spend(self, name: str, amount: int, most: int, seconds: int) -> bool:
        """Add as `Ledger` says."""
        with self._engine.asking():
            return bool(await self._spend([_key("sum", name)], [amount, most, seconds]))

    async def spent(self, name: str) -> int:
        """Give as `Ledger` says."""
        return int(await self._get("sum", name) or 0)

    async def give_back(self, name: str, amount: int) -> None:
        """Take off as `Ledger` says."""
        with self._engine.asking():
            await self._give_back([_key("sum", name)], [amount])

    async def _get(self, kind: str, name: str) -> bytes | None:
        with self._engine.asking():
            return cast("bytes | None", await self._engine.client.get(_key(kind, name)))


def _key(kind: str, name: str) -> str:
    """Name a key; a hash, since names hold addresses, which are personal, and foreign text."""
    return f"luma-mcp:{kind}:{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()}"
