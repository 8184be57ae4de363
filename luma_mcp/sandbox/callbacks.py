"""Callbacks: telling a caller's own server how its jobs go on."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

import httpx

from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.sandbox.clock import Clock
from luma_mcp.sandbox.jobs import Job, Json

# docs.lumalabs.ai/docs/video-generation, the note on callbacks.
_ATTEMPTS = 4
_PAUSE_SECONDS = 0.1
_TIMEOUT_SECONDS = 5

Description = Callable[[Job, datetime, str], Json]

logger = logging.getLogger(__name__)


class Callbacks:
    """Posts a generation to its callback URL when it dreams, is completed or has failed."""

    def __init__(self, behaviour: Behaviour, clock: Clock, describe: Description) -> None:
        self._behaviour = behaviour
        self._describe = describe
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._client: httpx.AsyncClient | None = None

    def follow(self, job: Job, public_url: str) -> None:
        """Report on a job until it ends, if it asked for that and its host may be called."""
        url = job.draft.request["callback_url"]
        if url is None:
            return
        if httpx.URL(url).host not in self._behaviour.callback_hosts:
            logger.warning("Job %s is not reported: its callback host is not allowed", job.id)
            return
        if len(self._tasks) >= self._behaviour.max_callbacks:
            logger.warning("Job %s is not reported: too many callbacks", job.id)
            return
        self._tasks[job.id] = task = asyncio.create_task(self._report(job, url, public_url))
        task.add_done_callback(lambda _: self._tasks.pop(job.id, None))

    def stop(self, job: Job) -> None:
        """Report no more on a job."""
        if task := self._tasks.get(job.id):
            task.cancel()

    async def close(self) -> None:
        """Stop all reports and close the connections."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _report(self, job: Job, url: str, public_url: str) -> None:
        for turn in job.list_turns():
            await self._clock.sleep((turn - self._clock.now()).total_seconds())
            await self._deliver(job.id, url, self._describe(job, turn, public_url))

    async def _deliver(self, job_id: str, url: str, generation: Json) -> None:
        for attempt in range(_ATTEMPTS):
            if attempt:
                await self._clock.sleep(_PAUSE_SECONDS)
            if await self._post(url, generation):
                return
        logger.warning("Job %s: nobody took its callback", job_id)

    async def _post(self, url: str, generation: Json) -> bool:
        if self._client is None:
            self._client = httpx.AsyncClient(
                follow_redirects=False, trust_env=False, headers={"user-agent": "luma-sandbox"}
            )
        try:
            # The body of the answer is never read: it may be endless.
            async with (
                asyncio.timeout(_TIMEOUT_SECONDS),
                self._client.stream("POST", url, json=generation) as response,
            ):
                return response.status_code == httpx.codes.OK
        except (httpx.HTTPError, TimeoutError):
            return False
