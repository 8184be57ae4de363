"""What one `get_generation` over /mcp costs, against a bare endpoint that makes the same call."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median

import aiohttp
import uvloop
from mcp.types import LATEST_PROTOCOL_VERSION

from tests.bench.processes import process_of
from tests.bench.upstream import ID

BARE, PER_CALL = "bare endpoint, shared client", "a client per call"
KEY = {"Authorization": "Bearer luma-bench"}
ACCEPT = {"Accept": "application/json, text/event-stream"}
MODERN = {
    "MCP-Protocol-Version": LATEST_PROTOCOL_VERSION,
    "Mcp-Method": "tools/call",
    "Mcp-Name": "get_generation",
}
META = {
    "io.modelcontextprotocol/protocolVersion": LATEST_PROTOCOL_VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "get_generation", "arguments": {"generation_id": ID}},
}
MODERN_CALL = {**CALL, "params": {**CALL["params"], "_meta": META}}

Ask = Callable[[aiohttp.ClientSession], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much is measured; the slow way is asked less often."""

    rounds: int = 5
    calls: int = 1_500
    calls_of_the_slow: int = 100
    warm_up: int = 50
    at_once: int = 16


USUAL = Bounds()


def asking(method: str, url: str, **how: object) -> Ask:
    async def ask(session: aiohttp.ClientSession) -> None:
        async with session.request(method, url, **how) as response:
            text = await response.text()
            assert response.status == 200, text
            assert ID in text, text

    return ask


def ways(url: str) -> dict[str, Ask]:
    """The same upstream call by four ways into the same process."""
    return {
        BARE: asking("GET", f"{url}/bare/{ID}", headers=KEY),
        "get_generation, 2026-07-28": asking(
            "POST", f"{url}/mcp", json=MODERN_CALL, headers=KEY | ACCEPT | MODERN
        ),
        "get_generation, earlier": asking("POST", f"{url}/mcp", json=CALL, headers=KEY | ACCEPT),
        PER_CALL: asking("GET", f"{url}/per-call/{ID}", headers=KEY),
    }


async def cpu_of(session: aiohttp.ClientSession, url: str) -> float:
    async with session.get(f"{url}/cpu") as response:
        return float(await response.text())


async def cost(
    session: aiohttp.ClientSession, url: str, ask: Ask, calls: int, at_once: int
) -> float:
    """Microseconds of the server's CPU for each call."""
    numbers = iter(range(calls))

    async def worker() -> None:
        for _ in numbers:
            await ask(session)

    before = await cpu_of(session, url)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(worker())
    return (await cpu_of(session, url) - before) / calls * 1e6


async def measure(url: str, bounds: Bounds = USUAL) -> dict[str, float]:
    """Measure every way in, in turn, and take medians."""
    samples: dict[str, list[float]] = {}
    async with aiohttp.ClientSession() as session:
        for ask in ways(url).values():
            await cost(session, url, ask, bounds.warm_up, bounds.at_once)
        for _ in range(bounds.rounds):
            for name, ask in ways(url).items():
                calls = bounds.calls_of_the_slow if name == PER_CALL else bounds.calls
                spent = await cost(session, url, ask, calls, bounds.at_once)
                samples.setdefault(name, []).append(spent)
    return {name: median(costs) for name, costs in samples.items()}


def report(bounds: Bounds = USUAL) -> list[str]:
    """Give the table: CPU per call, and how many times the bare endpoint that is."""
    started = time.monotonic()
    with (
        process_of("tests.bench.upstream") as luma,
        process_of("tests.bench.tool_server", luma) as url,
    ):
        costs = uvloop.run(measure(url, bounds))
    floor = costs[BARE]
    lines = [f"CPU of the server per call in microseconds, {bounds.at_once} at once (times bare)"]
    lines += [f"{name:32}{spent:>10.0f} ({spent / floor:>6.2f})" for name, spent in costs.items()]
    lines.append(f"measured in {time.monotonic() - started:.0f} s")
    return lines
