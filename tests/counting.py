"""A worker that counts, as a process of its own; it imports no more than that takes."""

import asyncio
import multiprocessing
import os
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from luma_mcp.metrics import Metrics, open_metrics
from luma_mcp.settings import load_settings


def count(told: Connection, port: int) -> None:
    """Count two calls, read the gauges, and stay until told to go."""
    metrics = open_metrics(load_settings(metrics_port=port))
    metrics.answered("tools/call", "ping", "ok", 0.3)
    metrics.answered("tools/call", "ping", "ok", 3.0)
    asyncio.run(_stay(metrics, told))


async def _stay(metrics: Metrics, told: Connection) -> None:
    async with metrics.reading(lambda: {"luma_mcp_waiters": 5}):
        await asyncio.sleep(0)  # let the first reading begin
        told.send(os.getpid())
        told.recv()


@contextmanager
def counting_worker(port: int) -> Generator[int]:
    """Run one, whose parent serves at the port; gives its number once it has counted."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=count, args=(there, port))
    process.start()
    yield here.recv()
    here.send("go")
    process.join()
    assert process.exitcode == 0
