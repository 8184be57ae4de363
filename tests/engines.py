"""A Redis of its own for a test, on loopback, ended with the block."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from tests.e2e.requirements import need_program
from tests.servers import bound_socket

PROGRAM = "redis-server"


@asynccontextmanager
async def redis_server(*options: str) -> AsyncGenerator[str]:
    """Run an engine that keeps nothing on disk; gives its URL."""
    need_program(PROGRAM)
    # As long as we hold the port without listening, nobody but who names it gets it.
    with bound_socket() as held:
        port = held.getsockname()[1]
        listening = ("--bind", "127.0.0.1", "--port", str(port))
        process = await asyncio.create_subprocess_exec(
            *(PROGRAM, *listening, "--save", "", "--appendonly", "no", *options),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            await _ready(process)
            yield f"redis://127.0.0.1:{port}"
        finally:
            with suppress(ProcessLookupError):  # it may not even have started
                process.kill()  # it has nothing to save, and would take its time to say so
            await process.communicate()


async def _ready(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    said = b""
    while b"Ready to accept connections" not in said:
        line = await process.stdout.readline()
        assert line, said.decode()
        said += line
