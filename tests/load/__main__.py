"""Put the hosted set-up under load: `python -m tests.load --agents 1000 --seconds 60`.

Agents live on two replicas behind Caddy that share a Redis, in front of one sandbox. It ends with
status 1 if a call failed for another reason than a limit, if an answer held somebody else's words,
or if the replicas' memory went on growing.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import uvloop

from tests.bench.processes import many_open_files
from tests.e2e.deployment import deployed
from tests.e2e.processes import UNTRACED, Running, serving_process
from tests.load.agents import LONGEST_PAUSE_SECONDS, Tally, crowd

SOAK_SECONDS = 600
SAMPLE_SECONDS = 2.0
# What the last third of the time may have above the second, of all memory of a replica.
MOST_GROWTH = 1.10
SETTINGS = {
    # All agents here have one address; what one key may do is limited as ever.
    "LUMA_MCP_REQUESTS_PER_MINUTE": "0",
    "LUMA_MCP_CONCURRENT_REQUESTS": "0",
    "LUMA_MCP_DAILY_BUDGET_USD": "1000",
    "LUMA_MCP_LOG_LEVEL": "warning",
    "LUMA_MCP_SHUTDOWN_SECONDS": "1",
}
DREAMING_SECONDS = 20.0


def resident_mb(process: Running) -> float:
    """Memory that a process has at this moment."""
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


async def watch(replicas: Sequence[Running], goes_on: Callable[[], bool]) -> list[list[float]]:
    """Take the memory of each replica every few seconds."""
    samples: list[list[float]] = [[] for _ in replicas]
    while goes_on():
        for replica, taken in zip(replicas, samples, strict=True):
            taken.append(resident_mb(replica))
        await asyncio.sleep(SAMPLE_SECONDS)
    return samples


def growth_of(samples: Sequence[float]) -> float:
    """Compare the last third of the time with the second; the first is for warming up."""
    third = max(1, len(samples) // 3)
    return median(samples[-third:]) / median(samples[third : 2 * third] or samples)


async def load(
    agents: int, seconds: float, longest_pause_seconds: float, dreaming_seconds: float
) -> tuple[Tally, list[list[float]]]:
    """Let agents live for so long; gives what came of it, and the replicas' memory meanwhile."""
    pace = {"LUMA_MCP_SANDBOX_DREAMING_SECONDS": f"{dreaming_seconds:g}", **UNTRACED}
    async with serving_process("sandbox", program=("-m", "luma_mcp"), **pace) as luma:
        upstream = {
            "LUMA_MCP_DREAM_MACHINE_URL": f"{luma.url}/dream-machine/v1",
            "LUMA_MCP_AGENTS_URL": f"{luma.url}/agents/v1",
        }
        async with deployed(program=("-m", "luma_mcp"), **upstream, **SETTINGS) as hosted:
            until = time.monotonic() + seconds

            def goes_on() -> bool:
                return time.monotonic() < until

            living = crowd(hosted.url, agents, goes_on, longest_pause_seconds)
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(watch(hosted.replicas, goes_on))
                told = tasks.create_task(living)
    return told.result(), watching.result()


def report(
    agents: int,
    seconds: float,
    longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
    dreaming_seconds: float = DREAMING_SECONDS,
) -> tuple[list[str], bool]:
    """Give the table, and whether all is well."""
    with many_open_files():
        pace = longest_pause_seconds, dreaming_seconds
        tally, memory = uvloop.run(load(agents, seconds, *pace))
    growth = [growth_of(samples) for samples in memory]
    rate = tally.calls.total() / seconds
    lines = [
        f"{agents} agents on {len(memory)} replicas for {seconds:g} s: {rate:.0f} calls a second",
        *tally.lines(),
    ]
    lines += [
        f"memory of replica {number}: {samples[0]:.0f} MB at first, {max(samples):.0f} at most, "
        f"{samples[-1]:.0f} at last; last third to second {ratio:.2f}"
        for number, (samples, ratio) in enumerate(zip(memory, growth, strict=True), start=1)
    ]
    is_well = not tally.failed and not tally.mixed and max(growth) <= MOST_GROWTH
    return [*lines, "all is well" if is_well else "NOT WELL"], is_well


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--agents", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--soak", action="store_true", help="go on for ten minutes")
    given = parser.parse_args()
    lines, is_well = report(given.agents, SOAK_SECONDS if given.soak else given.seconds)
    sys.stdout.write("\n".join([*lines, ""]))
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
