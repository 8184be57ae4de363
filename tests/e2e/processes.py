"""The command line as a process of its own, on a free port, ended by its id."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

from tests.e2e.requirements import need_program
from tests.servers import bound_socket, url_of

ROOT = Path(__file__).parents[2]
CADDYFILE = ROOT / "deploy" / "Caddyfile"
ENDED = "(it ended)"
# Given to a process of which coverage learns nothing new: it starts in two thirds of the time.
UNTRACED = {"COVERAGE_PROCESS_CONFIG": ""}
ADDRESS = re.compile(r"http://(?:127\.0\.0\.1|\[::1\]):\d+")


@dataclass
class Running:
    """A server process, where it listens, and what it wrote to stderr."""

    process: asyncio.subprocess.Process
    url: str = ""
    log: list[str] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def wrote(self, words: str, times: int = 1) -> None:
        """Wait until it has logged these words, so often."""
        async with self.news:
            await self.news.wait_for(lambda: sum(words in line for line in self.log) >= times)

    async def stop(self) -> int:
        """Ask it to end, as a process manager does, and wait."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()


async def start(
    *arguments: str,
    program: tuple[str, ...] = ("server.py",),
    python: str = sys.executable,
    user: str | None = None,
    **variables: str,
) -> asyncio.subprocess.Process:
    """Start `python server.py`, or another program, with these arguments and settings.

    It runs as this user, which only root can decide; else as ourselves.
    """
    environment = {name: value for name, value in os.environ.items() if "LUMA" not in name}  # noqa: TID251 - for a child
    return await asyncio.create_subprocess_exec(
        python,
        *program,
        *arguments,
        cwd=ROOT,
        env={**environment, **variables},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        **({"user": user, "extra_groups": []} if user and os.geteuid() == 0 else {}),
    )


async def _read(running: Running) -> None:
    """Keep what the process logs, until it ends."""
    assert running.process.stderr is not None
    async for line in running.process.stderr:
        async with running.news:
            running.log.append(line.decode())
            running.news.notify_all()
    async with running.news:
        running.log.append(ENDED)
        running.news.notify_all()


async def _address(running: Running) -> str:
    """Wait for the address that the process names once it listens."""
    async with running.news:
        while True:
            if address := ADDRESS.search("".join(running.log)):
                return address.group()
            assert ENDED not in running.log, "".join(running.log)
            await running.news.wait()


@asynccontextmanager
async def serving_process(
    *arguments: str,
    program: tuple[str, ...] = ("server.py",),
    python: str = sys.executable,
    user: str | None = None,
    port: int = 0,
    **variables: str,
) -> AsyncGenerator[Running]:
    """Run the command line until the end of the block; it picks a free port unless given one."""
    how = {"program": program, "python": python, "user": user}
    process = await start(*arguments, "--port", str(port), **how, **variables)
    async with _logged(Running(process)) as running:
        running.url = await _address(running)
        yield running


@asynccontextmanager
async def _logged(running: Running) -> AsyncGenerator[Running]:
    """Read along what the process logs, and end it with the block."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_read(running))
        try:
            yield running
        finally:
            await running.stop()


async def finished(
    *arguments: str,
    program: tuple[str, ...] = ("server.py",),
    python: str = sys.executable,
    **variables: str,
) -> tuple[int, str, str]:
    """Run the command line to its end; gives its status, output and complaints."""
    process = await start(*arguments, program=program, python=python, **variables)
    out, err = await process.communicate(b"")  # which ends its stdin
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def fetch(url: str, **headers: str) -> httpx.Response:
    """Get one URL as a browser would."""
    async with httpx.AsyncClient(timeout=60) as browser:
        return await browser.get(url, headers=headers)


# Up in a moment, since it has nothing of the product but how it serves.
LIGHT = ("-m", "tests.e2e.light_server")
light_server = partial(serving_process, program=LIGHT)


@asynccontextmanager
async def caddy(
    *upstreams: str, home: Path, bound: socket.socket | None = None, config: Path = CADDYFILE
) -> AsyncGenerator[Running]:
    """Run Caddy as we deploy it, before servers at these URLs."""
    need_program("caddy")
    with bound or bound_socket() as held:  # nobody else gets the port as long as it is held
        process = await asyncio.create_subprocess_exec(
            *("caddy", "run", "--config", str(config), "--adapter", "caddyfile"),
            env={
                "LUMA_MCP_SITE": url_of(held),
                "LUMA_MCP_UPSTREAMS": " ".join(map(address, upstreams)),
                "PATH": os.environ["PATH"],  # noqa: TID251 - for a child
                "HOME": str(home),  # where it keeps certificates
            },
            stderr=asyncio.subprocess.PIPE,
        )
        async with _logged(Running(process, url_of(held))) as running:
            await running.wrote("serving initial configuration")
            yield running


def address(url: str) -> str:
    """Give host and port of a URL."""
    return url.removeprefix("http://").partition("/")[0]
