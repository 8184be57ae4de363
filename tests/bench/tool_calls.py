"""What tool calls over /mcp cost, against bare endpoints that make the same calls of Luma."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from statistics import median

import aiohttp
import uvloop

from tests.bench.processes import process_of
from tests.bench.sign_in import access_token
from tests.bench.upstream import ID
from tests.messages import META, MODERN

KEY = {"Authorization": "Bearer luma-bench"}
ACCEPT = {"Accept": "application/json, text/event-stream"}
# Means the same, but is not so plain that the call would be answered past the framework.
ACCEPT_OF_THE_FRAMEWORK = {"Accept": "application/*, text/*"}
MODERN_HEADERS = {
    "MCP-Protocol-Version": MODERN,
    "Mcp-Method": "tools/call",
}
VIDEO = {"prompt": "A paper boat on a quiet lake at dawn", "model": "ray-2"}
PER_CALL = "a client per call"

Ask = Callable[[aiohttp.ClientSession], Awaitable[None]]
Json = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much is measured; the slow way is asked less often."""

    rounds: int = 9
    calls: int = 600
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


def calling(
    url: str, tool: str, arguments: Json, *, modern: bool, headers: Mapping[str, str] | None = None
) -> Ask:
    """Call a tool over /mcp, in protocol 2026-07-28 or in an earlier one."""
    params: dict[str, object] = {"name": tool, "arguments": arguments}
    headers = {**KEY, **ACCEPT, **(headers or {})}
    if modern:
        params["_meta"] = META
        headers |= MODERN_HEADERS | {"Mcp-Name": tool}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return asking("POST", f"{url}/mcp", json=message, headers=headers)


def ways(url: str) -> dict[str, dict[str, Ask]]:
    """For each of Luma's operations the ways to it, the bare one first."""
    job, page = {"generation_id": ID}, {"limit": 100}

    def both(tool: str, arguments: Json) -> dict[str, Ask]:
        return {
            f"{tool}, 2026-07-28": calling(url, tool, arguments, modern=True),
            f"{tool}, earlier": calling(url, tool, arguments, modern=False),
        }

    def by_the_framework(*, modern: bool) -> Ask:
        headers = ACCEPT_OF_THE_FRAMEWORK
        return calling(url, "get_generation", job, modern=modern, headers=headers)

    token = {"Authorization": f"Bearer {access_token('luma-bench')}"}

    return {
        "one job": {
            "bare endpoint": asking("GET", f"{url}/bare/{ID}", headers=KEY),
            **both("get_generation", job),
            "  2026-07-28, signed in": calling(
                url, "get_generation", job, modern=True, headers=token
            ),
            "  2026-07-28, by the framework": by_the_framework(modern=True),
            "  earlier, by the framework": by_the_framework(modern=False),
            PER_CALL: asking("GET", f"{url}/per-call/{ID}", headers=KEY),
        },
        "a list of 100 jobs": {
            "bare endpoint": asking("GET", f"{url}/bare-list?limit=100&offset=0", headers=KEY),
            **both("list_generations", page),
        },
        "a new video": {
            "bare endpoint": asking("POST", f"{url}/bare-create", json=VIDEO, headers=KEY),
            **both("create_generation", VIDEO),
        },
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


async def measure(url: str, bounds: Bounds = USUAL) -> dict[str, dict[str, float]]:
    """Measure every way, in turn, and take medians."""
    samples: dict[tuple[str, str], list[float]] = {}
    table = ways(url)
    each = [(group, name, ask) for group, row in table.items() for name, ask in row.items()]
    async with aiohttp.ClientSession() as session:
        for _, _, ask in each:
            await cost(session, url, ask, bounds.warm_up, bounds.at_once)
        for _ in range(bounds.rounds):
            for group, name, ask in each:
                calls = bounds.calls_of_the_slow if name == PER_CALL else bounds.calls
                spent = await cost(session, url, ask, calls, bounds.at_once)
                samples.setdefault((group, name), []).append(spent)
    return {group: {name: median(samples[group, name]) for name in table[group]} for group in table}


def report(bounds: Bounds = USUAL) -> list[str]:
    """Give the table: CPU per call, and how many times the bare endpoint that is."""
    started = time.monotonic()
    with (
        process_of("tests.bench.upstream") as luma,
        process_of("tests.bench.tool_server", luma) as url,
    ):
        costs = uvloop.run(measure(url, bounds))
    lines = [f"CPU of the server per call in microseconds, {bounds.at_once} at once (times bare)"]
    for group, row in costs.items():
        floor = next(iter(row.values()))
        lines.append(f"{group}:")
        lines += [f"{name:34}{spent:>10.0f} ({spent / floor:>6.2f})" for name, spent in row.items()]
    lines.append(f"measured in {time.monotonic() - started:.0f} s")
    return lines
