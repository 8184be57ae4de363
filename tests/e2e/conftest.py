"""The whole product on real sockets: the server, the sandbox below it, and clients of others."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
from starlette.applications import Starlette

from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.waiting import WaitingRoom
from tests.clocks import pace_of
from tests.servers import application_and_url


@dataclass(frozen=True)
class Product:
    """The running server and the clock that its sandbox's jobs, and those who wait, go by."""

    app: Starlette
    url: str
    clock: TurnedClock

    @property
    def endpoint(self) -> str:
        return f"{self.url}/mcp"

    @property
    def room(self) -> WaitingRoom:
        return self.app.state.services.waiting_room


@pytest.fixture
async def running() -> AsyncIterator[Product]:
    clock = TurnedClock()
    async with application_and_url(clock, pace_of(clock)) as (app, url):
        yield Product(app, url, clock)


async def pass_time(clock: TurnedClock) -> None:
    """Let a second pass whenever the loop that asks Luma rests, and somebody waits."""
    while True:
        await clock.wait_for_sleepers(2)
        clock.advance(1)
        await asyncio.sleep(0)


async def until(holds: Callable[[], bool]) -> None:
    """Let the server, which runs in the same loop, go on until something holds."""
    while not holds():  # noqa: ASYNC110 - what it waits for is no event
        await asyncio.sleep(0)
