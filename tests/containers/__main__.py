"""Build the image as it is, and run it: `make containers`, as root on Debian.

It needs the packages docker.io and mmdebstrap. An engine of its own builds the Dockerfile upon an
image made of Debian's packages. No container has a network; calls are made inside them.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from shutil import which

from tests.containers.base import import_base
from tests.containers.engine import Engine, engine

ROOT = Path(__file__).parents[2]
IMAGE = "luma-mcp"
HEALTHY = "health_status: healthy"
NEEDED = ("docker", "dockerd", "mmdebstrap")
LONGEST_SECONDS = 600
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
CALL = """
import asyncio
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

async def main():
    headers = {"Authorization": "Bearer luma-ada"}
    async with Client(StreamableHttpTransport("http://127.0.0.1:9321/mcp", headers)) as ada:
        made = await ada.call_tool("create_generation", {"prompt": "A paper boat"})
        wanted = {"generation_id": made.structured_content["id"]}
        job = await ada.call_tool("wait_for_generation", wanted)
        print(job.structured_content["state"])

asyncio.run(main())
"""


async def build(ours: Engine) -> None:
    """The Dockerfile is built unmodified."""
    await import_base(ours, ROOT / "Dockerfile")
    passed = [word for name in PROXIES for word in ("--build-arg", name)]
    await ours.docker("build", "--network=host", *passed, f"--tag={IMAGE}", str(ROOT))


async def serves_read_only_as_nobody_and_ends_in_order(ours: Engine) -> None:
    """At another port it is healthy, makes a video, writes nowhere and ends in order."""
    async with ours.container("--env=LUMA_MCP_PORT=9321", IMAGE, "--sandbox") as number:
        expect(await ours.health(number), HEALTHY)
        expect(await ours.docker("exec", number, "python", "-c", CALL), "completed\n")
        expect(await ours.docker("exec", number, "id", "-u"), "65534\n")
        await ours.docker("exec", number, "touch", "/opt/luma-mcp/new", status=1)
        await ours.docker("kill", "--signal=TERM", number)
        expect(await ours.docker("wait", number), "0\n")
        log = await ours.docker("logs", number)
        expect("Finished server process" in log and "Traceback" not in log, wanted=True)


async def is_healthy_where_its_command_line_has_it_listen(ours: Engine) -> None:
    """The sandbox alone is healthy at an address and port of the command line."""
    async with ours.container("--init", IMAGE, "sandbox", "--host=::", "--port=9322") as number:
        expect(await ours.health(number), HEALTHY)


async def is_healthy_for_one_user(ours: Engine) -> None:
    """Over stdin and stdout it is healthy while it lives."""
    given = ("--interactive", "--env=LUMA_API_KEY=luma-ada")
    async with ours.container(*given, IMAGE, "stdio") as number:
        expect(await ours.health(number), HEALTHY)


async def says_what_workers_need(ours: Engine) -> None:
    """Workers without a directory for their figures do not start, and say why."""
    settings = ("--env=LUMA_MCP_WORKERS=2", "--env=LUMA_MCP_REDIS_URL=redis://127.0.0.1:1/0")
    said = await ours.docker(
        "run", "--rm", "--network=none", "--read-only", *settings, IMAGE, status=2
    )
    expect(said.startswith("luma-mcp: LUMA_MCP_WORKERS above 1 needs a directory"), wanted=True)


CHECKS = (
    build,
    serves_read_only_as_nobody_and_ends_in_order,
    is_healthy_where_its_command_line_has_it_listen,
    is_healthy_for_one_user,
    says_what_workers_need,
)


def expect(found: object, wanted: object) -> None:
    """Stop unless something is as it should be."""
    if found != wanted:
        raise AssertionError(f"{found!r} is not {wanted!r}")


async def timed(check: Callable[[Engine], Awaitable[None]], ours: Engine) -> None:
    """Make a check, and say how long it took."""
    begun = time.monotonic()
    await check(ours)
    sys.stdout.write(f"{time.monotonic() - begun:4.0f} s  {check.__doc__}\n")
    sys.stdout.flush()


async def main() -> None:
    """Make all checks, one after another."""
    async with asyncio.timeout(LONGEST_SECONDS), engine() as ours:
        for check in CHECKS:
            await timed(check, ours)


if __name__ == "__main__":
    lacking = [name for name in NEEDED if which(name) is None]
    if os.geteuid() or lacking:
        sys.exit(f"This needs root, and {' and '.join(lacking or NEEDED)} of Debian's packages.")
    asyncio.run(main())
