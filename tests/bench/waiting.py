"""What it takes to wait for jobs: calls that share a watch, against calls that poll for themselves.

The sandbox stands for Luma, in a process of its own that counts its requests. Each way to wait has
keys and jobs of its own, and a server of its own, so that nothing is left of the one before.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle
from math import ceil
from statistics import median
from typing import Any

import aiohttp
import uvloop

from luma_mcp.watching import LONGEST_PAUSE_SECONDS
from tests.bench.processes import many_open_files, process_of, processes_of
from tests.bench.tool_calls import ACCEPT, MODERN_HEADERS
from tests.messages import META

ALONE, SHARED, NAIVE = "one call a job", "many calls a job", "many, each polls for itself"
TOOL = "wait_for_generation"
HEADERS = ACCEPT | MODERN_HEADERS | {"Mcp-Name": TOOL}
API = "/dream-machine/v1"
SPARE_SECONDS = 30
COLUMNS = ("upstream requests", "CPU, ms", "kB a call", "late: median, ms", "late: most, ms")
MOST_REQUESTS, MOST_KILOBYTES = 1.1, 100


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much is measured: ten jobs at once are all that a key may have.

    Calls come at a pace that the server keeps up with, the first for every job before the second
    for any. A job takes the seconds of both kinds. Without servers of their own all ways share one,
    and the memory of each but the first is told too small.
    """

    keys: int = 20
    jobs_of_a_key: int = 10
    calls: int = 2_000
    calls_per_second: float = 250
    queued_seconds: float = 2.0
    dreaming_seconds: int = 20
    warm_up: int = 4
    own_servers: bool = True

    @property
    def jobs(self) -> int:
        return self.keys * self.jobs_of_a_key

    @property
    def seconds(self) -> float:
        return self.queued_seconds + self.dreaming_seconds

    @property
    def longest_wait(self) -> int:
        """More seconds than any call needs for its job to end, and to hear of it."""
        return ceil(self.seconds) + SPARE_SECONDS


USUAL = Bounds()


@dataclass(frozen=True)
class Job:
    """A job of the sandbox, the key that sees it, and when it ends by time.time()."""

    id: str
    key: dict[str, str]
    ends_at: float


@dataclass(frozen=True)
class Place:
    """Where one way to wait is measured."""

    session: aiohttp.ClientSession
    sandbox: str
    server: str
    longest_wait: int

    async def read(self, url: str) -> Any:  # noqa: ANN401 - a number or an object
        async with self.session.get(url) as response:
            return json.loads(await response.text())

    async def requests(self) -> int:
        """How often the sandbox was asked for anything."""
        return sum((await self.read(f"{self.sandbox}/count")).values())


Wait = Callable[[Place, Job], Awaitable[str]]


@dataclass(frozen=True)
class Way:
    """How it is waited, in so many calls."""

    wait: Wait
    calls: int


@dataclass(frozen=True)
class Costs:
    """What one way took, and how many seconds after the end of its job each call was answered."""

    requests: int
    cpu_seconds: float
    bytes_a_call: float
    late: list[float]

    @property
    def figures(self) -> tuple[float, ...]:
        """As the columns have them."""
        kilobytes = self.bytes_a_call / 1e3
        late = median(self.late) * 1e3, max(self.late) * 1e3
        return (self.requests, self.cpu_seconds * 1e3, kilobytes, *late)


def message_in(text: str) -> dict[str, Any]:
    """Read the one message of an answer, which is plain JSON or an event between comments."""
    data = [line.removeprefix("data:") for line in text.splitlines() if line.startswith("data:")]
    return json.loads("\n".join(data) if data else text)


async def by_tool(place: Place, job: Job) -> str:
    """Wait with the tool; gives the state that it answers."""
    arguments = {"generation_id": job.id, "timeout_seconds": place.longest_wait}
    params = {"name": TOOL, "arguments": arguments, "_meta": META}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    url, headers = f"{place.server}/mcp", HEADERS | job.key
    async with place.session.post(url, json=call, headers=headers) as response:
        text = await response.text()
    assert response.status == 200, text
    return message_in(text)["result"]["structuredContent"]["state"]


async def by_polling(place: Place, job: Job) -> str:
    """Wait at an endpoint that polls for this call alone; gives the last state."""
    url = f"{place.server}/naive/{job.id}"
    async with place.session.get(url, headers=job.key) as response:
        text = await response.text()
    assert response.status == 200, text
    return json.loads(text)["state"]


def ways(bounds: Bounds) -> dict[str, Way]:
    """The ways to wait; the others are compared with the first."""
    return {
        ALONE: Way(by_tool, bounds.jobs),
        SHARED: Way(by_tool, bounds.calls),
        NAIVE: Way(by_polling, bounds.calls),
    }


async def start_job(place: Place, key: dict[str, str], queued: float, dreaming: int) -> Job:
    """Create a job that takes so long, at the sandbox itself."""
    body = {
        "model": "ray-2",
        "prompt": f"A paper boat on a quiet lake [sandbox:seconds={dreaming}]",
    }
    url = f"{place.sandbox}{API}/generations/video"
    async with place.session.post(url, json=body, headers=key) as response:
        job = await response.json()
    assert response.status == 201, job
    created_at = datetime.fromisoformat(job["created_at"]).timestamp()
    return Job(job["id"], key, created_at + queued + dreaming)


