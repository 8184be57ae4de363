"""What Dream Machine makes of a key: an account whose videos and pictures are counted apart."""

from collections.abc import Callable
from datetime import datetime

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from luma_mcp.sandbox.accounts import Account
from luma_mcp.sandbox.behaviour import Behaviour, Kind
from luma_mcp.sandbox.jobs import Draft, Job
from luma_mcp.sandbox.limits import Turnstile, build_too_many


def read_key(headers: Headers) -> str:
    """Read a request's key.

    Raises:
        HTTPException: 401 without a key that begins with `luma-`; 403 with a key of the Agents
            API, which Dream Machine refuses.
    """
    scheme, _, key = headers.get("authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key.startswith("luma-"):
        raise HTTPException(401, "Invalid API key is provided")
    if key.startswith("luma-api-"):
        raise HTTPException(403, "This API key is not valid for the Dream Machine API")
    return key


class DreamMachineAccount(Account):
    """What belongs to one key."""

    _poverty = "Insufficient credits"  # Luma does not publish this text.

    def __init__(self, behaviour: Behaviour, forget: Callable[[Job], None]) -> None:
        super().__init__(behaviour, forget)
        self._turnstiles: dict[Kind, Turnstile] = {
            "video": self._build_turnstile(behaviour.limits("video")),
            "image": self._build_turnstile(behaviour.limits("image")),
        }

    def get_turnstile(self, job: Job, /) -> Turnstile:
        """Where a job is counted."""
        return self._turnstiles[job.draft.kind]

    def admit(self, draft: Draft, now: datetime, /) -> None:
        """Check that one more job of this kind may start.

        The status is that of docs.lumalabs.ai/docs/rate-limits; Luma publishes neither text nor
        headers.

        Raises:
            HTTPException: 429 with Retry-After.
        """
        turnstile = self._turnstiles[draft.kind]
        if wait := turnstile.count_seconds_to_start(now):
            raise build_too_many("Rate limit exceeded", wait)
        if wait := turnstile.count_seconds_to_place(now):
            raise build_too_many("Too many concurrent generations", wait)
