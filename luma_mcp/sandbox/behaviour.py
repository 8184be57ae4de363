"""How one sandbox behaves: the pace of its jobs, its limits and its bounds."""

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["video", "image"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How long one kind of job waits and then works, in seconds."""

    queued_seconds: float
    dreaming_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How many jobs of one kind an account may start and run, and how long one counts as run."""

    creates_per_minute: int
    concurrent: int
    place_seconds: float = math.inf


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """Everything about a sandbox that a caller of `build_sandbox` may choose.

    The limits are those of Luma's Build tier (docs.lumalabs.ai/docs/rate-limits) and, for the
    Agents API, those of the older edition of its guide; the newer one says that it depends.

    Attributes:
        queued_seconds: How long a video job stays queued.
        dreaming_seconds: How long a video job dreams.
        image_queued_seconds: How long an image job stays queued.
        image_dreaming_seconds: How long an image job dreams.
        starting_balance_cents: What every account owns at first, in US cents.
        video_creates_per_minute: Video jobs an account may start in any 60 seconds.
        video_concurrent: Video jobs an account may have running.
        image_creates_per_minute: Image jobs an account may start in any 60 seconds.
        image_concurrent: Image jobs an account may have running.
        agents_creates_per_minute: Jobs of any kind that an account of the Agents API may start in
            any 60 seconds.
        agents_concurrent: Jobs of any kind that such an account may have running.
        agents_place_seconds: How long a job that does not end counts as running there.
        ingest_seconds: How long a file of the Agents API stays pending once it is complete.
        link_seconds: How long a link to media of the Agents API leads to them.
        upload_seconds: How long a link to upload a file can be used.
        public_url: Base of the links to media; by default where the request came in.
        callback_hosts: Hosts that may be called back. Only this machine by default, so that a
            sandbox cannot be used to reach into other people's networks.
        max_callbacks: Jobs that may be reporting to callbacks at once; others are not reported.
        max_accounts: Accounts remembered; the one unused for longest is forgotten first.
        max_jobs_per_account: Jobs remembered per account; the oldest is forgotten first.
        max_media_items: Rendered media kept; the one unused for longest is dropped first.
        max_media_bytes: Bytes of rendered media kept, likewise.
        max_renders: Media drawn at the same time, each in a thread.
        max_body_bytes: Size of a request body above which it is refused with 413.
        max_agents_body_bytes: The same for a creation of the Agents API, which may bring pictures.
        max_image_bytes: Size of one picture in such a body above which it is refused with 413.
        max_inline_bytes: Size above which a file is not taken in one request with its description.
        max_file_bytes: Size above which an upload is refused with 413.
        max_incoming_bytes: Bytes of files under way at once; above that an upload gets 507. They
            lie on disk while they are looked at, and are not kept.
        max_files_per_account: Files remembered per account; the oldest is forgotten first.
        stall_seconds: How long `[sandbox:stall]` holds an answer back, and the longest time a
            synchronous image is waited for.
        huge_bytes: Size of the answer to `[sandbox:huge]`.
    """

    queued_seconds: float = 2.0
    dreaming_seconds: float = 8.0
    image_queued_seconds: float = 0.5
    image_dreaming_seconds: float = 2.5
    starting_balance_cents: float = 10_000.0
    video_creates_per_minute: int = 20
    video_concurrent: int = 10
    image_creates_per_minute: int = 80
    image_concurrent: int = 40
    agents_creates_per_minute: int = 30
    agents_concurrent: int = 10
    agents_place_seconds: float = 3600.0
    ingest_seconds: float = 1.0
    link_seconds: int = 3600
    upload_seconds: int = 900
    public_url: str | None = None
    callback_hosts: frozenset[str] = frozenset({"localhost", "127.0.0.1", "::1"})
    max_callbacks: int = 1_000
    max_accounts: int = 1_000
    max_jobs_per_account: int = 1_000
    max_media_items: int = 256
    max_media_bytes: int = 128 * 1024 * 1024
    max_renders: int = 2
    max_body_bytes: int = 1024 * 1024
    max_agents_body_bytes: int = 8 * 1024 * 1024
    max_image_bytes: int = 50 * 1024 * 1024
    max_inline_bytes: int = 20 * 1024 * 1024
    max_file_bytes: int = 64 * 1024 * 1024
    max_incoming_bytes: int = 256 * 1024 * 1024
    max_files_per_account: int = 1_000
    stall_seconds: float = 300.0
    huge_bytes: int = 50_000_000

    def pace(self, kind: Kind) -> Pace:
        """How long a job of this kind takes."""
        if kind == "image":
            return Pace(
                queued_seconds=self.image_queued_seconds,
                dreaming_seconds=self.image_dreaming_seconds,
            )
        return Pace(queued_seconds=self.queued_seconds, dreaming_seconds=self.dreaming_seconds)

    def limits(self, kind: Kind) -> Limits:
        """How many jobs of this kind an account may have."""
        if kind == "image":
            return Limits(
                creates_per_minute=self.image_creates_per_minute, concurrent=self.image_concurrent
            )
        return Limits(
            creates_per_minute=self.video_creates_per_minute, concurrent=self.video_concurrent
        )

    def agents_limits(self) -> Limits:
        """How many jobs an account of the Agents API may have."""
        return Limits(
            creates_per_minute=self.agents_creates_per_minute,
            concurrent=self.agents_concurrent,
            place_seconds=self.agents_place_seconds,
        )
