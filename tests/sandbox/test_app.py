import sys
from datetime import datetime

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from luma_mcp.sandbox.app import build_sandbox, running
from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.sandbox.faults import WORDS
from tests.sandbox.conftest import PREFIX, ROOT, Enter, Luma


async def test_the_index_lists_every_endpoint_and_every_word(luma: Luma) -> None:
    index = (await luma.get(ROOT + "/")).json()
    assert index["prompt_words"] == WORDS
    assert list(index["urls"]) == ["unreachable"]
    assert len(index["endpoints"]) == 24
    assert f"POST {PREFIX}/generations/video" in index["endpoints"]
    assert not [endpoint for endpoint in index["endpoints"] if endpoint.startswith("HEAD")]


async def test_an_unknown_path_is_404_in_luma_s_shape(luma: Luma) -> None:
    answer = await luma.get("/generation")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


async def test_a_trailing_slash_is_not_redirected(luma: Luma) -> None:
    assert (await luma.get("/ping/")).status_code == 404


async def test_a_wrong_method_is_405_in_luma_s_shape(luma: Luma) -> None:
    answer = await luma.put("/credits")
    assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})


async def test_a_body_above_the_limit_is_413(enter: Enter) -> None:
    luma = await enter(Behaviour(max_body_bytes=100))
    answer = await luma.post("/generations/video", json={"prompt": "x" * 100})
    assert (answer.status_code, answer.json()) == (413, {"detail": "Content Too Large"})


async def test_a_breakdown_is_500_in_luma_s_shape() -> None:
    class StoppedClock(TurnedClock):
        def now(self) -> datetime:
            raise ArithmeticError

    app = build_sandbox(clock=StoppedClock())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"authorization": "Bearer luma-test"}
    async with httpx.AsyncClient(transport=transport, base_url=ROOT, headers=headers) as client:
        answer = await client.get(PREFIX + "/credits")
    assert (answer.status_code, answer.json()) == (500, {"detail": "Internal server error"})


async def test_without_drawing_libraries_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "luma_mcp.sandbox.media", None)
    monkeypatch.delattr("luma_mcp.sandbox.media", raising=False)
    with pytest.raises(RuntimeError, match=r'pip install "\.\[sandbox\]"'):
        build_sandbox()


async def test_below_another_application_links_lead_through_the_mount(clock: TurnedClock) -> None:
    sandbox = build_sandbox(clock=clock)
    parent = Starlette(routes=[Mount("/sandbox", sandbox)])
    async with running(sandbox), Luma(parent) as luma:
        luma.base_url = f"{ROOT}/sandbox{PREFIX}"
        image = await luma.make_image()
        clock.advance(3)
        url = (await luma.read(image))["assets"]["image"]
        assert url.startswith(ROOT + "/sandbox/media/")
        assert (await luma.get(url)).status_code == 200


async def test_links_begin_with_the_public_url_if_there_is_one(
    enter: Enter, clock: TurnedClock
) -> None:
    luma = await enter(Behaviour(public_url="https://luma.example/box/"))
    image = await luma.make_image()
    clock.advance(3)
    url = (await luma.read(image))["assets"]["image"]
    assert url.startswith("https://luma.example/box/media/")


async def test_a_sandbox_works_with_the_clock_of_the_machine() -> None:
    async with Luma(build_sandbox()) as luma:
        assert (await luma.make_image(prompt="a [sandbox:never]"))["state"] == "queued"
