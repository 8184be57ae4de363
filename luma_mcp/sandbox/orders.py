"""Orders: how a draft becomes a job and an answer, and what may go wrong on the way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from luma_mcp.sandbox import accidents
from luma_mcp.sandbox.accounts import Account
from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.sandbox.clock import Clock
from luma_mcp.sandbox.faults import Failure, Faults, parse_faults
from luma_mcp.sandbox.gallery import Gallery
from luma_mcp.sandbox.jobs import Draft, Job, Json

_DETAILS = {
    408: "Request timeout",
    409: "Conflict",
    429: "Rate limit exceeded",
    500: "Internal server error",
    502: "Bad gateway",
    503: "Service unavailable",
    504: "Gateway timeout",
}


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How one API speaks of jobs.

    Attributes:
        failures: Why they can fail, by the words that a prompt may use.
        describe: How one is described, at a moment, by the sandbox at an address.
        follow: What else happens when one starts.
        details: What is said with a status, where that differs from what is usual.
        presigned: Whether links to media are signed and expire.
    """

    failures: Mapping[str, Failure]
    describe: Callable[[Job, datetime, str], Json]
    follow: Callable[[Job, str], None] = lambda _job, _public_url: None
    details: Mapping[int, str] = field(default_factory=dict)
    presigned: bool = False


class Orders:
    """Takes the drafts of one API."""

    def __init__(
        self, behaviour: Behaviour, clock: Clock, gallery: Gallery, dialect: Dialect
    ) -> None:
        self._behaviour = behaviour
        self._clock = clock
        self._gallery = gallery
        self._dialect = dialect

    async def take(
        self, draft: Draft, account: Account, public_url: str, *, status: int
    ) -> Response:
        """Start a job and answer with its generation.

        Raises:
            HTTPException: If a fault, a limit or the balance forbids it.
        """
        faults = parse_faults(draft.prompt, self._dialect.failures)
        accident = faults.accident
        if (faults.status or accident) and not account.meets(
            faults.times, f"create {draft.prompt}"
        ):
            accident = None
        elif faults.status:
            raise self._build_failure(faults.status, faults.retry_after)
        if accident in _BEFORE:
            return _BEFORE[accident]()
        job = self._start(draft, account, faults)
        self._dialect.follow(job, public_url)
        await self._wait(job)
        now = self._clock.now()
        generation = self._dialect.describe(job, now, public_url)
        whole = JSONResponse(generation, status, account.list_headers(now))
        return self._answer(whole, accident)

    def read(self, job_id: str, account: Account, public_url: str) -> Response:
        """Answer how a job stands.

        Raises:
            HTTPException: 404, or what its prompt asked for.
        """
        job = account.find(job_id)
        status, times = job.faults.get_status, job.faults.times or 1
        if status and account.meets(times, f"get {job.id}"):
            raise self._build_failure(status, job.faults.retry_after)
        return JSONResponse(self._dialect.describe(job, self._clock.now(), public_url))

    def _start(self, draft: Draft, account: Account, faults: Faults) -> Job:
        now = self._clock.now()
        account.admit(draft, now)
        account.charge(draft.cents, now)
        pace = self._behaviour.pace(draft.kind)
        dreaming = faults.dreaming_seconds
        seconds = pace.dreaming_seconds if dreaming is None else dreaming
        dreams_at = now + timedelta(seconds=pace.queued_seconds)
        job = Job(
            draft=draft,
            created_at=now,
            dreams_at=dreams_at,
            ends_at=None if faults.never else dreams_at + timedelta(seconds=seconds),
            failure=draft.failure or faults.failure,
            faults=faults,
        )
        for name, scene in job.list_files():
            self._gallery.hang(name, scene, presigned=self._dialect.presigned)
        account.start(job)
        return job

    async def _wait(self, job: Job) -> None:
        """Wait for a synchronous image; one that is not done in time is answered as it is."""
        left = job.count_seconds_left(self._clock.now())
        seconds = min(left, job.draft.wait_seconds, self._behaviour.stall_seconds)
        if seconds > 0:
            await self._clock.sleep(seconds)

    def _answer(self, whole: Response, accident: str | None) -> Response:
        status = whole.status_code
        answers: dict[str | None, Callable[[], Response]] = {
            "lost": accidents.Reset,
            "garbage": lambda: accidents.build_garbage(status),
            "empty": lambda: Response(status_code=status),
            "truncated": lambda: accidents.Truncated(whole.body, status, whole.headers),
            "huge": lambda: accidents.Huge(status, self._behaviour.huge_bytes),
            "stall": lambda: accidents.Stalled(
                whole, clock=self._clock, seconds=self._behaviour.stall_seconds
            ),
        }
        return answers.get(accident, lambda: whole)()

    def _build_failure(self, status: int, retry_after: str | None) -> HTTPException:
        """An error that a prompt asked for; 429 comes with a Retry-After unless told otherwise."""
        if retry_after is None and status == httpx.codes.TOO_MANY_REQUESTS:
            retry_after = "1"
        headers = {"Retry-After": retry_after} if retry_after not in (None, "none") else None
        details = {**_DETAILS, **self._dialect.details}
        return HTTPException(
            status, details.get(status, "The prompt asked for this"), headers=headers
        )


_BEFORE = {
    "html": accidents.build_page,
    "redirect": accidents.build_redirect,
    "reset": accidents.Reset,
}
