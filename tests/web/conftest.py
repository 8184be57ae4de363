"""The HTTP surface on a real socket, and a plain HTTP client for it."""

import json
from collections.abc import AsyncIterator
from typing import Any

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


def answer_in(response: httpx.Response) -> dict[str, Any]:
    """Find the JSON-RPC result, alone or in an event stream."""
    if response.headers["content-type"].startswith("text/event-stream"):
        (line,) = [one for one in response.text.splitlines() if one.startswith("data: ")]
        return json.loads(line.removeprefix("data: "))["result"]
    return response.json()["result"]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[str]:
    """One server for the tests of a module, each of which has keys or accounts of its own."""
    async with product() as url:
        yield url


@pytest.fixture
async def browser(served: str) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client at the server's own address, without any key."""
    async with httpx.AsyncClient(base_url=served, headers=ACCEPT) as client:
        yield client
