"""What the tests of tools share."""

import pytest
from fastmcp import Client

from luma_mcp.sandbox.clock import TurnedClock
from tests.tools.calls import data


@pytest.fixture
async def completed_clip(mcp_client: Client, clock: TurnedClock) -> str:
    """The id of a clip that is ready."""
    job = await data(mcp_client, "create_generation", prompt="A paper boat")
    clock.advance(60)
    return job["id"]
