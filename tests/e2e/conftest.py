"""The whole product on real sockets: the server, the sandbox below it, and clients of others."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from luma_mcp.sandbox.clock import TurnedClock
from tests.servers import product


@dataclass(frozen=True)
class Product:
    """The running server and the clock that its sandbox's jobs age by."""

    url: str
    clock: TurnedClock

    @property
    def endpoint(self) -> str:
        return f"{self.url}/mcp"


@pytest.fixture
async def running() -> AsyncIterator[Product]:
    clock = TurnedClock()
    async with product(clock) as url:
        yield Product(url, clock)
