"""A job, whose state is a matter of what time it is."""

import math
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from luma_mcp.sandbox.behaviour import Kind
from luma_mcp.sandbox.faults import Faults
from luma_mcp.sandbox.scenes import Scene

State = Literal["queued", "dreaming", "completed", "failed"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One generation, from its creation to its end.

    Attributes:
        kind: Luma's `generation_type`.
        model: Luma's name of the model.
        request: The accepted body, as the generation echoes it.
        scene: What is to be seen when it is done.
        created_at: When it was asked for.
        dreams_at: When it leaves the queue.
        ends_at: When it is completed or has failed; None if it never ends.
        failure_reason: Why it will fail; None if it will not.
        faults: What its prompt asked to go wrong.
    """

    kind: Kind
    model: str
    request: dict[str, Any]
    scene: Scene
    created_at: datetime
    dreams_at: datetime
    ends_at: datetime | None
    failure_reason: str | None
    faults: Faults
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def file_name(self) -> str:
        """The name of its file, which nobody can guess."""
        return f"{self.secret}.{self.scene.format}"

    def is_over(self, now: datetime) -> bool:
        """Whether it is completed or has failed."""
        return self.ends_at is not None and now >= self.ends_at

    def is_completed(self, now: datetime) -> bool:
        """Whether its file can be fetched."""
        return self.is_over(now) and self.failure_reason is None

    def get_state(self, now: datetime) -> State:
        """Its state, in Luma's words."""
        if self.is_over(now):
            return "failed" if self.failure_reason else "completed"
        return "dreaming" if now >= self.dreams_at else "queued"

    def count_seconds_left(self, now: datetime) -> float:
        """How many seconds remain; infinite if it never ends."""
        return math.inf if self.ends_at is None else (self.ends_at - now).total_seconds()

    def list_turns(self) -> Iterator[datetime]:
        """The moments that a callback hears of: it dreams, and it ends."""
        yield self.dreams_at
        if self.ends_at is not None:
            yield self.ends_at

    def describe(self, now: datetime, public_url: str) -> dict[str, Any]:
        """The Generation object of Dream Machine OpenAPI 1.1.0.

        `progress_video` is always null: Luma does not explain when it would not be.
        """
        failed = self.get_state(now) == "failed"
        return {
            "id": self.id,
            "generation_type": self.kind,
            "state": self.get_state(now),
            "failure_reason": self.failure_reason if failed else None,
            "created_at": f"{self.created_at:%Y-%m-%dT%H:%M:%S.%fZ}",
            "assets": self._list_assets(public_url) if self.is_completed(now) else None,
            "model": self.model,
            "request": self.request,
        }

    def _list_assets(self, public_url: str) -> dict[str, str | None]:
        assets: dict[str, str | None] = {"video": None, "image": None, "progress_video": None}
        assets[self.kind] = f"{public_url}/media/{self.file_name}"
        return assets
