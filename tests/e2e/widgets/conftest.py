"""What the tests of a module share: one browser, one host, and one server in front of it."""

from collections.abc import AsyncIterator

import pytest

from tests.e2e.widgets.theatre import Theatre, open_theatre


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for all tests of a module, in which browser and server live."""
    return "asyncio"


@pytest.fixture(scope="module")
async def theatre() -> AsyncIterator[Theatre]:
    async with open_theatre() as theatre:
        yield theatre
