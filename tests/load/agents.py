"""Agents that make videos, wait for them, look at them and list them, all at once."""

import asyncio
import itertools
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.messages import META, MODERN

ACCEPT = "application/json, text/event-stream"
TOO_MANY = 429
LIMITED = "rate_limited"
LOST = "lost"
LONGEST_PAUSE_SECONDS = 30.0  # what people and models think for
WAIT_SECONDS = 45
MOST_WAITS = 60

Json = dict[str, Any]


@dataclass
class Tally:
    """What came of all calls.

    Attributes:
        calls: How many were answered well, by tool.
        limited: How many a limit refused, by the word of who did.
        failed: All other errors, by code.
        mixed: Answers that hold somebody else's words.
        seconds: How long each call took, by tool.
    """

    calls: Counter[str] = field(default_factory=Counter)
    limited: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    mixed: list[str] = field(default_factory=list)
    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def lines(self) -> list[str]:
        """Say it, a line for each tool."""
        rows = [f"{'tool':24}{'calls':>9}{'p50 ms':>10}{'p95 ms':>10}"]
        for tool, times in sorted(self.seconds.items()):
            times.sort()
            p50, p95 = (times[int(len(times) * part)] * 1000 for part in (0.5, 0.95))
            rows.append(f"{tool:24}{self.calls[tool]:>9}{p50:>10.0f}{p95:>10.0f}")
        return [
            *rows,
            f"limited: {dict(self.limited) or 'none'}",
            f"failed: {dict(self.failed) or 'none'}",
            f"mixed: {len(self.mixed) or 'none'}",
        ]


class Refused(Exception):
    """A call was answered with an error, which is in the tally."""


class Agent:
    """One agent with a key of its own, which lives until it is told to stop.

    Args:
        name: Stands in all that it asks for.
        session: The connections of all agents.
        base: The server's address.
        tally: Where it notes what came of its calls.
        longest_pause_seconds: What it may think for before each video.
    """

    def __init__(
        self,
        name: str,
        session: aiohttp.ClientSession,
        base: str,
        tally: Tally,
        longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
    ) -> None:
        self._name = name
        self._session = session
        self._url = f"{base}/mcp"
        self._tally = tally
        self._longest_pause = longest_pause_seconds
        self._numbers = itertools.count(1)

    async def live(self, goes_on: Callable[[], bool]) -> None:
        """Make one video after another; whatever is refused, go on with the next."""
        while goes_on():
            await asyncio.sleep(random.uniform(0, self._longest_pause))  # noqa: S311 - no secret
            with suppress(Refused):
                await self._make_a_video(goes_on)

    async def _make_a_video(self, goes_on: Callable[[], bool]) -> None:
        serial = next(self._numbers)
        video = {"prompt": f"A boat for {self._name}.", "model": "ray-flash-2"}
        await self.call("estimate_cost", tool="create_generation", arguments=video)
        order = {**video, "max_cost_usd": 1}
        key = f"{self._name}/{serial}"
        job = await self.call("create_generation", **order, idempotency_key=key)
        again = await self.call("create_generation", **order, idempotency_key=key)
        if again["id"] != job["id"]:
            self._tally.mixed.append(f"{key} made two jobs")
        about = {"generation_id": job["id"]}
        for _ in range(MOST_WAITS):
            if job["is_final"] or not goes_on():
                break
            job = await self.call("wait_for_generation", **about, timeout_seconds=WAIT_SECONDS)
        await self.call("get_generation", **about)
        await self.call("list_generations", limit=5)
        await self.call("delete_generation", **about)

    async def call(self, name: str, /, **arguments: object) -> Json:
        """Call a tool in protocol 2026-07-28; gives its structured answer.

        Raises:
            Refused: There is none.
        """
        started = time.perf_counter()
        try:
            status, text = await self._ask(name, arguments)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._refused(self._tally.failed, f"{LOST}: {type(error).__name__}") from error
        self._tally.seconds[name].append(time.perf_counter() - started)
        if status == TOO_MANY:
            raise self._refused(self._tally.limited, "HTTP 429")
        try:
            result = _message_in(text)["result"]
        except (ValueError, KeyError):
            raise self._refused(self._tally.failed, f"HTTP {status}") from None
        data = result["structuredContent"]
        if result.get("isError"):
            limited = data["code"] == LIMITED
            raise self._refused(
                self._tally.limited if limited else self._tally.failed,
                f"{data['code']}: {data['message']}",
            )
        self._tally.calls[name] += 1
        self._look_for_others(text)
        return data

    async def _ask(self, name: str, arguments: Json) -> tuple[int, str]:
        params = {"name": name, "arguments": arguments, "_meta": META}
        headers = {
            "Authorization": f"Bearer luma-{self._name}",
            "Accept": ACCEPT,
            "MCP-Protocol-Version": MODERN,
            "Mcp-Method": "tools/call",
            "Mcp-Name": name,
            "X-Luma-Previews": "off",
        }
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        async with self._session.post(self._url, json=message, headers=headers) as response:
            return response.status, await response.text()

    def _refused(self, counter: Counter[str], why: str) -> Refused:
        counter[why] += 1
        return Refused(why)

    def _look_for_others(self, text: str) -> None:
        for mark in text.split("A boat for ")[1:]:
            if not mark.startswith(f"{self._name}."):
                self._tally.mixed.append(text)


def _message_in(text: str) -> Json:
    """Read an answer that came as JSON, or as the one message of a stream."""
    if text.startswith("{"):
        return json.loads(text)
    (message,) = (line for line in text.splitlines() if line.startswith('data: {"jsonrpc"'))
    return json.loads(message.removeprefix("data: "))


async def crowd(
    base: str,
    agents: int,
    goes_on: Callable[[], bool],
    longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
) -> Tally:
    """Let so many agents live side by side; gives what came of it."""
    tally = Tally()
    connector = aiohttp.TCPConnector(limit=0)
    patience = aiohttp.ClientTimeout(total=120)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=patience) as session,
        asyncio.TaskGroup() as tasks,
    ):
        for number in range(agents):
            agent = Agent(f"agent-{number}", session, base, tally, longest_pause_seconds)
            tasks.create_task(agent.live(goes_on))
    return tally