async def start_jobs(place: Place, name: str, bounds: Bounds) -> list[Job]:
    """Create every job of one way, with keys that nobody used before."""

    async def start(number: int) -> list[Job]:
        key = {"Authorization": f"Bearer luma-bench-{name.replace(' ', '-')}-{number}"}
        queued, dreaming = bounds.queued_seconds, bounds.dreaming_seconds
        return [await start_job(place, key, queued, dreaming) for _ in range(bounds.jobs_of_a_key)]

    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(start(number)) for number in range(bounds.keys)]
    return [job for task in started for job in task.result()]


async def wait_late(place: Place, way: Way, job: Job, pause: float) -> float:
    """Wait for a job after a pause; gives how many seconds after its end the answer was there."""
    await asyncio.sleep(pause)
    state = await way.wait(place, job)
    late = time.time() - job.ends_at
    assert state == "completed", state
    return late


async def memory_of_a_call(place: Place, calls: int, before: int, until: float) -> float:
    """Bytes for each call, once all of them wait or at this moment at the latest.

    At least one, so that there is a ratio where a few calls got by with what was free already.
    """
    while True:
        inside = await place.read(f"{place.server}/waiting")
        if inside >= calls or time.time() >= until:
            break
        await asyncio.sleep(0.1)
    grown = await place.read(f"{place.server}/rss") - before
    return max(1.0, grown / max(1, inside))


async def cost(place: Place, name: str, way: Way, bounds: Bounds) -> Costs:
    """Let the calls of one way come, wait and be answered."""
    jobs = await start_jobs(place, name, bounds)
    requests = await place.requests()
    cpu, memory = [await place.read(f"{place.server}/{what}") for what in ("cpu", "rss")]
    async with asyncio.TaskGroup() as tasks:
        calls = [
            tasks.create_task(
                wait_late(place, way, jobs[number % len(jobs)], number / bounds.calls_per_second)
            )
            for number in range(way.calls)
        ]
        first_end = min(job.ends_at for job in jobs)
        measured = tasks.create_task(memory_of_a_call(place, way.calls, memory, first_end))
    return Costs(
        requests=await place.requests() - requests,
        cpu_seconds=await place.read(f"{place.server}/cpu") - cpu,
        bytes_a_call=measured.result(),
        late=[call.result() for call in calls],
    )


async def warm_up(place: Place, way: Way, job: Job, calls: int) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(calls):
            tasks.create_task(way.wait(place, job))


async def measure(sandbox: str, servers: list[str], bounds: Bounds = USUAL) -> dict[str, Costs]:
    """Measure one way after the other."""
    costs = {}
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=bounds.longest_wait + SPARE_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        places = [Place(session, sandbox, server, bounds.longest_wait) for server in servers]
        key = {"Authorization": "Bearer luma-bench-warm-up"}
        short = await start_job(places[0], key, bounds.queued_seconds, 0)
        for place, (name, way) in zip(cycle(places), ways(bounds).items(), strict=False):
            await warm_up(place, way, short, bounds.warm_up)
            costs[name] = await cost(place, name, way, bounds)
    return costs


def table(costs: dict[str, Costs]) -> list[str]:
    """Give a row for each way: every figure, and how many times the first way's that is."""
    lines = [f"{'':28}" + "".join(f"{head:>20}" for head in COLUMNS)]
    floor = costs[ALONE].figures
    for name, spent in costs.items():
        cells = (
            f"{figure:>10.0f} ({figure / first:>6.2f})"
            for figure, first in zip(spent.figures, floor, strict=True)
        )
        lines.append(f"{name:28}" + "".join(f"{cell:>20}" for cell in cells))
    return lines


def goals(costs: dict[str, Costs]) -> str:
    """Hold the shared watches against what they are for."""
    shared, alone = costs[SHARED], costs[ALONE]
    return (
        f"Shared watches: {shared.requests / alone.requests:.2f} times the upstream requests "
        f"(goal {MOST_REQUESTS}), "
        f"{shared.bytes_a_call / 1e3:.0f} kB a call (goal {MOST_KILOBYTES}), "
        f"{max(shared.late):.1f} s late at most (goal {LONGEST_PAUSE_SECONDS:g})"
    )


def report(bounds: Bounds = USUAL) -> list[str]:
    """Give the table: what each way took, and how many times the first that is."""
    started = time.monotonic()
    number = len(ways(bounds)) if bounds.own_servers else 1
    with (
        many_open_files(),
        process_of("tests.bench.counting_sandbox", str(bounds.queued_seconds)) as sandbox,
        processes_of(number, "tests.bench.tool_server", sandbox + API) as servers,
    ):
        costs = uvloop.run(measure(sandbox, servers, bounds))
    jobs = f"{bounds.jobs} jobs of {bounds.keys} keys, {bounds.seconds:g} s each"
    return [
        f"Waiting for {jobs}; many is {bounds.calls} calls (times one call a job)",
        *table(costs),
        goals(costs),
        f"measured in {time.monotonic() - started:.0f} s",
    ]
