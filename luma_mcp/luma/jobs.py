"""A job as the floors above see it, whichever of Luma's APIs it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from luma_mcp.luma.apis import ApiName
from luma_mcp.luma.failures import Failure

UNKNOWN_STATE = "unknown"  # shown where Luma says none
FINAL_STATES = frozenset({"completed", "failed"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Assets:
    """Links to what a job made.

    Attributes:
        layers: Front to back; each with its `url` and all that Luma says of it.
        others: Further outputs, each with its `url` and Luma's word for its `type`.
    """

    video: str | None = None
    image: str | None = None
    progress_video: str | None = None
    layers: tuple[Mapping[str, Any], ...] = ()
    others: tuple[Mapping[str, Any], ...] = ()

    @property
    def sight(self) -> tuple[str, Literal["image", "video"]] | None:
        """What shows best what was made, with its kind: a picture says it with fewer bytes."""
        if self.image:
            return self.image, "image"
        if self.video:
            return self.video, "video"
        return (self.layers[-1]["url"], "image") if self.layers else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One generation; any member may be missing in what Luma says.

    Attributes:
        id: With the prefix of its API, as callers write it.
        type: What it makes: video, image, upscale_video, video_edit, layering, ...
        state: Luma's word for how it stands.
        callback_url: Whom Luma tells about it.
        assets: None until there are any.
        failure: Why it failed, if it did.
    """

    api: ApiName
    id: str | None = None
    type: str | None = None
    state: str | None = None
    model: str | None = None
    created_at: str | None = None
    prompt: str | None = None
    callback_url: str | None = None
    assets: Assets | None = None
    failure: Failure | None = None

    @property
    def is_final(self) -> bool:
        """Whether the state will not change any more."""
        return self.state in FINAL_STATES


@dataclass(frozen=True, kw_only=True, slots=True)
class JobList:
    """One page of the caller's jobs, newest first; `has_more` is None where Luma says nothing."""

    jobs: tuple[Job, ...]
    has_more: bool | None = None
