"""Doors in front of a sandbox, made once for all examples of a test."""

from collections.abc import AsyncIterator

import pytest

from tests.foreign import examples
from tests.foreign.doors import Door
from tests.foreign.upstreams import Watched, open_sandbox_door

__all__ = ["examples"]  # it registers the profile before the command line asks for it


@pytest.fixture
async def before_sandbox(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Door, Watched]]:
    """A door and what stands behind it; in process, unless a test asks for a socket."""
    async with open_sandbox_door(on_a_socket=getattr(request, "param", False)) as opened:
        yield opened


@pytest.fixture
def door(before_sandbox: tuple[Door, Watched]) -> Door:
    return before_sandbox[0]


ON_A_SOCKET = pytest.mark.parametrize("before_sandbox", [True], indirect=True, ids=["socket"])
