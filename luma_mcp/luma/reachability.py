"""Whether Luma can be reached at all, asked at most once in a few seconds."""

import asyncio

import aiohttp
import httpx

FRESH_SECONDS = 5.0
PATIENCE_SECONDS = 5.0


class Reachability:
    """Asks Luma's /ping without a key: any answer will do.

    However often readiness is asked for, Luma hears of it once in `fresh_seconds`.
    """

    def __init__(
        self, client: httpx.AsyncClient, base_url: str, *, fresh_seconds: float = FRESH_SECONDS
    ) -> None:
        self._client = client
        self._url = f"{base_url}/ping"
        self._fresh_seconds = fresh_seconds
        self._asking = asyncio.Lock()
        self._known: tuple[float, bool] | None = None

    async def check(self) -> bool:
        """Tell whether Luma answered, now or a moment ago."""
        async with self._asking:
            if self._known is None or self._now() - self._known[0] >= self._fresh_seconds:
                reached = await self._ask()
                self._known = (self._now(), reached)
            return self._known[1]

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _ask(self) -> bool:
        try:
            async with (
                asyncio.timeout(PATIENCE_SECONDS),
                self._client.stream("GET", self._url),
            ):
                return True  # the status is enough; nobody knows how large the body is
        except (httpx.HTTPError, aiohttp.ClientError, OSError):
            return False
