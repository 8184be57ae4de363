"""Small pictures of what Luma made; no call fails for want of one."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from functools import partial
from typing import Literal, NamedTuple, Self

import anyio.to_thread
from anyio import CapacityLimiter
from cachetools import TTLCache

from luma_mcp.origins import place_of
from luma_mcp.previews.media import SECONDS, Busy, Media, MediaHosts, Unreachable
from luma_mcp.telemetry import get_logger
from luma_mcp.wording import install_extra

_log = get_logger()
Kind = Literal["image", "video"]
Draw = Callable[[bytes], bytes]
MAX_IMAGE_BYTES = 16 * 1024 * 1024
# Enough for the first frame, and for the index where that comes first.
MAX_VIDEO_BYTES = 6 * 1024 * 1024
MAX_KEPT, KEPT_SECONDS = 128, 600.0
MAX_FAILURES, FAILURE_SECONDS = 1_024, 30.0
MAX_JOBS = 32
MAX_DRAWN = 2
MAX_QUEUE = 4


class _Name(NamedTuple):
    """Whose picture of what it is; nobody gets one that was made for somebody else."""

    whose: str
    kind: Kind
    url: str  # without its query, which is another each time a link is signed


def _now() -> float:
    return asyncio.get_running_loop().time()


class Previews:
    """Makes previews, once for all who ask for the same at the same time, and keeps the last.

    Nothing is opened or imported before the first of them.

    Args:
        origins: Where pictures and clips may be fetched from; see `MediaHosts`.
        seconds: How long anybody waits for one.
        kept_seconds: How long one is kept.
        failure_seconds: For how long it is not tried again.

    Raises:
        ValueError: One of the origins is none.
    """

    def __init__(
        self,
        origins: Sequence[str],
        *,
        seconds: float = SECONDS,
        kept_seconds: float = KEPT_SECONDS,
        failure_seconds: float = FAILURE_SECONDS,
    ) -> None:
        self._media = Media(MediaHosts(origins), seconds=seconds)
        self._seconds = seconds
        self._kept = TTLCache[_Name, bytes](MAX_KEPT, kept_seconds, timer=_now)
        self._failures = TTLCache[_Name, bool](MAX_FAILURES, failure_seconds, timer=_now)
        self._jobs: dict[_Name, asyncio.Task[bytes | None]] = {}
        self._turns = asyncio.Semaphore(MAX_DRAWN)
        self._threads = CapacityLimiter(MAX_DRAWN)
        self._queue = 0
        self._draws: Mapping[Kind, Draw] = {}
        self._is_usable = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Make no more previews."""
        self._is_usable = False
        jobs = list(self._jobs.values())
        for job in jobs:
            job.cancel()
        if jobs:
            await asyncio.wait(jobs)
        await self._media.close()

    async def preview_of(self, url: str, *, kind: Kind, whose: str) -> bytes | None:
        """Give a JPEG of at most 768 pixels a side and 80 kB; None if there is none in time.

        Args:
            url: Where Luma put it.
            kind: Whether it is a picture, or a clip of which the first frame is drawn.
            whose: The hash of the keys that it was seen with, and the job's id.
        """
        name = _Name(whose, kind, url.partition("?")[0])
        kept = self._kept.get(name)
        if kept is not None or not self._is_usable or name in self._failures:
            return kept
        job = self._jobs.get(name) or self._begin(name, url)
        if job is None:
            return None
        # Who leaves, or waits no longer, takes nothing away from the others.
        await asyncio.wait({job}, timeout=self._seconds)
        return job.result() if job.done() and not job.cancelled() else None

    def _begin(self, name: _Name, url: str) -> asyncio.Task[bytes | None] | None:
        if len(self._jobs) >= MAX_JOBS:
            return None
        # In a context of its own, so that it keeps nothing of the request that started it.
        job = asyncio.create_task(self._make(name, url), context=Context())
        self._jobs[name] = job
        job.add_done_callback(lambda _: self._jobs.pop(name))
        return job

    async def _make(self, name: _Name, url: str) -> bytes | None:
        try:
            self._kept[name] = preview = await self._preview(url, name.kind)
        except Busy:
            return None
        except Exception as error:  # noqa: BLE001 - Pillow and PyAV raise dozens of kinds
            self._failures[name] = True
            place = place_of(url)
            reason = str(error) if isinstance(error, Unreachable) else type(error).__name__
            _log.debug("no preview", host=place.host if place else None, reason=reason)
            return None
        return preview

    async def _preview(self, url: str, kind: Kind) -> bytes:
        if not self._draws:
            await self._load()
        is_video = kind == "video"
        limit = MAX_VIDEO_BYTES if is_video else MAX_IMAGE_BYTES
        deadline = _now() + self._seconds
        content = await self._media.fetch(url, max_bytes=limit, partial=is_video)
        return await self._draw(partial(self._draws[kind], content), deadline)

    async def _load(self) -> None:
        """Import what draws, in a thread because it takes a while.

        Raises:
            Busy: It is not installed.
        """
        try:
            self._draws = await anyio.to_thread.run_sync(_load_drawing, limiter=self._threads)
        except ImportError as error:
            if self._is_usable:
                self._is_usable = False
                _log.warning(
                    "no previews",
                    missing=error.name,
                    advice=install_extra("previews"),
                )
            raise Busy("nothing is there to draw with") from None

    async def _draw(self, draw: Callable[[], bytes], deadline: float) -> bytes:
        """Draw in a thread, as soon as one is free.

        Raises:
            Busy: Too many others wait for one, or none was free in time.
        """
        if self._queue >= MAX_QUEUE:
            raise Busy("too many others are to be drawn")
        self._queue += 1
        try:
            async with asyncio.timeout_at(deadline):
                await self._turns.acquire()
        except TimeoutError:
            raise Busy("its turn to be drawn did not come in time") from None
        finally:
            self._queue -= 1
        try:
            return await anyio.to_thread.run_sync(draw, limiter=self._threads)
        finally:
            self._turns.release()


def _load_drawing() -> Mapping[Kind, Draw]:
    from luma_mcp.previews import drawing  # noqa: PLC0415 - an extra, which may be missing

    return {"image": drawing.draw_picture, "video": drawing.draw_clip}
