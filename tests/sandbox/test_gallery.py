import asyncio
import threading
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.sandbox.gallery import Gallery
from luma_mcp.sandbox.presigning import Presigner
from luma_mcp.sandbox.scenes import Scene
from tests.sandbox.conftest import ROOT

SCENE = Scene(title="A pear", model="photon-1", format="mp4")
CONTENT = bytes(range(100))


class Painter:
    """Draws the same file for any scene, and counts how often; waits while it is held."""

    def __init__(self) -> None:
        self.count = 0
        self.started = threading.Event()
        self.may_finish = threading.Event()
        self.may_finish.set()

    def __call__(self, _: Scene) -> bytes:
        self.count += 1
        self.started.set()
        assert self.may_finish.wait(10)
        return CONTENT


@pytest.fixture
def painter() -> Painter:
    return Painter()


@pytest.fixture
async def gallery(painter: Painter) -> Gallery:
    gallery = Gallery(
        Behaviour(max_media_items=2, max_media_bytes=250), painter, Presigner(TurnedClock())
    )
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        gallery.hang(name, SCENE)
    return gallery


@pytest.fixture
async def visitor(gallery: Gallery) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Starlette(routes=gallery.list_routes()))
    async with httpx.AsyncClient(transport=transport, base_url=ROOT + "/media") as client:
        yield client


async def test_a_file_is_served_to_anybody_from_anywhere(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("a.mp4")
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-length"] == "100"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_head_says_what_get_would_send(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.head("a.mp4")
    assert (answer.status_code, answer.headers["content-length"]) == (200, "100")


async def test_an_unknown_file_is_404(visitor: httpx.AsyncClient) -> None:
    assert (await visitor.get("d.mp4")).status_code == 404


@pytest.mark.parametrize(
    ("wanted", "part", "told"),
    [
        ("bytes=0-", slice(0, 100), "bytes 0-99/100"),
        ("bytes=0-0", slice(0, 1), "bytes 0-0/100"),
        ("bytes=10-19", slice(10, 20), "bytes 10-19/100"),
        ("bytes=90-500", slice(90, 100), "bytes 90-99/100"),
        ("bytes=-10", slice(90, 100), "bytes 90-99/100"),
        ("bytes=-500", slice(0, 100), "bytes 0-99/100"),
    ],
)
async def test_a_range_is_answered_with_that_part(
    visitor: httpx.AsyncClient, wanted: str, part: slice, told: str
) -> None:
    answer = await visitor.get("a.mp4", headers={"range": wanted})
    assert (answer.status_code, answer.content) == (206, CONTENT[part])
    assert answer.headers["content-range"] == told


@pytest.mark.parametrize("wanted", ["bytes=-", "bytes=0-1,5-6", "lines=0-1", "bytes=a-b"])
async def test_a_range_that_is_not_understood_is_answered_with_the_whole(
    visitor: httpx.AsyncClient, wanted: str
) -> None:
    answer = await visitor.get("a.mp4", headers={"range": wanted})
    assert (answer.status_code, answer.content) == (200, CONTENT)


@pytest.mark.parametrize("wanted", ["bytes=100-", "bytes=20-10", "bytes=-0"])
async def test_a_range_outside_the_file_is_416(visitor: httpx.AsyncClient, wanted: str) -> None:
    answer = await visitor.get("a.mp4", headers={"range": wanted})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */100")


@pytest.mark.parametrize(("tag", "status"), [('"a.mp4"', 206), ('"b.mp4"', 200)])
async def test_a_range_of_another_version_is_answered_with_the_whole(
    visitor: httpx.AsyncClient, tag: str, status: int
) -> None:
    headers = {"range": "bytes=0-9", "if-range": tag}
    assert (await visitor.get("a.mp4", headers=headers)).status_code == status


async def test_many_who_ask_at_once_have_it_drawn_once(
    visitor: httpx.AsyncClient, painter: Painter
) -> None:
    painter.may_finish.clear()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(visitor.get("a.mp4")) for _ in range(20)]
        await asyncio.to_thread(painter.started.wait)
        painter.may_finish.set()
    assert {task.result().content for task in tasks} == {CONTENT}
    assert painter.count == 1


async def test_a_drawing_outlives_the_visitor_who_asked_first(
    visitor: httpx.AsyncClient, painter: Painter
) -> None:
    painter.may_finish.clear()
    impatient = asyncio.create_task(visitor.get("a.mp4"))
    await asyncio.to_thread(painter.started.wait)
    patient = asyncio.create_task(visitor.get("a.mp4"))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.wait([impatient])
    painter.may_finish.set()
    assert (await patient).content == CONTENT
    assert painter.count == 1


async def test_a_file_is_kept_while_there_is_room(
    visitor: httpx.AsyncClient, painter: Painter
) -> None:
    for name in ("a.mp4", "b.mp4", "a.mp4", "c.mp4", "a.mp4"):
        await visitor.get(name)
    assert painter.count == 3
    await visitor.get("b.mp4")
    assert painter.count == 4


async def test_a_file_is_kept_while_it_fits_into_memory(painter: Painter) -> None:
    gallery = Gallery(Behaviour(max_media_bytes=99), painter, Presigner(TurnedClock()))
    gallery.hang("a.mp4", SCENE)
    transport = httpx.ASGITransport(Starlette(routes=gallery.list_routes()))
    async with httpx.AsyncClient(transport=transport, base_url=ROOT) as client:
        assert [(await client.get("/media/a.mp4")).content for _ in range(2)] == [CONTENT] * 2
    assert painter.count == 2


async def test_a_file_that_is_taken_down_while_it_is_drawn_is_not_kept(
    gallery: Gallery, visitor: httpx.AsyncClient, painter: Painter
) -> None:
    painter.may_finish.clear()
    task = asyncio.create_task(visitor.get("a.mp4"))
    await asyncio.to_thread(painter.started.wait)
    gallery.take_down("a.mp4")
    painter.may_finish.set()
    await task
    assert (await visitor.get("a.mp4")).status_code == 404
    gallery.hang("a.mp4", SCENE)
    await visitor.get("a.mp4")
    assert painter.count == 2
