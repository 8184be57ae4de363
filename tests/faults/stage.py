"""The whole server on a real socket between a client and an upstream that plays faults."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fastmcp import Client
from fastmcp.client.client import CallToolResult
from starlette.applications import Starlette

from luma_mcp.luma.apis import AGENTS, APIS, DREAM_MACHINE
from luma_mcp.services import Services
from luma_mcp.watching import Pace
from tests.clocks import HastyClock
from tests.conftest import AGENTS_KEY, KEY
from tests.e2e.test_first_light import connect
from tests.faults.matrix import CALLS, Row
from tests.faults.scenes import AGENTS_PATH, good, one_by_one
from tests.luma.upstream import Scene, Upstream
from tests.messages import MODERN
from tests.servers import application_and_url, bound_socket
from tests.tools.calls import call

KEYS = {DREAM_MACHINE.name: KEY, AGENTS.name: AGENTS_KEY}


@dataclass(frozen=True)
class Stage:
    """The running server, the upstream behind it and a client with each API's key before it."""

    app: Starlette
    clients: Mapping[str, Client]
    upstream: Upstream
    door: socket.socket
    doors: AsyncExitStack

    @property
    def services(self) -> Services:
        return self.app.state.services

    async def open(self) -> None:
        """Let the upstream listen; until then connections are refused."""
        server = await asyncio.start_server(self.upstream.converse, sock=self.door)
        await self.doors.enter_async_context(server)

    def play(self, *scenes: Scene) -> None:
        self.upstream.scenes = (one_by_one(*scenes),)

    async def call(self, name: str, **more: object) -> CallToolResult:
        ask = CALLS[name]
        return await call(self.clients[ask.api.name], ask.tool, **{**ask.arguments, **more})

    async def talks_end(self) -> None:
        """Return when no connection is left."""
        while self.upstream.talks:
            await asyncio.wait([self.upstream.talks.pop()])

    async def can_stop(self) -> None:
        """Return when no call is under way, after which the server takes no waits any more."""
        self.services.stop()
        await self.services.under_way.answered()


@asynccontextmanager
async def staged(row: Row, era: str = MODERN) -> AsyncGenerator[Stage]:
    """Build the stage for a row; the server has as many slots as there are calls at once."""
    async with AsyncExitStack() as doors:
        door = doors.enter_context(bound_socket())
        luma = row.url.format(port=door.getsockname()[1])
        # Who waits and the watch: none of them moves the clock during a look.
        clock = HastyClock(sleepers=2 * row.waits)
        async with (
            application_and_url(
                pace=Pace(clock, spread=lambda: 0.0),
                sandbox=False,
                dream_machine_url=luma,
                agents_url=f"{luma}{AGENTS_PATH}",
                upstream_timeout_seconds=row.seconds,
                upstream_connections=row.slots,
                calls_per_minute=0,
                paid_calls_per_minute=0,
            ) as (app, url),
            AsyncExitStack() as clients,
        ):
            connected = {
                api.name: await clients.enter_async_context(
                    connect(f"{url}/mcp", KEYS[api.name], era)
                )
                for api in APIS
            }
            stage = Stage(app, connected, Upstream((good,)), door, doors)
            if row.scenes:
                await stage.open()
            yield stage
        await stage.talks_end()
