"""Several processes on one port: they begin, are replaced and end together."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.e2e.processes import ENDED, LIGHT, Running, finished, light_server, serving_process
from tests.e2e.test_first_light import call, connect

# Nobody is there; whether it can be reached is no matter here.
ENGINE = {"LUMA_MCP_REDIS_URL": "redis://127.0.0.1:1"}
TWO = {"LUMA_MCP_WORKERS": "2", "LUMA_MCP_LOG_FORMAT": "json", **ENGINE}
two_workers = partial(light_server, **TWO)


async def worker_of(url: str) -> int:
    """Ask over a new connection which process answers."""
    async with httpx.AsyncClient(timeout=60) as http:
        return (await http.get(url)).json()["process"]


async def workers_of(url: str, but_for: frozenset[int] = frozenset()) -> frozenset[int]:
    """Ask until two have answered that are none of these."""
    found: set[int] = set()
    while len(found) < 2:
        found |= {await worker_of(url)} - but_for
    return frozenset(found)


@asynccontextmanager
async def calling(url: str) -> AsyncGenerator[list[int]]:
    """Call over new connections all the time; gives who answered, and fails if nobody does."""
    answered: list[int] = []

    async def call_on() -> None:
        while True:
            answered.append(await worker_of(url))

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(call_on())
        yield answered
        task.cancel()


def complaints(running: Running) -> list[str]:
    levels = ('"warning"', '"error"', "Traceback")
    return [line for line in running.log if any(level in line for level in levels)]


async def test_workers_that_die_or_are_replaced_cost_no_call(tmp_path: Path) -> None:
    variables = {"LUMA_MCP_DRAIN_SECONDS": "300", "LUMA_MCP_REDIS_URL": "redis://127.0.0.1:9"}
    variables["TMPDIR"] = str(tmp_path)
    async with two_workers(**variables) as running:
        first = await workers_of(running.url)
        dead = min(first)
        os.kill(dead, signal.SIGKILL)
        await running.wrote("worker replaced")
        second = await workers_of(running.url, frozenset({dead}))
        assert first - {dead} < second
        async with calling(running.url) as answered:
            running.process.send_signal(signal.SIGHUP)
            await running.wrote("worker replaced", times=3)
            await running.wrote("Finished server process", times=2)
        third = await workers_of(running.url)
        assert second.isdisjoint(third)
        assert set(answered) <= second | third
        # While others serve on no balancer has to be told.
        assert "draining" not in "".join(running.log)
        running.process.send_signal(signal.SIGTERM)
        await running.wrote("draining", times=2)
        assert await worker_of(running.url) in third
        assert await running.stop() == -signal.SIGTERM
    assert complaints(running) == []
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - nothing else runs


async def test_ctrl_c_ends_all_workers_without_draining() -> None:
    async with two_workers(LUMA_MCP_DRAIN_SECONDS="300") as running:
        running.process.send_signal(signal.SIGINT)
        await running.process.wait()
    assert "draining" not in "".join(running.log)
    assert "Traceback" not in "".join(running.log)


async def test_workers_end_when_their_parent_dies_without_a_word(tmp_path: Path) -> None:
    async with two_workers(TMPDIR=str(tmp_path)) as running:
        running.process.kill()
        await running.wrote(ENDED)  # by all that hold its stderr
        await running.process.communicate()
    assert sum("Finished server process" in line for line in running.log) == 2


@pytest.mark.parametrize(
    ("toolsets", "status"), [("videos", 1), ("images", 3)], ids=["setting", "fault"]
)
async def test_workers_that_cannot_start_stop_the_start(toolsets: str, status: int) -> None:
    ended, _, err = await finished(program=LIGHT, LUMA_MCP_TOOLSETS=toolsets, **TWO)
    assert ended == status
    if toolsets == "videos":
        assert err.count("SettingError: these settings are of no use.") == 1
    else:
        assert "a worker cannot start" in err


@pytest.mark.parametrize("command", ["--sandbox", "sandbox"])
async def test_the_sandbox_takes_no_workers(command: str) -> None:
    status, _, err = await finished(command, LUMA_MCP_WORKERS="2")
    assert (status, err) == (2, "luma-mcp: LUMA_MCP_WORKERS must be 1 with the sandbox.\n")


async def test_workers_need_an_engine_in_which_they_share_promises() -> None:
    status, _, err = await finished(program=LIGHT, LUMA_MCP_WORKERS="2")
    assert status != 0
    assert "LUMA_MCP_WORKERS above 1 needs LUMA_MCP_REDIS_URL" in err


async def test_the_server_works_with_two_workers_whose_options_came_by_the_command_line() -> None:
    async with serving_process("sandbox") as luma:
        variables = {"LUMA_MCP_DREAM_MACHINE_URL": f"{luma.url}/dream-machine/v1"}
        async with serving_process(
            "--log-format", "json", LUMA_MCP_WORKERS="2", **ENGINE, **variables
        ) as running:
            for _ in range(4):
                async with connect(f"{running.url}/mcp", "luma-ada") as ada:
                    credit = await call(ada, "get_credits")
                assert credit["credit_balance_usd"] == 100
            await running.stop()
    welcome, others = [], []
    for line in running.log[:-1]:
        (others if line.startswith("{") else welcome).append(line)
    assert welcome == [f"luma-mcp serves {running.url}/mcp\n"]
    assert all("shared store" in line for line in complaints(running))
    assert sum('"event": "call"' in line for line in others) == 4
