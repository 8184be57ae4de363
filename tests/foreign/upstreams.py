"""What stands in for Luma behind the door, on a real socket."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luma_mcp.sandbox.app import build_sandbox
from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.settings import load_settings
from luma_mcp.watching import Pace
from luma_mcp.web.app import build_app
from tests.clocks import HastyClock
from tests.foreign.doors import Door, Faults
from tests.servers import serving
from tests.services import STEPS_OF_A_LOOK

PREFIX, AGENTS_PREFIX = "/dream-machine/v1", "/agents/v1"
# An idle connection may be closed just as the next example begins to use it, which is a doubt.
HANGING_UP = {"Connection": "close"}
MANY = 10**9
ENDLESS = Behaviour(
    starting_balance_cents=float(MANY),
    video_creates_per_minute=MANY,
    video_concurrent=MANY,
    image_creates_per_minute=MANY,
    image_concurrent=MANY,
    agents_creates_per_minute=MANY,
    agents_concurrent=MANY,
    max_files_per_account=MANY,
    max_jobs_per_account=MANY,
    queued_seconds=0.25,
    dreaming_seconds=0.5,
    image_queued_seconds=0.25,
    image_dreaming_seconds=0.5,
    ingest_seconds=0.5,
)


class HastyDays:
    """A hasty clock as the sandbox sees it: jobs age while somebody waits for them."""

    def __init__(self, clock: HastyClock) -> None:
        self._clock = clock
        self.sleep = clock.sleep

    def now(self) -> datetime:
        """The present moment."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._clock.time())


@dataclass
class Watched:
    """An upstream that keeps what it was asked and which status it answered."""

    app: ASGIApp
    asked: list[tuple[str, str, int]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.asked.append((scope["method"], scope["path"], message["status"]))
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self.app(scope, receive, keep if scope["type"] == "http" else send)


@asynccontextmanager
async def open_door(
    upstream: ASGIApp, clock: HastyClock | None = None, *, on_a_socket: bool = False
) -> AsyncGenerator[Door]:
    """Run the application in front of this upstream, in process or on a socket of its own."""
    faults = Faults()
    pace = Pace(clock or HastyClock(STEPS_OF_A_LOOK), spread=lambda: 0.0)
    with faults.listening():
        async with serving(upstream) as url:
            settings = load_settings(
                dream_machine_url=url + PREFIX,
                agents_url=url + AGENTS_PREFIX,
                calls_per_minute=0,
                paid_calls_per_minute=0,
                requests_per_minute=0,
            )
            app = build_app(settings, pace=pace)
            if on_a_socket:
                async with serving(app) as own_url, httpx.AsyncHTTPTransport() as transport:
                    yield Door(transport, own_url, faults)
            else:
                async with app.router.lifespan_context(app):
                    yield Door(httpx.ASGITransport(app), "http://127.0.0.1", faults)


@asynccontextmanager
async def open_sandbox_door(*, on_a_socket: bool = False) -> AsyncGenerator[tuple[Door, Watched]]:
    """Run the application in front of a sandbox whose accounts know no limits."""
    clock = HastyClock(STEPS_OF_A_LOOK)
    watched = Watched(build_sandbox(behaviour=ENDLESS, clock=HastyDays(clock)))
    async with open_door(watched, clock, on_a_socket=on_a_socket) as door:
        yield door, watched
