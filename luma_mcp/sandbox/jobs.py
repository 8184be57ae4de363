"""A job, whose state is a matter of what time it is."""

import math
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from luma_mcp.sandbox.behaviour import Kind
from luma_mcp.sandbox.faults import Failure, Faults
from luma_mcp.sandbox.scenes import Scene

Json = dict[str, Any]
# The words of Dream Machine; the Agents API says "processing" instead of "dreaming".
State = Literal["queued", "dreaming", "completed", "failed"]


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A job to be: what a request asks for, checked and priced.

    Attributes:
        kind: Whether a clip or pictures are made.
        type: What the API calls this sort of request.
        model: Luma's name of the model.
        prompt: The words of the request, where those of the sandbox are looked for.
        scenes: What is to be seen when the job is done, one to a file.
        cents: Its price, in US cents.
        request: The accepted body, if the API echoes it.
        wait_seconds: How long the caller wants to wait for the end.
        failure: Why the job will fail, whatever the prompt says.
    """

    kind: Kind
    type: str
    model: str
    prompt: str
    scenes: tuple[Scene, ...]
    cents: float
    request: Json = field(default_factory=dict)
    wait_seconds: float = 0
    failure: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """One generation, from its creation to its end.

    Attributes:
        draft: What it makes.
        created_at: When it was asked for.
        dreams_at: When it leaves the queue.
        ends_at: When it is completed or has failed; None if it never ends.
        failure: Why it will fail; None if it will not.
        faults: What its prompt asked to go wrong.
    """

    draft: Draft
    created_at: datetime
    dreams_at: datetime
    ends_at: datetime | None
    failure: Failure | None
    faults: Faults
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def list_files(self) -> Iterator[tuple[str, Scene]]:
        """Its files by their names, which nobody can guess."""
        for number, scene in enumerate(self.draft.scenes):
            yield f"{self.secret}-{number}.{scene.format}", scene

    def is_over(self, now: datetime) -> bool:
        """Whether it is completed or has failed."""
        return self.ends_at is not None and now >= self.ends_at

    def is_completed(self, now: datetime) -> bool:
        """Whether its files can be fetched."""
        return self.is_over(now) and self.failure is None

    def get_state(self, now: datetime) -> State:
        """Its state."""
        if self.is_over(now):
            return "failed" if self.failure else "completed"
        return "dreaming" if now >= self.dreams_at else "queued"

    def get_failure(self, now: datetime) -> Failure | None:
        """Why it has failed, once it has."""
        return self.failure if self.is_over(now) else None

    def count_seconds_left(self, now: datetime) -> float:
        """How many seconds remain; infinite if it never ends."""
        return math.inf if self.ends_at is None else (self.ends_at - now).total_seconds()

    def list_turns(self) -> Iterator[datetime]:
        """The moments that a callback hears of: it dreams, and it ends."""
        yield self.dreams_at
        if self.ends_at is not None:
            yield self.ends_at


def write_moment(moment: datetime) -> str:
    """A moment as both of Luma's APIs write it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"
