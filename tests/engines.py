"""A Redis of its own for a test, on loopback, ended with the block."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext, suppress

from redis.asyncio import Redis

from luma_mcp.engine import Engine
from tests.e2e.requirements import need_program
from tests.servers import bound_socket

PROGRAM = "redis-server"


@asynccontextmanager
async def redis_server(*options: str, port: int = 0) -> AsyncGenerator[str]:
    """Run an engine that keeps nothing on disk, on any port unless told; gives its URL."""
    need_program(PROGRAM)
    # As long as we hold the port without listening, nobody but who names it gets it.
    with nullcontext() if port else bound_socket() as held:
        port = port or held.getsockname()[1]
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


@asynccontextmanager
async def connected(
    url: str, timeout_seconds: float = 10, pause_seconds: float = 0
) -> AsyncGenerator[Engine]:
    """Connect to an engine, as a process of the server does."""
    engine = Engine(url, timeout_seconds=timeout_seconds, pause_seconds=pause_seconds)
    try:
        yield engine
    finally:
        await engine.close()


async def let_pass(redis: Redis, seconds: float) -> None:
    """Shorten what each key has left to live; one that lives for ever goes on to."""
    for key in await redis.keys():
        left = await redis.pttl(key)
        if left >= 0:
            await redis.pexpire(key, int(left - seconds * 1000))


async def _ready(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    said = b""
    while b"Ready to accept connections" not in said:
        line = await process.stdout.readline()
        assert line, said.decode()
        said += line
