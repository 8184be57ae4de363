"""The HTTP surface on a real socket, and a plain HTTP client for it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.servers import product

PING = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "ping", "arguments": {}},
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client at the server's own address, without any key."""
    async with product() as url, httpx.AsyncClient(base_url=url, headers=ACCEPT) as client:
        yield client
