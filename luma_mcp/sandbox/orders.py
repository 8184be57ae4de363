"""Orders: how a draft becomes a job and an answer, and what may go wrong on the way."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from luma_mcp.sandbox import accidents
from luma_mcp.sandbox.accounts import Account
from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.sandbox.callbacks import Callbacks
from luma_mcp.sandbox.clock import Clock
from luma_mcp.sandbox.drafts import Draft
from luma_mcp.sandbox.faults import FAILURES, UNREACHABLE, Faults, parse_faults
from luma_mcp.sandbox.gallery import Gallery
from luma_mcp.sandbox.jobs import Job

_DETAILS = {
    408: "Request timeout",
    409: "Conflict",
    429: "Rate limit exceeded",
    500: "Internal server error",
    502: "Bad gateway",
    503: "Service unavailable",
    504: "Gateway timeout",
}


class Orders:
    """Takes the drafts of one API."""

    def __init__(
        self, behaviour: Behaviour, clock: Clock, gallery: Gallery, callbacks: Callbacks
    ) -> None:
        self._behaviour = behaviour
        self._clock = clock
        self._gallery = gallery
        self._callbacks = callbacks

    async def take(
        self, draft: Draft, account: Account, public_url: str, *, status: int
    ) -> Response:
        """Start a job and answer with its generation.

        Raises:
            HTTPException: If a fault, a limit or the balance forbids it.
        """
        faults = parse_faults(draft.prompt)
        accident = faults.accident
        if (faults.status or accident) and not account.meets(
            faults.times, f"create {draft.prompt}"
        ):
            accident = None
        elif faults.status:
            raise build_failure(faults.status, faults.retry_after)
        if accident in _BEFORE:
            return _BEFORE[accident]()
        job = self._start(draft, account, faults)
        self._callbacks.follow(job, public_url)
        await self._wait(draft, job)
        generation = job.describe(self._clock.now(), public_url)
        return self._answer(generation, accident, status)

    def _start(self, draft: Draft, account: Account, faults: Faults) -> Job:
        now = self._clock.now()
        account.admit(draft.kind, now)
        account.charge(draft.cents, now)
        request = draft.body.model_dump()
        pace = self._behaviour.pace(draft.kind)
        dreaming = faults.dreaming_seconds
        seconds = pace.dreaming_seconds if dreaming is None else dreaming
        dreams_at = now + timedelta(seconds=pace.queued_seconds)
        unreachable = any(UNREACHABLE in url for url in _list_sources(request))
        job = Job(
            kind=draft.kind,
            model=draft.scene.model,
            request=request,
            scene=draft.scene,
            created_at=now,
            dreams_at=dreams_at,
            ends_at=None if faults.never else dreams_at + timedelta(seconds=seconds),
            failure_reason=FAILURES["frames"] if unreachable else faults.failure_reason,
            faults=faults,
        )
        self._gallery.hang(job.file_name, job.scene)
        account.start(job, draft.cents)
        return job

    async def _wait(self, draft: Draft, job: Job) -> None:
        """Wait for a synchronous image; one that is not done in time is answered as it is."""
        left = job.count_seconds_left(self._clock.now())
        seconds = min(left, draft.wait_seconds, self._behaviour.stall_seconds)
        if seconds > 0:
            await self._clock.sleep(seconds)

    def _answer(self, generation: dict[str, Any], accident: str | None, status: int) -> Response:
        whole = JSONResponse(generation, status)
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


_BEFORE = {
    "html": accidents.build_page,
    "redirect": accidents.build_redirect,
    "reset": accidents.Reset,
}


def build_failure(status: int, retry_after: str | None) -> HTTPException:
    """An error that a prompt asked for; 429 comes with a Retry-After unless told otherwise."""
    if retry_after is None and status == httpx.codes.TOO_MANY_REQUESTS:
        retry_after = "1"
    headers = {"Retry-After": retry_after} if retry_after not in (None, "none") else None
    return HTTPException(status, _DETAILS.get(status, "The prompt asked for this"), headers=headers)


def _list_sources(part: object) -> Iterator[str]:
    """Every address in a body that Luma would fetch."""
    if isinstance(part, dict):
        yield from (part[key] for key in ("url",) if part.get(key))
        yield from part.get("images", ())
        for value in part.values():
            yield from _list_sources(value)
    elif isinstance(part, list):
        for value in part:
            yield from _list_sources(value)
