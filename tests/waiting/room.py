"""A waiting room for tests: jobs and errors to try, and how to come, go and be told."""

import asyncio
from collections.abc import Callable

from luma_mcp.callbacks import Callbacks
from luma_mcp.errors import (
    BadResponse,
    InsufficientCredits,
    Internal,
    InvalidRequest,
    KeyRejected,
    LumaMcpError,
    MissingKey,
    NotFound,
    RateLimited,
    RefusedByPolicy,
    TimedOut,
    Unavailable,
)
from luma_mcp.luma.jobs import Job
from luma_mcp.waiting import CallSign, JobName, Report, WaitingRoom
from tests.clocks import LookedAt, settle

ID = "5c0e1a3a-8f5e-4d1c-9a53-0d7f5b1e2a11"
NAME = JobName("key", "dream_machine", ID)
QUEUED, DREAMING, COMPLETED = (
    Job(api="dream_machine", id=ID, state=state) for state in ("queued", "dreaming", "completed")
)
PASSING = [Unavailable("No."), TimedOut("No."), RateLimited("No."), BadResponse("No.")]
LASTING = [
    NotFound("No."),
    KeyRejected("No."),
    InvalidRequest("No."),
    InsufficientCredits("No."),
    MissingKey("No."),
    RefusedByPolicy("No."),
    Internal("No."),
]


def kind_of(error: LumaMcpError) -> str:
    return error.code


Waiting = asyncio.Task[Job]


class Told:
    """What a waiter was told: states and seconds. While `hears` is not set, it listens on."""

    def __init__(self) -> None:
        self.lines: list[tuple[str | None, float]] = []
        self.hears = asyncio.Event()
        self.hears.set()

    async def __call__(self, job: Job | None, seconds: float) -> None:
        self.lines.append((job.state if job else None, seconds))
        await self.hears.wait()


def start(
    room: WaitingRoom,
    job: LookedAt,
    seconds: float = 60,
    *,
    name: JobName = NAME,
    known: Job | None = None,
    report: Report | None = None,
    is_news: Callable[[Job], bool] | None = None,
) -> Waiting:
    return asyncio.create_task(
        room.wait(name, job.look, seconds, known=known, report=report, is_news=is_news)
    )


def other_job(number: int) -> JobName:
    return NAME._replace(id=f"{number:036}")


async def at_once(waiting: Waiting) -> Job:
    """Give the answer of one who has not to wait for it any more."""
    await settle()
    assert waiting.done()
    return waiting.result()


async def leave(*waiting: Waiting) -> None:
    for one in waiting:
        one.cancel()
    await asyncio.wait(waiting)
    await settle()


def is_empty(room: WaitingRoom) -> bool:
    return (room.waiters, room.jobs) == (0, 0)


def called_back(job: LookedAt, callbacks: Callbacks, key: str = NAME.key) -> CallSign:
    """Let Luma call back for the job; gives how."""
    job.callback_url = callbacks.make_url(key)
    sign = callbacks.call_sign_of(job.generation)
    assert sign is not None
    return sign
