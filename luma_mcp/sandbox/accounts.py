"""Accounts: every key is one, with its own jobs, balance and limits."""

import hashlib
from abc import ABC, abstractmethod
from collections import Counter, OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from luma_mcp.sandbox.behaviour import Behaviour, Limits
from luma_mcp.sandbox.jobs import Draft, Job
from luma_mcp.sandbox.limits import Turnstile

_MAX_COUNTED_FAULTS = 1_000

A = TypeVar("A", bound="Account")


class Account(ABC):
    """What belongs to one key, whichever of Luma's APIs it is for."""

    # What is said when the balance is too low.
    _poverty: ClassVar[str]

    def __init__(self, behaviour: Behaviour, forget: Callable[[Job], None]) -> None:
        self.jobs: OrderedDict[str, Job] = OrderedDict()
        self._behaviour = behaviour
        self._forget = forget
        self._balance_cents = behaviour.starting_balance_cents
        self._refunds: list[tuple[datetime, float]] = []
        self._met: Counter[str] = Counter()

    @abstractmethod
    def admit(self, draft: Draft, now: datetime, /) -> None:
        """Check that one more job may start.

        Raises:
            HTTPException: 429 with Retry-After.
        """

    @abstractmethod
    def get_turnstile(self, job: Job, /) -> Turnstile:
        """Where a job is counted."""

    def list_headers(self, now: datetime) -> dict[str, str]:  # noqa: ARG002 - others need it
        """What the answer to a creation says about limits."""
        return {}

    def charge(self, cents: float, now: datetime) -> None:
        """Take the price of a job.

        Raises:
            HTTPException: 402, if the balance is too low.
        """
        if self.get_balance_cents(now) < cents:
            raise HTTPException(402, self._poverty)
        self._balance_cents -= cents

    def get_balance_cents(self, now: datetime) -> float:
        """The balance in US cents, after the refund of every job that has failed by now."""
        self._balance_cents += sum(cents for due, cents in self._refunds if due <= now)
        self._refunds = [refund for refund in self._refunds if refund[0] > now]
        return self._balance_cents

    def start(self, job: Job) -> None:
        """Begin a job that was admitted and charged, and forget the oldest if there are many."""
        self.jobs[job.id] = job
        self.get_turnstile(job).enter(job)
        if job.failure and job.ends_at:
            self._refunds.append((job.ends_at, job.draft.cents * job.failure.refunded))
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

    def _build_turnstile(self, limits: Limits) -> Turnstile:
        return Turnstile(limits, self.jobs)


class Accounts(Generic[A]):
    """All accounts of one API, by a hash of their keys."""

    def __init__(
        self, behaviour: Behaviour, read_key: Callable[[Headers], str], build: Callable[[], A]
    ) -> None:
        self._behaviour = behaviour
        self._read_key = read_key
        self._build = build
        self._accounts: OrderedDict[str, A] = OrderedDict()

    def get(self, headers: Headers) -> A:
        """The account of a request's key, opened at its first use.

        Raises:
            HTTPException: 401 or 403, if the API does not take the key.
        """
        return self._open(hashlib.sha256(self._read_key(headers).encode()).hexdigest())

    def _open(self, name: str) -> A:
        if name not in self._accounts:
            self._accounts[name] = self._build()
        self._accounts.move_to_end(name)
        if len(self._accounts) > self._behaviour.max_accounts:
            _, forgotten = self._accounts.popitem(last=False)
            forgotten.clear()
        return self._accounts[name]
