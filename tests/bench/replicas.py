"""What a second server process adds: calls per second of one and of two, by turns."""

import asyncio
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from statistics import median
from typing import cast
from urllib.parse import urlsplit

import uvloop

from tests.bench.processes import process_of, processes_of
from tests.bench.upstream import ID

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
PROCESSES = 2


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much is measured."""

    rounds: int = 7
    calls: int = 4_000
    warm_up: int = 400
    at_once: int = 32


USUAL = Bounds()


def request_to(url: str) -> bytes:
    """Write a call of get_generation, as clients of earlier protocols do."""
    params = {"name": "get_generation", "arguments": {"generation_id": ID}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    lines = (
        "POST /mcp HTTP/1.1",
        f"Host: {urlsplit(url).netloc}",
        "Authorization: Bearer luma-bench",
        "Accept: application/json, text/event-stream",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*lines, "", body)).encode()


class Agent(asyncio.Protocol):
    """Calls again and again over one connection; costs next to nothing beside the server."""

    def __init__(self, request: bytes, numbers: Iterator[int]) -> None:
        self._request = request
        self._numbers = numbers
        self._heard = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Go on once the answer is whole."""
        self._heard += data
        head, end, body = self._heard.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not end or not length or len(body) < int(length[1]):
            return
        if b" 200 " not in head or ID.encode() not in body:
            self.connection_lost(ValueError(self._heard[:500]))
        self._heard = b""
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that something went wrong, unless it is over anyway."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("The server hung up."))

    def _ask(self) -> None:
        if next(self._numbers, None) is not None:
            self._transport.write(self._request)
        elif not self.done.done():
            self.done.set_result(None)
            self._transport.close()


async def calls_per_second(urls: Sequence[str], calls: int, at_once: int) -> float:
    """Let agents call, spread evenly over the servers."""
    numbers, loop = iter(range(calls)), asyncio.get_running_loop()
    started = time.perf_counter()
    agents = []
    for url, _ in zip(cycle(urls), range(at_once), strict=False):
        place, request = urlsplit(url), request_to(url)
        _, agent = await loop.create_connection(
            lambda request=request: Agent(request, numbers), place.hostname, place.port
        )
        agents.append(agent)
    for agent in agents:
        await agent.done
    return calls / (time.perf_counter() - started)


async def measure(urls: Sequence[str], bounds: Bounds) -> tuple[float, float]:
    """Give the calls per second of the first server alone, and of all together: medians."""
    alone, together = [], []
    await calls_per_second(urls, bounds.warm_up, bounds.at_once)
    for _ in range(bounds.rounds):
        alone.append(await calls_per_second(urls[:1], bounds.calls, bounds.at_once))
        together.append(await calls_per_second(urls, bounds.calls, bounds.at_once))
    return median(alone), median(together)


def report(bounds: Bounds = USUAL) -> list[str]:
    """Give the table."""
    with (
        process_of("tests.bench.upstream") as luma,
        processes_of(PROCESSES, "tests.bench.tool_server", luma) as urls,
    ):
        one, two = uvloop.run(measure(urls, bounds))
    return [
        f"get_generation calls per second, {bounds.at_once} at once (times one process)",
        f"{'one process':34}{one:>10.0f} ({1:>6.2f})",
        f"{'two processes':34}{two:>10.0f} ({two / one:>6.2f})",
    ]
