"""What the Agents API makes of a key: an account with files, whose jobs are counted together."""

from collections.abc import Callable
from datetime import datetime

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from luma_mcp.sandbox.accounts import Account
from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.sandbox.files import Files
from luma_mcp.sandbox.jobs import Draft, Job
from luma_mcp.sandbox.limits import Turnstile, build_too_many

_PREFIX = "luma-api-"
# The texts of the guide to error handling, by a word in the key that asks for them.
_REFUSALS = {
    "revoked": (401, "API key has been revoked"),
    "expired": (401, "API key has expired"),
    "suspended": (403, "API client is suspended"),
    "deactivated": (403, "API client is deactivated"),
}
KEYS = {
    "luma-…": "Dream Machine: any key that begins so is an account of its own",
    "luma-api-…": "Agents API: likewise; Dream Machine answers 403",
} | {f"luma-api-…{word}…": f"Agents API: {said[0]}, {said[1]}" for word, said in _REFUSALS.items()}


def read_key(headers: Headers) -> str:
    """Read a request's key; the scheme is written `Bearer` and in no other way.

    Raises:
        HTTPException: 401 or 403, with Luma's text.
    """
    scheme, _, key = headers.get("authorization", "").partition(" ")
    key = key.strip()
    if scheme != "Bearer" or not key:
        raise HTTPException(401, "Missing or invalid API key")
    if not key.startswith(_PREFIX):
        raise HTTPException(401, "Invalid API key")
    for word, (status, text) in _REFUSALS.items():
        if word in key:
            raise HTTPException(status, text)
    return key


class AgentsAccount(Account):
    """What belongs to one key; Luma's newer guides say to one client, with all its keys."""

    _poverty = "Insufficient balance. Please add funds to continue."

    def __init__(self, behaviour: Behaviour, forget: Callable[[Job], None]) -> None:
        super().__init__(behaviour, forget)
        self.files = Files(behaviour)
        self._limit = behaviour.agents_limits().creates_per_minute
        self._turnstile = self._build_turnstile(behaviour.agents_limits())

    def get_turnstile(self, _: Job, /) -> Turnstile:
        """Where a job is counted, whichever it is."""
        return self._turnstile

    def admit(self, _: Draft, now: datetime, /) -> None:
        """Check that one more job may start, by the guide to rate limits.

        Only requests that make a job are counted; whether Luma counts refused ones is unknown.

        Raises:
            HTTPException: 429, of one of two kinds.
        """
        if wait := self._turnstile.count_seconds_to_start(now):
            raise build_too_many("Rate limit exceeded", wait, self.list_headers(now))
        if self._turnstile.count_seconds_to_place(now):
            raise build_too_many("Too many concurrent jobs", 60)

    def list_headers(self, now: datetime) -> dict[str, str]:
        """What is left of the minute; it is said to end in sixty seconds, whenever one asks."""
        return {
            "X-RateLimit-Limit": str(self._limit),
            "X-RateLimit-Remaining": str(self._turnstile.count_starts_left()),
            "X-RateLimit-Reset": str(int(now.timestamp()) + 60),
        }
