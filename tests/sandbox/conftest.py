"""A sandbox with a clock that a test turns, and a client that holds a key."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from starlette.types import ASGIApp

from luma_mcp.sandbox.app import build_sandbox, running
from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.sandbox.clock import TurnedClock

ROOT = "http://sandbox.test"
PREFIX = "/dream-machine/v1"
AGENTS = "/agents/v1"
IMAGES = "/generations/image"
OPEN_HANDED = Behaviour(
    starting_balance_cents=1_000_000.0,
    video_creates_per_minute=1_000,
    image_creates_per_minute=1_000,
    agents_creates_per_minute=1_000,
    agents_concurrent=1_000,
)

Enter = Callable[[Behaviour], Awaitable["Luma"]]
Turning = Callable[[float], AbstractAsyncContextManager[None]]
Json = dict[str, Any]
Value = str | float | list[Any] | Json | None


class Luma(httpx.AsyncClient):
    """A client of one account, whose paths begin behind the version."""

    def __init__(self, app: ASGIApp, key: str = "luma-test") -> None:
        self.app = app
        super().__init__(
            transport=httpx.ASGITransport(app),
            base_url=ROOT + PREFIX,
            headers={"authorization": f"Bearer {key}"},
        )

    async def make(self, **body: Value) -> Json:
        answer = await self.post("/generations/video", json={"model": "ray-2", **body})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def make_image(self, **body: Value) -> Json:
        answer = await self.post("/generations/image", json={"prompt": "a pear", **body})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def read(self, generation: Json) -> Json:
        answer = await self.get(f"/generations/{generation['id']}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def get_balance(self) -> float:
        return (await self.get("/credits")).json()["credit_balance"]

    async def get_refusal(self, path: str, **body: Value) -> tuple[int, str]:
        answer = await self.post(path, json=body)
        assert list(answer.json()) == ["detail"]
        return answer.status_code, answer.json()["detail"]


async def create(luma: httpx.AsyncClient, words: str) -> httpx.Response:
    """Ask for a picture with words of the sandbox in its prompt."""
    return await luma.post(IMAGES, json={"prompt": f"a pear {words}"})


async def count_jobs(luma: httpx.AsyncClient) -> int:
    return (await luma.get("/generations")).json()["count"]


@pytest.fixture
async def enter(clock: TurnedClock) -> AsyncIterator[Enter]:
    """Builds sandboxes that run until the test ends, each with a client."""
    async with AsyncExitStack() as stack:

        async def build(behaviour: Behaviour, key: str = "luma-test") -> Luma:
            app = build_sandbox(behaviour=behaviour, clock=clock)
            await stack.enter_async_context(running(app))
            return await stack.enter_async_context(Luma(app, key))

        yield build


@pytest.fixture
async def luma(enter: Enter) -> Luma:
    return await enter(OPEN_HANDED)


@pytest.fixture
def turning(clock: TurnedClock) -> Turning:
    """Advances the clock as soon as somebody sleeps, while the body of the `with` goes on."""

    @asynccontextmanager
    async def turn(seconds: float) -> AsyncIterator[None]:
        async def advance() -> None:
            await clock.wait_for_sleepers()
            clock.advance(seconds)

        async with anyio.create_task_group() as group:
            group.start_soon(advance)
            yield

    return turn


class Agents(httpx.AsyncClient):
    """A client of one account of the Agents API, whose paths begin behind the version."""

    def __init__(self, app: ASGIApp, key: str = "luma-api-test") -> None:
        self.app = app
        super().__init__(
            transport=httpx.ASGITransport(app),
            base_url=ROOT + AGENTS,
            headers={"authorization": f"Bearer {key}"},
        )

    async def ask(self, **body: Value) -> httpx.Response:
        return await self.post("/generations", json={"prompt": "a pear", **body})

    async def make(self, **body: Value) -> Json:
        answer = await self.ask(**body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def make_clip(self, **body: Value) -> Json:
        return await self.make(type="video", model="ray-3.2", **body)

    async def read(self, generation: Json) -> Json:
        answer = await self.get(f"/generations/{generation['id']}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def get_link(self, generation: Json) -> str:
        return (await self.read(generation))["output"][0]["url"]

    async def fetch(self, generation: Json) -> list[bytes]:
        """Every output of a completed job, without the key."""
        files = []
        for output in (await self.read(generation))["output"]:
            answer = await self.get(output["url"], headers={"authorization": ""})
            assert answer.status_code == 200
            files.append(answer.content)
        return files


@pytest.fixture
async def agents(luma: Luma) -> AsyncIterator[Agents]:
    """A client of the same sandbox, with an account that may do as it likes."""
    async with Agents(luma.app) as client:
        yield client
