"""What the tests of faults share: little patience, and one server."""

from collections.abc import AsyncIterator, Iterator

import pytest

from luma_mcp import stopping
from luma_mcp.luma import sending
from tests.faults.matrix import USUAL
from tests.faults.stage import Stage, staged


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for a module, in which its server lives."""
    return "asyncio"


@pytest.fixture(scope="module", autouse=True)
def _hasty() -> Iterator[None]:
    """Let nobody pause for long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sending, "FIRST_PAUSE_SECONDS", 0.001)
        patch.setattr(stopping, "FAREWELL_SECONDS", 0)
        yield


@pytest.fixture(scope="module")
async def usual_stage(_hasty: None) -> AsyncIterator[Stage]:
    """One server for all rows that need no other; at the end it can stop at once."""
    async with staged(USUAL) as stage:
        yield stage
        await stage.can_stop()
