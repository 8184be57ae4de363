"""Accounts: every key is one, with its own jobs, balance and limits."""

import hashlib
import math
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from datetime import datetime, timedelta

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from luma_mcp.sandbox.behaviour import Behaviour, Kind
from luma_mcp.sandbox.jobs import Job

_MINUTE = timedelta(seconds=60)
_MAX_COUNTED_FAULTS = 1_000


class Account:
    """What belongs to one key."""

    def __init__(self, behaviour: Behaviour, forget: Callable[[Job], None]) -> None:
        self.jobs: OrderedDict[str, Job] = OrderedDict()
        self._behaviour = behaviour
        self._forget = forget
        self._balance_cents = behaviour.starting_balance_cents
        self._refunds: list[tuple[datetime, float]] = []
        self._starts: dict[Kind, deque[datetime]] = {"video": deque(), "image": deque()}
        self._running: dict[Kind, list[Job]] = {"video": [], "image": []}
        self._met: Counter[str] = Counter()

    def admit(self, kind: Kind, now: datetime) -> None:
        """Check that one more job of this kind may start.

        The status is that of docs.lumalabs.ai/docs/rate-limits; Luma publishes neither text nor
        headers.

        Raises:
            HTTPException: 429 with Retry-After.
        """
        limits = self._behaviour.limits(kind)
        starts = self._starts[kind]
        while starts and starts[0] + _MINUTE <= now:
            starts.popleft()
        if len(starts) >= limits.creates_per_minute:
            wait = (starts[0] + _MINUTE - now).total_seconds() if starts else math.inf
            raise _too_many("Rate limit exceeded", wait)
        running = [
            job for job in self._running[kind] if job.id in self.jobs and not job.is_over(now)
        ]
        self._running[kind] = running
        if len(running) >= limits.concurrent:
            wait = min((job.count_seconds_left(now) for job in running), default=math.inf)
            raise _too_many("Too many concurrent generations", wait)

    def charge(self, cents: float, now: datetime) -> None:
        """Take the price of a job.

        Raises:
            HTTPException: 402, if the balance is too low; Luma does not publish its text.
        """
        if self.get_balance_cents(now) < cents:
            raise HTTPException(402, "Insufficient credits")
        self._balance_cents -= cents

    def get_balance_cents(self, now: datetime) -> float:
        """The balance in US cents, after the refund of every job that has failed by now."""
        self._balance_cents += sum(cents for due, cents in self._refunds if due <= now)
        self._refunds = [refund for refund in self._refunds if refund[0] > now]
        return self._balance_cents

    def start(self, job: Job, cents: float) -> None:
        """Begin a job that was admitted and charged, and forget the oldest if there are many."""
        self.jobs[job.id] = job
        self._starts[job.kind].append(job.created_at)
        self._running[job.kind].append(job)
        if job.failure_reason and job.ends_at:
            self._refunds.append((job.ends_at, cents))
        if len(self.jobs) > self._behaviour.max_jobs_per_account:
            self.remove(next(iter(self.jobs)))

    def find(self, job_id: str) -> Job:
        """The job of this id.

        Raises:
            HTTPException: 404, if this account has none.
        """
        if job_id not in self.jobs:
            raise HTTPException(404, "Generation not found")
        return self.jobs[job_id]

    def remove(self, job_id: str) -> None:
        """Delete a job; if it runs, its place is free.

        Raises:
            HTTPException: 404, if this account has none of this id.
        """
        self._forget(self.find(job_id))
        del self.jobs[job_id]

    def clear(self) -> None:
        """Delete every job."""
        for job_id in list(self.jobs):
            self.remove(job_id)

    def meets(self, times: int | None, occasion: str) -> bool:
        """Whether a fault happens on this occasion too, or has happened often enough already."""
        if times is None:
            return True
        name = hashlib.sha256(occasion.encode()).hexdigest()
        if len(self._met) >= _MAX_COUNTED_FAULTS:
            self._met.clear()
        self._met[name] += 1
        return self._met[name] <= times


class Accounts:
    """All accounts of one API, by a hash of their keys."""

    def __init__(self, behaviour: Behaviour, forget: Callable[[Job], None]) -> None:
        self._behaviour = behaviour
        self._forget = forget
        self._accounts: OrderedDict[str, Account] = OrderedDict()

    def get(self, headers: Headers) -> Account:
        """The account of a request's key, opened at its first use.

        Raises:
            HTTPException: 401 without a key that begins with `luma-`; 403 with a key of the
                Agents API, which Dream Machine refuses.
        """
        scheme, _, key = headers.get("authorization", "").partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key.startswith("luma-"):
            raise HTTPException(401, "Invalid API key is provided")
        if key.startswith("luma-api-"):
            raise HTTPException(403, "This API key is not valid for the Dream Machine API")
        return self._open(hashlib.sha256(key.encode()).hexdigest())

    def _open(self, name: str) -> Account:
        account = self._accounts.setdefault(name, Account(self._behaviour, self._forget))
        self._accounts.move_to_end(name)
        if len(self._accounts) > self._behaviour.max_accounts:
            _, forgotten = self._accounts.popitem(last=False)
            forgotten.clear()
        return account


def _too_many(detail: str, wait_seconds: float) -> HTTPException:
    seconds = 60 if math.isinf(wait_seconds) else max(1, math.ceil(wait_seconds))
    return HTTPException(429, detail, headers={"Retry-After": str(seconds)})
