"""Small pictures in answers: who gets them, of what, and that nothing else hangs on them."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from PIL import Image

from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.tools.results import PREVIEW_COMES
from tests.messages import META, MODERN
from tests.servers import product
from tests.web.conftest import ACCEPT, answer_in

FRAMEWORK = {"Accept": "application/*, text/*"}  # asks past the short way
PAGES = {"extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}}
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
Json = dict[str, Any]


class Asker:
    """Calls tools of one server as a client of protocol 2025 or 2026."""

    def __init__(self, http: httpx.AsyncClient, clock: TurnedClock) -> None:
        self._http = http
        self.clock = clock

    async def __call__(
        self, tool: str, arguments: Json, capabilities: Json | None = None, **headers: str
    ) -> Json:
        params: Json = {"name": tool, "arguments": arguments}
        sent = {
            "X-API-Key": "luma-ada",
            **{name.replace("_", "-"): headers[name] for name in headers},
        }
        if capabilities is not None:
            params["_meta"] = META | {CAPABILITIES: capabilities}
            sent |= {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": tool}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        return answer_in(await self._http.post("/mcp", json=message, headers=sent))

    async def has_made(self, prompt: str) -> bool:
        """Tell whether Luma has a job with this prompt."""
        listed = await self("list_generations", {})
        return any(one["prompt"] == prompt for one in listed["structuredContent"]["generations"])

    async def made(self, tool: str = "generate_image", prompt: str = "A paper boat") -> Json:
        """Make something, and let it be done; gives the arguments of a look at it."""
        begun = await self(tool, {"prompt": prompt, "wait_seconds": 0})
        self.clock.advance(60)
        job = {"generation_id": begun["structuredContent"]["id"]}
        looked = await self("get_generation", job, X_Luma_Previews="off")
        assets = looked["structuredContent"]["assets"]
        # The sandbox draws what is asked for first; nobody waits for a preview so long.
        await self._http.get(assets["video"] or assets["image"])
        return job


@pytest.fixture(scope="module")
async def ask() -> AsyncIterator[Asker]:
    clock = TurnedClock()
    async with (
        product(clock) as url,
        httpx.AsyncClient(base_url=url, headers=ACCEPT) as http,
    ):
        yield Asker(http, clock)


@pytest.fixture(scope="module")
async def picture(ask: Asker) -> Json:
    return await ask.made()


def preview_in(answer: Json) -> bytes | None:
    """The preview, which comes last and is announced; None if there is neither."""
    *others, last = answer["content"]
    assert [one["type"] for one in others if one["type"] == "image"] == []
    is_there = last["type"] == "image"
    assert (PREVIEW_COMES in answer["content"][0]["text"]) == is_there
    if not is_there:
        return None
    assert last["mimeType"] == "image/jpeg"
    return base64.b64decode(last["data"])


@pytest.mark.parametrize("tool", ["generate_image", "create_generation"])
async def test_an_answer_about_a_result_brings_a_small_picture_of_it(ask: Asker, tool: str) -> None:
    job = await ask.made(tool)
    for reading in ("get_generation", "wait_for_generation"):
        preview = preview_in(await ask(reading, job))
        assert preview is not None
        assert len(preview) <= 80 * 1024
        with Image.open(io.BytesIO(preview)) as image:
            assert image.format == "JPEG"
            assert max(image.size) <= 768


async def test_who_waits_while_creating_gets_it_too(ask: Asker) -> None:
    async with asyncio.TaskGroup() as tasks:
        creating = tasks.create_task(ask("generate_image", {"prompt": "A boat that is awaited"}))
        while not await ask.has_made("A boat that is awaited"):
            pass
        ask.clock.advance(60)
    assert preview_in(creating.result())


@pytest.mark.parametrize("headers", [{}, FRAMEWORK])
async def test_a_client_that_shows_pages_gets_none(
    ask: Asker, picture: Json, headers: dict[str, str]
) -> None:
    assert preview_in(await ask("get_generation", picture, {}, **headers))
    assert preview_in(await ask("get_generation", picture, PAGES, **headers)) is None


@pytest.mark.parametrize("word", ["off", "false", "0", "No"])
async def test_a_caller_can_switch_them_off(ask: Asker, picture: Json, word: str) -> None:
    assert preview_in(await ask("get_generation", picture, X_Luma_Previews=word)) is None


@pytest.mark.parametrize("word", ["on", "true", ""])
async def test_a_caller_can_leave_them_on(ask: Asker, picture: Json, word: str) -> None:
    assert preview_in(await ask("get_generation", picture, X_Luma_Previews=word))


async def test_a_list_has_none(ask: Asker, picture: Json) -> None:
    answer = await ask("list_generations", {})
    listed = {one["id"] for one in answer["structuredContent"]["generations"]}
    assert picture["generation_id"] in listed
    assert preview_in(answer) is None


async def test_a_page_gets_it_as_a_data_uri_when_it_asks(ask: Asker, picture: Json) -> None:
    expected = preview_in(await ask("get_generation", picture))
    answer = await ask("refresh_generation", {**picture, "with_poster": True}, PAGES)
    assert preview_in(answer) is None
    head, _, data = answer["structuredContent"]["poster"].partition(",")
    assert head == "data:image/jpeg;base64"
    assert base64.b64decode(data) == expected


async def test_what_is_not_there_yet_has_none(ask: Asker) -> None:
    begun = await ask("create_generation", {"prompt": "A boat [sandbox:never]"})
    assert preview_in(begun) is None
    job = {"generation_id": begun["structuredContent"]["id"]}
    assert preview_in(await ask("get_generation", job)) is None
    answer = await ask("refresh_generation", {**job, "with_poster": True})
    assert answer["structuredContent"]["poster"] is None


async def test_the_operator_can_switch_them_off_for_everybody() -> None:
    clock = TurnedClock()
    async with (
        product(clock, previews=False) as url,
        httpx.AsyncClient(base_url=url, headers=ACCEPT) as http,
    ):
        ask = Asker(http, clock)
        job = await ask.made()
        assert preview_in(await ask("get_generation", job, X_Luma_Previews="on")) is None
        answer = await ask("refresh_generation", {**job, "with_poster": True})
        assert answer["structuredContent"]["poster"]  # the page's own picture is another thing
