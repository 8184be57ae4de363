"""Whether Luma can be reached at all, asked at most once in a few seconds."""

import asyncio

import aiohttp
import httpx

FRESH_SECONDS = 5.0
PATIENCE_SECONDS = 5.0


class Reachability:
    """Asks Luma's APIs without a key: any answer of either will do.

    However often readiness is asked for, Luma hears of it once in `fresh_seconds`.

    Args:
        client: The process's client.
        urls: Where to ask, one URL for each API.
        fresh_seconds: For how long an answer is good.
    """

    def __init__(
        self, client: httpx.AsyncClient, *urls: str, fresh_seconds: float = FRESH_SECONDS
    ) -> None:
        self._client = client
        self._urls = urls
        self._fresh_seconds = fresh_seconds
        self._asking = asyncio.Lock()
        self._known: tuple[float, bool] | None = None

    async def check(self) -> bool:
        """Tell whether Luma answered, now or a moment ago."""
        async with self._asking:
            if self._known is None or self._now() - self._known[0] >= self._fresh_seconds:
                reached = await self._ask_all()
                self._known = (self._now(), reached)
            return self._known[1]

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _ask_all(self) -> bool:
        asked = [asyncio.create_task(self._ask(url)) for url in self._urls]
        try:
            for one in asyncio.as_completed(asked):
                if await one:
                    return True  # a silent API does not hold up the news that the other answers
            return False
        finally:
            for one in asked:
                one.cancel()

    async def _ask(self, url: str) -> bool:
        try:
            async with (
                asyncio.timeout(PATIENCE_SECONDS),
                self._client.stream("GET", url),
            ):
                return True  # the status is enough; nobody knows how large the body is
        except (httpx.HTTPError, aiohttp.ClientError, OSError):
            return False
