"""Docker's engine, started for the check alone and ended with it."""

import asyncio
import os
import tempfile
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

READY = b"API listen on"
# It changes nothing on this machine: no bridge, no rules for packets, no route.
OFFLINE = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false")


class CommandFailed(Exception):
    """A command ended with another status than it should have; the text is what it said."""


async def run(*command: str, status: int = 0, **variables: str) -> str:
    """Run a command to its end; gives all that it says.

    Raises:
        CommandFailed: Its status is another.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **variables},  # noqa: TID251 - for a child
        stdout=PIPE,
        stderr=STDOUT,
    )
    said = (await process.communicate())[0].decode()
    if process.returncode != status:
        raise CommandFailed(f"{' '.join(command)} ended with {process.returncode}\n{said}")
    return said


class Engine:
    """What the engine is told, over a socket of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        # Its older builder is the one that every engine has.
        self._variables = {"DOCKER_HOST": f"unix://{home}/socket", "DOCKER_BUILDKIT": "0"}

    async def docker(self, *arguments: str, status: int = 0) -> str:
        """Run a command of Docker's."""
        return await run("docker", *arguments, status=status, **self._variables)

    @asynccontextmanager
    async def container(self, *arguments: str) -> AsyncGenerator[str]:
        """Run a container without a network until the end of the block; gives its id."""
        options = ("--detach", "--network=none", "--read-only", "--tmpfs=/tmp")
        number = (await self.docker("run", *options, *arguments)).strip()
        try:
            yield number
        finally:
            await self.docker("rm", "--force", number)

    async def health(self, number: str) -> str:
        """Wait until the engine knows of a container whether it is healthy, or has ended."""
        filters = ("event=health_status", "event=die", f"container={number}")
        chosen = [f"--filter={one}" for one in filters]
        events = await asyncio.create_subprocess_exec(
            *("docker", "events", "--since=1h", "--format={{.Status}}", *chosen),
            env={**os.environ, **self._variables},  # noqa: TID251 - for a child
            stdout=PIPE,
        )
        assert events.stdout is not None
        first = (await events.stdout.readline()).decode().strip()
        events.terminate()
        await events.communicate()
        return first


@asynccontextmanager
async def engine() -> AsyncGenerator[Engine]:
    """Run an engine until the end of the block; all that it keeps goes with it."""
    with tempfile.TemporaryDirectory(prefix="luma-mcp-") as home:
        places = (
            *("--data-root", f"{home}/data", "--exec-root", f"{home}/exec"),
            *("--pidfile", f"{home}/pid", "--host", f"unix://{home}/socket"),
        )
        # Its mounts are not this machine's. More than 0 needs a right that root may lack.
        apart = ("unshare", "--mount", "dockerd", "--oom-score-adjust=0")
        process = await asyncio.create_subprocess_exec(*apart, *OFFLINE, *places, stderr=PIPE)
        assert process.stderr is not None
        try:
            log = b""
            while READY not in log:
                line = await process.stderr.readline()
                if not line:
                    raise CommandFailed(log.decode())
                log += line
            reading = asyncio.create_task(process.stderr.read())
            yield Engine(Path(home))
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
        await reading
