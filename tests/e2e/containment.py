"""Processes that see but themselves, as those of a container do."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.e2e.processes import ROOT, UNTRACED, finished, start
from tests.e2e.requirements import missing, need_program

# For whoever is not root, too, where the system lets them.
OWN = ("--user", "--map-root-user") if os.geteuid() else ()
APART = (*OWN, "--pid", "--mount-proc", "--kill-child")


class Contained:
    """A process that runs as number 1, with its own settings."""

    def __init__(self, process: asyncio.subprocess.Process, variables: dict[str, str]) -> None:
        self.process = process
        self._variables = variables

    @property
    def number(self) -> int:
        """Its number outside, where `unshare` is its parent."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return int(children)

    async def runs(self, *command: str) -> tuple[int, str, str]:
        """Run a command beside it to its end, as an engine does with a health check."""
        entered = ("--preserve-credentials", "--user") if OWN else ()
        where = (*entered, "--pid", "--mount", "--target", str(self.number), "--")
        return await finished(*where, *command, python="nsenter", program=(), **self._variables)


@asynccontextmanager
async def contained(*command: str, **variables: str) -> AsyncGenerator[Contained]:
    """Run a command where /proc shows nothing else, and end it with the block."""
    need_program("unshare")
    if (await finished(*APART, "true", python="unshare", program=()))[0] != 0:
        missing("this machine lets nobody have a process namespace")
    settings = {"PYTHONPATH": str(ROOT), **UNTRACED, **variables}
    process = await start(*APART, *command, python="unshare", program=(), **settings)
    one = Contained(process, settings)
    try:
        yield one
    finally:
        process.kill()
        await process.communicate(b"")  # until its child has ended with it
