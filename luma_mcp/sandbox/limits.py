"""Limits: how many jobs may start in a minute, and how many may run."""

import math
from collections import deque
from collections.abc import Container
from datetime import datetime, timedelta

from starlette.exceptions import HTTPException

from luma_mcp.sandbox.behaviour import Limits
from luma_mcp.sandbox.jobs import Job

_MINUTE = timedelta(seconds=60)


class Turnstile:
    """Counts the jobs of one account that started within sixty seconds, and those that run.

    Jobs that are no longer among those of the account do not run.
    """

    def __init__(self, limits: Limits, jobs: Container[str]) -> None:
        self._limits = limits
        self._jobs = jobs
        self._starts: deque[datetime] = deque()
        self._running: list[Job] = []

    def count_seconds_to_start(self, now: datetime) -> float:
        """How long until one more job may start; 0 if it may now, infinite if it never may."""
        while self._starts and self._starts[0] + _MINUTE <= now:
            self._starts.popleft()
        if len(self._starts) < self._limits.creates_per_minute:
            return 0
        return (self._starts[0] + _MINUTE - now).total_seconds() if self._starts else math.inf

    def count_seconds_to_place(self, now: datetime) -> float:
        """How long until one more job may run; 0 if it may now, infinite if nobody knows."""
        self._running = [job for job in self._running if self._holds_place(job, now)]
        if len(self._running) < self._limits.concurrent:
            return 0
        return min((job.count_seconds_left(now) for job in self._running), default=math.inf)

    def count_starts_left(self) -> int:
        """How many jobs may still start, as of the last look at the time."""
        return self._limits.creates_per_minute - len(self._starts)

    def enter(self, job: Job) -> None:
        """Count a job that starts."""
        self._starts.append(job.created_at)
        self._running.append(job)

    def _holds_place(self, job: Job, now: datetime) -> bool:
        dropped = (now - job.created_at).total_seconds() >= self._limits.place_seconds
        return job.id in self._jobs and not job.is_over(now) and not dropped


def build_too_many(
    detail: str, wait_seconds: float, headers: dict[str, str] | None = None
) -> HTTPException:
    """A 429 with Retry-After in whole seconds, at least 1; 60 if nobody knows how long it takes."""
    seconds = 60 if math.isinf(wait_seconds) else max(1, math.ceil(wait_seconds))
    return HTTPException(429, detail, headers={"Retry-After": str(seconds), **(headers or {})})
