"""Services in front of any transport, for tests that need no socket."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx

from luma_mcp.callbacks import Callbacks
from luma_mcp.credentials import ApiKey, Credentials
from luma_mcp.luma.apis import AGENTS, DREAM_MACHINE
from luma_mcp.luma.reachability import Reachability
from luma_mcp.luma.sending import Sender, Witness
from luma_mcp.luma.transport import HEADERS
from luma_mcp.metrics import Metrics
from luma_mcp.sealing import Sealer
from luma_mcp.services import Access, Services
from luma_mcp.settings import TOOLSETS, Settings
from luma_mcp.tracing import Tracing
from luma_mcp.waiting import WaitingRoom
from luma_mcp.watching import Pace
from tests.clocks import HastyClock

# More than a request in process takes, so that an answer comes before the next time-out.
STEPS_OF_A_LOOK = 200


def access_with(
    key: str, agents_key: str | None = None, *, readonly: bool = False, toolsets: str = ""
) -> Access:
    names = toolsets.split(",") if toolsets else TOOLSETS
    credentials = Credentials(ApiKey(key), ApiKey(agents_key) if agents_key else None)
    return Access(credentials, frozenset(names), readonly)


async def no_pause(_seconds: float) -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def open_services_over(
    transport: httpx.AsyncBaseTransport,
    settings: Settings,
    own_access: Access | None = None,
    pace: Pace | None = None,
    tracing: Tracing | None = None,
) -> AsyncGenerator[Services]:
    async with httpx.AsyncClient(transport=transport, headers=HEADERS) as client:
        slots = asyncio.Semaphore(settings.upstream_connections)
        seconds = settings.upstream_timeout_seconds
        upstreams = {
            DREAM_MACHINE: settings.dream_machine_upstream,
            AGENTS: settings.agents_upstream,
        }
        metrics, tracing = Metrics(), tracing or Tracing()
        witness = Witness(metrics, tracing)
        dream_machine, agents = (
            Sender(client, slots, url, seconds, api=api, sleep=no_pause, witness=witness)
            for api, url in upstreams.items()
        )
        reachability = Reachability(client, f"{settings.dream_machine_upstream}/ping")
        callbacks = Callbacks(url, Sealer()) if (url := settings.callbacks_url) else None
        room = WaitingRoom(
            pace or Pace(HastyClock(STEPS_OF_A_LOOK)),
            call_sign_of=callbacks.call_sign_of if callbacks else None,
        )
        yield Services(
            settings,
            dream_machine,
            agents,
            reachability,
            room,
            callbacks,
            own_access,
            metrics=metrics,
            tracing=tracing,
        )
