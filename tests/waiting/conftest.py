"""A waiting room on a clock that the test turns, and jobs to wait for."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.waiting import WaitingRoom
from luma_mcp.watching import Pace
from tests.clocks import LookedAt, WaitingClock, settle
from tests.waiting.room import is_empty


@pytest.fixture
async def turned(clock: TurnedClock) -> AsyncIterator[WaitingClock]:
    """A clock to turn; when a test is over nothing may run on."""
    before = len(asyncio.all_tasks())
    yield WaitingClock(clock)
    await settle()
    assert len(asyncio.all_tasks()) == before


@pytest.fixture
def job(turned: WaitingClock) -> LookedAt:
    return LookedAt(turned)


@pytest.fixture
def other(turned: WaitingClock) -> LookedAt:
    return LookedAt(turned)


@pytest.fixture
def pace(turned: WaitingClock) -> Pace:
    return Pace(turned, spread=lambda: 0.0)


@pytest.fixture
async def room(pace: Pace) -> AsyncIterator[WaitingRoom]:
    """A room that has to be empty when the test is over."""
    room = WaitingRoom(pace)
    yield room
    await settle()
    assert is_empty(room)
