"""What one upstream request costs, by HTTP client and by how many are under way."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from statistics import median

import aiohttp
import httpx
import uvloop

from luma_mcp.luma.transport import BearerKey, open_client, read_answer
from tests.bench.processes import process_of

Get = Callable[[], Awaitable[None]]
OURS = "httpx over aiohttp (ours)"


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much is measured; a cell ends at so many seconds or requests."""

    concurrency: tuple[int, ...] = (1, 32, 256)
    rounds: int = 3
    seconds: float = 1.5
    most: int = 2_000


USUAL = Bounds()


@asynccontextmanager
async def client_per_call(url: str) -> AsyncGenerator[Get]:
    async def get() -> None:
        async with httpx.AsyncClient() as client:
            (await client.get(url)).json()

    yield get


@asynccontextmanager
async def httpx_pool(url: str) -> AsyncGenerator[Get]:
    async with httpx.AsyncClient(timeout=120) as client:

        async def get() -> None:
            (await client.get(url)).json()

        yield get


@asynccontextmanager
async def ours(url: str) -> AsyncGenerator[Get]:
    auth = BearerKey("luma-bench")
    async with open_client(512, 60) as client:

        async def get() -> None:
            await read_answer(client, client.build_request("GET", url), auth)

        yield get


@asynccontextmanager
async def bare_aiohttp(url: str) -> AsyncGenerator[Get]:
    connector = aiohttp.TCPConnector(limit=512)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def get() -> None:
            async with session.get(url) as response:
                await response.json()

        yield get


CLIENTS: dict[str, Callable[[str], AbstractAsyncContextManager[Get]]] = {
    "a client per call": client_per_call,
    "httpx, its own pool": httpx_pool,
    OURS: ours,
    "aiohttp": bare_aiohttp,
}


async def cpu_per_request(get: Get, concurrency: int, bounds: Bounds) -> float:
    """Microseconds of this process's CPU for each request; bounded in count and time."""
    done, end = 0, time.monotonic() + bounds.seconds

    async def worker() -> None:
        nonlocal done
        while done < bounds.most and time.monotonic() < end:
            await get()
            done += 1

    await get()
    started = time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(concurrency):
            tasks.create_task(worker())
    return (time.process_time() - started) / done * 1e6


async def measure(url: str, bounds: Bounds = USUAL) -> dict[tuple[str, int], float]:
    """Measure every cell of the table, the clients in turn, and take medians."""
    samples: dict[tuple[str, int], list[float]] = {}
    for _ in range(bounds.rounds):
        for concurrency in bounds.concurrency:
            for name, opened in CLIENTS.items():
                async with opened(url) as get:
                    cost = await cpu_per_request(get, concurrency, bounds)
                samples.setdefault((name, concurrency), []).append(cost)
    return {cell: median(costs) for cell, costs in samples.items()}


def report(bounds: Bounds = USUAL) -> list[str]:
    """Give the table: CPU per request, and how many times ours that is."""
    with process_of("tests.bench.upstream") as url:
        costs = uvloop.run(measure(url, bounds))
    heads = "".join(f"{f'{concurrency} at once':>20}" for concurrency in bounds.concurrency)
    lines = ["CPU per upstream request in microseconds (times ours)", f"{'':28}{heads}"]
    for name in CLIENTS:
        cells = (
            f"{costs[name, at]:>10.0f} ({costs[name, at] / costs[OURS, at]:>6.2f})"
            for at in bounds.concurrency
        )
        lines.append(f"{name:28}" + "".join(f"{cell:>20}" for cell in cells))
    return lines
