"""One idempotency key over two processes of one server, of which one is killed while it sends."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
from redis.asyncio import Redis

from tests.e2e.processes import UNTRACED, Running, serving_process
from tests.engines import redis_server
from tests.luma.upstream import Line, Seen, answer_of, playing
from tests.messages import MAY_EXIST, META, MODERN

JOB_ID = "0b9f0a52-2f0e-4a43-8b43-4a8b9a3f0c01"
CALLS = 50
BOAT = {"prompt": "A paper boat", "idempotency_key": "boat-1"}


@dataclass
class Luma:
    """What an upstream plays on each connection: it notes what is ordered.

    Attributes:
        answers: Whether orders are answered, or left without a word.
        orders: The requests for jobs.
        asked: Set when the first has come.
    """

    answers: bool
    orders: list[Seen] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, line: Line) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                await line.hear()
                if line.seen[-1].method == "POST":
                    self.orders.append(line.seen[-1])
                    self.asked.set()
                    if not self.answers:
                        await line.stall()
                job = {"id": JOB_ID, "state": "queued"}
                await line.say(answer_of(200, json.dumps(job).encode()))


@dataclass(frozen=True)
class Replicas:
    """Two processes of one server, and the engine that they share."""

    servers: tuple[Running, Running]
    engine: Redis

    async def claims(self, number: int) -> None:
        """Return when idempotency keys were claimed, or tried to, so often."""
        while True:
            commands = await self.engine.info("commandstats")
            if commands.get("cmdstat_set", {"calls": 0})["calls"] >= number:
                return


@asynccontextmanager
async def replicas(luma: Luma) -> AsyncGenerator[Replicas]:
    """Run two processes of one server with little patience, before this upstream."""
    async with redis_server() as engine, playing(luma) as upstream:
        variables = {
            "LUMA_MCP_REDIS_URL": engine,
            "LUMA_MCP_DREAM_MACHINE_URL": upstream.url,
            "LUMA_MCP_UPSTREAM_TIMEOUT_SECONDS": "2",
            **UNTRACED,
        }
        async with (
            serving_process(**variables) as first,
            serving_process(**variables) as second,
            Redis.from_url(engine) as shared,
        ):
            yield Replicas((first, second), shared)


async def create(http: httpx.AsyncClient, server: Running, key: str) -> dict[str, Any]:
    """Order a job; gives the fields of the answer, or of the error."""
    params = {"name": "create_generation", "arguments": BOAT, "_meta": META}
    response = await http.post(
        f"{server.url}/mcp",
        headers={
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": MODERN,
            "Mcp-Method": "tools/call",
            "Mcp-Name": "create_generation",
            "X-API-Key": key,
        },
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
    )
    text = response.text.rpartition("data: ")[2]  # a slow answer is a stream
    return json.loads(text)["result"]["structuredContent"]


async def make_one_job_each(both: Replicas, luma: Luma, http: httpx.AsyncClient) -> None:
    keys = ("luma-ada", "luma-bob")
    async with asyncio.TaskGroup() as group:
        calls = [
            group.create_task(create(http, both.servers[number % 2], keys[number // 2 % 2]))
            for number in range(CALLS)
        ]
    jobs = [call.result() for call in calls]
    assert {job["id"] for job in jobs} == {JOB_ID}
    assert sum(not job["replayed"] for job in jobs) == len(luma.orders) == len(keys)
    brought = [dict(seen.headers)["authorization"] for seen in luma.orders]
    assert sorted(brought) == [f"Bearer {key}" for key in keys]


async def kill_who_sends(both: Replicas, luma: Luma, http: httpx.AsyncClient) -> None:
    first, second = both.servers
    lost = [asyncio.create_task(create(http, first, "luma-eve")) for _ in range(CALLS // 2)]
    await luma.asked.wait()
    kept = [asyncio.create_task(create(http, second, "luma-eve")) for _ in range(CALLS // 2)]
    await both.claims(4)  # by who sends, and by those who wait, again and again
    first.process.kill()
    await asyncio.wait(lost)
    assert all(isinstance(call.exception(), httpx.TransportError) for call in lost)
    for answer in [*[await call for call in kept], await create(http, second, "luma-eve")]:
        assert (answer["code"], answer["retryable"]) == ("unavailable", False)
        assert answer["advice"].startswith(MAY_EXIST)
    assert len(luma.orders) == 1


async def test_over_two_processes_a_key_makes_one_job_and_in_doubt_none() -> None:
    luma = Luma(answers=True)
    async with replicas(luma) as both, httpx.AsyncClient(timeout=60) as http:
        await make_one_job_each(both, luma, http)
        await both.engine.config_resetstat()
        luma.answers = False
        luma.orders.clear()
        luma.asked.clear()
        await kill_who_sends(both, luma, http)
