"""The hosted set-up without its containers: Caddy, replicas, and the Redis that they share."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.e2e.processes import UNTRACED, Running, caddy, serving_process
from tests.engines import redis_server

# What a proxy on the same machine needs; the containers' is in docker-compose.yml.
BEHIND_CADDY = {"LUMA_MCP_TRUSTED_PROXIES": "127.0.0.1"}

Item = TypeVar("Item")


@dataclass
class Deployment:
    """Where users find it, and what it is made of."""

    url: str
    replicas: list[Running]


@asynccontextmanager
async def deployed(
    *,
    engine: str | None = None,
    replicas: int = 2,
    program: tuple[str, ...] = ("server.py",),
    python: str = sys.executable,
    user: str | None = None,
    **variables: str,
) -> AsyncGenerator[Deployment]:
    """Run so many replicas behind Caddy, with these settings besides what such a set-up needs.

    They share the engine at this URL, or one of their own.
    """
    async with nullcontext(engine) if engine else redis_server() as shared:
        settings = {"LUMA_MCP_REDIS_URL": shared, **BEHIND_CADDY, **UNTRACED, **variables}
        how = {"program": program, "python": python, "user": user}
        processes = (serving_process(**how, **settings) for _ in range(replicas))
        with tempfile.TemporaryDirectory() as home:
            async with (
                side_by_side(*processes) as running,
                caddy(*(one.url for one in running), home=Path(home)) as proxy,
            ):
                yield Deployment(proxy.url, running)


@asynccontextmanager
async def side_by_side(
    *contexts: AbstractAsyncContextManager[Item],
) -> AsyncGenerator[list[Item]]:
    """Enter all at the same time, each in a task of its own, and leave them likewise."""
    over = asyncio.Event()
    entered: list[asyncio.Future[Item]] = [asyncio.Future() for _ in contexts]

    async def hold(context: AbstractAsyncContextManager[Item], told: asyncio.Future[Item]) -> None:
        async with context as item:
            told.set_result(item)
            await over.wait()

    async with asyncio.TaskGroup() as tasks:
        for context, told in zip(contexts, entered, strict=True):
            tasks.create_task(hold(context, told))
        try:
            yield [await told for told in entered]
        finally:
            over.set()
