"""The end of a server while calls are under way: none is lost, and balancers know in time."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.processes import Running, caddy, fetch, light_server, serving_process
from tests.foreign.doors import messages_in
from tests.luma.upstream import SlowLuma
from tests.servers import bound_socket, misbehaving

# Whoever waits for the end of these waits for ever.
LONG_DRAIN = {"LUMA_MCP_DRAIN_SECONDS": "300"}
FOREVER = "A paper boat [sandbox:never]"
SHORT = "A paper boat [sandbox:seconds=1]"
USERS = 6


def message(tool: str, **arguments: object) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


class User:
    """Somebody who calls tools over plain HTTP, and keeps connections."""

    def __init__(self, http: httpx.AsyncClient, url: str, key: str) -> None:
        self._http = http
        self._url = f"{url}/mcp"
        self._headers = {"X-API-Key": key, "Accept": "application/json, text/event-stream"}

    async def send(self, tool: str, **arguments: object) -> httpx.Response:
        body = message(tool, **arguments)
        return await self._http.post(self._url, json=body, headers=self._headers)

    async def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool; gives the answer's data, which is none of an error."""
        answer = await self.send(tool, **arguments)
        assert answer.status_code == 200, answer.text
        result = messages_in(answer)[-1]["result"]
        assert not result.get("isError"), result
        return result["structuredContent"]


@asynccontextmanager
async def user(url: str, key: str = "luma-ada") -> AsyncGenerator[User]:
    async with httpx.AsyncClient(timeout=60) as http:
        yield User(http, url, key)


async def test_a_draining_server_says_so_and_goes_on_until_it_is_hurried() -> None:
    async with (
        serving_process("--sandbox", **LONG_DRAIN) as running,
        user(running.url) as ada,
    ):
        kept = await ada.send("get_credits")
        job = await ada.call("create_generation", prompt=FOREVER)
        running.process.send_signal(signal.SIGTERM)
        await running.wrote("draining")
        ready = await fetch(f"{running.url}/readyz")
        alive = await fetch(f"{running.url}/healthz")
        called = await ada.send("get_credits")
        waited = await ada.call("wait_for_generation", generation_id=job["id"], timeout_seconds=600)
        assert await running.stop() == -signal.SIGTERM
    assert "connection" not in kept.headers
    assert (ready.status_code, ready.json()) == (503, {"status": "draining"})
    assert (alive.status_code, called.status_code) == (200, 200)
    assert {one.headers["connection"] for one in (ready, alive, called)} == {"close"}
    assert waited["id"] in waited["next_step"]


async def test_an_answer_under_way_when_draining_begins_is_the_last_on_its_connection() -> None:
    async with (
        light_server(**LONG_DRAIN) as running,
        httpx.AsyncClient(base_url=running.url, timeout=60) as http,
        asyncio.TaskGroup() as tasks,
    ):
        await http.get("/")  # on a connection that is kept
        calling = tasks.create_task(http.get("/late"))
        while not (await http.get("/")).json()["late"]:
            pass
        running.process.send_signal(signal.SIGTERM)
        await running.wrote("draining")
        await http.get("/late")
        assert (await calling).headers["connection"] == "close"
        assert await running.stop() == -signal.SIGTERM


async def test_draining_ends_by_itself() -> None:
    async with light_server(LUMA_MCP_DRAIN_SECONDS="1") as running:
        assert await running.stop() == -signal.SIGTERM
        await running.wrote("Finished server process")


async def test_a_single_process_that_is_to_be_replaced_ends_in_order() -> None:
    async with light_server() as running:
        running.process.send_signal(signal.SIGHUP)
        assert await running.process.wait() == -signal.SIGTERM


async def test_who_presses_ctrl_c_does_not_wait_for_a_balancer() -> None:
    async with light_server(**LONG_DRAIN) as running:
        running.process.send_signal(signal.SIGINT)
        await running.process.wait()
    assert "draining" not in "".join(running.log)


async def test_what_takes_longer_than_the_end_is_cut_in_our_words() -> None:
    luma = SlowLuma(200, {"credit_balance": 1700})
    async with (
        misbehaving(luma) as upstream,
        serving_process(
            LUMA_MCP_DREAM_MACHINE_URL=upstream, LUMA_MCP_SHUTDOWN_SECONDS="1"
        ) as running,
        user(running.url) as ada,
        asyncio.TaskGroup() as tasks,
    ):
        calling = tasks.create_task(ada.send("get_credits"))
        await luma.asked.wait()
        await running.stop()
        answer = await calling
        luma.let.set()
    assert answer.status_code == 503
    assert (answer.json()["code"], answer.json()["retryable"]) == ("unavailable", False)
    assert "Traceback" not in "".join(running.log)


class Crowd:
    """Users who make a job, look at it and wait for it, until they are told that it is enough."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.is_enough = False
        self.jobs = 0

    async def act(self, number: int) -> None:
        """Be one user after the other."""
        serial = 0
        while not self.is_enough:
            serial += 1
            async with user(self._url, f"luma-user-{number}-{serial}") as somebody:
                job = await somebody.call("create_generation", prompt=SHORT)
                look = {"generation_id": job["id"]}
                await somebody.call("get_generation", **look)
                await somebody.call("wait_for_generation", timeout_seconds=1, **look)
                listed = await somebody.call("list_generations")
            assert [one["id"] for one in listed["generations"]] == [job["id"]]
            self.jobs += 1


async def test_replicas_behind_caddy_are_restarted_one_by_one_and_no_call_fails(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(
            serving_process("sandbox", LUMA_MCP_SANDBOX_QUEUED_SECONDS="0")
        )
        settings = {
            "LUMA_MCP_DREAM_MACHINE_URL": f"{sandbox.url}/dream-machine/v1",
            "LUMA_MCP_AGENTS_URL": f"{sandbox.url}/agents/v1",
            "LUMA_MCP_DRAIN_SECONDS": "3",  # Caddy looks every second
            "LUMA_MCP_TRUSTED_PROXIES": "127.0.0.1",
        }
        ports = [stack.enter_context(bound_socket()).getsockname()[1] for _ in range(2)]

        async def replica(port: int) -> Running:
            return await stack.enter_async_context(serving_process(port=port, **settings))

        replicas = [await replica(port) for port in ports]
        front = await stack.enter_async_context(
            caddy(*(one.url for one in replicas), home=tmp_path)
        )
        crowd = Crowd(front.url)
        async with asyncio.TaskGroup() as tasks:
            for number in range(USERS):
                tasks.create_task(crowd.act(number))
            for port, one in zip(ports, replicas, strict=True):
                assert await one.stop() == -signal.SIGTERM
                await replica(port)
                # Whoever restarts replicas waits; here both parts of Caddy look for themselves.
                await front.wrote("host is up", times=2 * (1 + ports.index(port)))
            crowd.is_enough = True
        log = "".join("".join(one.log) for one in replicas)
    assert crowd.jobs > USERS
    assert "cancelled" not in log
