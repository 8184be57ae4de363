"""Previews: one fetch for all who ask, nothing of anybody else's, and never an error."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from structlog.testing import capture_logs

from luma_mcp import previews as module
from luma_mcp.previews import Kind, Previews
from tests.luma.upstream import Line, Scene, Upstream, answer_of, answering, playing
from tests.previews.conftest import Turn, until
from tests.previews.files import clip, opened, png_bomb
from tests.sandbox.pictures import paint

PICTURE = paint("PNG", (1_000, 500))
CLIP = clip()
GOOD = answering(200, PICTURE)
MINE = "hash-of-my-key"


class Stage:
    """A host of pictures, and the previews of what it has."""

    def __init__(self, host: Upstream, previews: Previews) -> None:
        self.host = host
        self.previews = previews

    async def preview(
        self, path: str = "/a.png", *, kind: Kind = "image", whose: str = MINE
    ) -> bytes | None:
        return await self.previews.preview_of(f"{self.host.url}{path}", kind=kind, whose=whose)


Enter = Callable[..., Awaitable[Stage]]


@pytest.fixture
async def enter() -> AsyncIterator[Enter]:
    """Set a stage on which the host plays these scenes, connection by connection."""
    async with AsyncExitStack() as stack:

        async def set_stage(*scenes: Scene, **options: float) -> Stage:
            host = await stack.enter_async_context(playing(*scenes))
            previews = await stack.enter_async_context(
                Previews([host.url], **{"seconds": 30.0, **options})
            )
            return Stage(host, previews)

        yield set_stage


class Gate:
    """A scene that has heard the request and answers only when it may."""

    def __init__(self, answer: bytes = answer_of(200, PICTURE)) -> None:
        self.heard = asyncio.Semaphore(0)
        self.open = asyncio.Event()
        self._answer = answer

    async def scene(self, line: Line) -> None:
        await line.hear()
        self.heard.release()
        await self.open.wait()
        await line.say(self._answer)


# --- What comes ---------------------------------------------------------------------------------


async def test_a_picture_comes_small(enter: Enter) -> None:
    stage = await enter(GOOD)
    preview = await stage.preview()
    assert preview
    assert opened(preview).size == (768, 384)
    assert "range" not in dict(stage.host.seen[0].headers)


async def test_of_a_clip_comes_the_first_frame_from_its_beginning(enter: Enter) -> None:
    stage = await enter(answering(206, CLIP, f"Content-Range: bytes 0-{len(CLIP) - 1}/99999999"))
    preview = await stage.preview(kind="video")
    assert preview
    assert opened(preview).size == (320, 180)
    assert dict(stage.host.seen[0].headers)["range"] == "bytes=0-6291455"


@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize(
    "scene",
    [
        answering(403, b"<Error><Code>AccessDenied</Code></Error>"),
        answering(302, b"", "Location: http://169.254.169.254/"),
        answering(200, b"<!doctype html><title>Sign in</title>", "Content-Type: image/jpeg"),
        answering(200, b"<svg xmlns='http://www.w3.org/2000/svg'/>", "Content-Type: image/svg+xml"),
        answering(200, paint("GIF")),
        answering(200, PICTURE[:100]),
        answering(200, PICTURE, length=500_000),
        answering(200, CLIP[:100]),
        answering(200, png_bomb(8_000, 5_000, 1)),
        answering(200, PICTURE, "Content-Encoding: gzip"),
        answering(200, b""),
    ],
)
async def test_of_anything_else_comes_nothing(enter: Enter, scene: Scene, kind: Kind) -> None:
    stage = await enter(scene)
    assert await stage.preview(kind=kind) is None


@pytest.mark.parametrize(
    "url",
    ["", "x", "file:///etc/passwd", "https://localhost/a.png", "http://\ud800/\0", "http://["],
)
async def test_of_a_url_that_leads_elsewhere_comes_nothing(enter: Enter, url: str) -> None:
    stage = await enter(GOOD)
    assert await stage.previews.preview_of(url, kind="image", whose=MINE) is None
    assert stage.host.connections == 0


def test_an_origin_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="no origin"):
        Previews(["cdn-luma.com"])


# --- What is kept -------------------------------------------------------------------------------


async def test_a_preview_is_kept_for_its_owner_alone(enter: Enter) -> None:
    stage = await enter(GOOD)
    mine = [await stage.preview(f"/a.png?sig={number}") for number in range(3)]
    assert mine[0] is mine[1] is mine[2] is not None
    assert stage.host.connections == 1
    assert await stage.preview(whose="hash-of-another-key") == mine[0]
    assert stage.host.connections == 2
    assert await stage.preview("/b.png")
    assert stage.host.connections == 3


async def test_another_caller_gets_nothing_that_the_host_does_not_give_it(enter: Enter) -> None:
    stage = await enter(GOOD, answering(403))
    assert await stage.preview("/a.png?sig=mine")
    assert await stage.preview("/a.png?sig=forged", whose="hash-of-another-key") is None
    assert await stage.preview("/a.png?sig=mine")


async def test_a_preview_is_made_anew_after_ten_minutes(enter: Enter, turn: Turn) -> None:
    stage = await enter(GOOD)
    await stage.preview()
    turn(599)
    await stage.preview()
    assert stage.host.connections == 1
    turn(2)
    assert await stage.preview()
    assert stage.host.connections == 2


async def test_a_failure_is_remembered_for_half_a_minute(enter: Enter, turn: Turn) -> None:
    stage = await enter(answering(500), GOOD)
    assert await stage.preview() is None
    assert await stage.preview() is None
    assert stage.host.connections == 1
    turn(31)
    assert await stage.preview()


async def test_no_more_than_so_many_are_kept(enter: Enter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 2)
    stage = await enter(GOOD)
    for path in ("/a", "/b", "/c", "/c", "/b", "/a"):
        await stage.preview(path)
    assert [seen.target for seen in stage.host.seen] == ["/a", "/b", "/c", "/a"]


# --- Who asks at the same time ------------------------------------------------------------------


async def test_those_who_ask_for_the_same_share_one_fetch(enter: Enter) -> None:
    gate = Gate()
    stage = await enter(gate.scene)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(stage.preview()) for _ in range(8)]
        await gate.heard.acquire()
        gate.open.set()
    assert len({task.result() for task in tasks}) == 1
    assert tasks[0].result()
    assert stage.host.connections == 1


async def test_who_leaves_takes_nothing_away_from_the_others(enter: Enter) -> None:
    gate = Gate()
    stage = await enter(gate.scene)
    async with asyncio.TaskGroup() as group:
        first, second = (group.create_task(stage.preview()) for _ in range(2))
        await gate.heard.acquire()
        first.cancel()
        await asyncio.wait([first])
        assert first.cancelled()
        gate.open.set()
    assert second.result()


async def test_who_waits_gets_nothing_at_the_deadline_and_the_next_finds_it(
    enter: Enter, monkeypatch: pytest.MonkeyPatch, turn: Turn
) -> None:
    drawing, may_end = threading.Event(), threading.Event()

    def draw_slowly(_: bytes) -> bytes:
        drawing.set()
        may_end.wait(60)
        return b"drawn"

    monkeypatch.setattr("luma_mcp.previews.drawing.draw_picture", draw_slowly)
    stage = await enter(GOOD)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(stage.preview())
        await asyncio.to_thread(drawing.wait, 60)
        turn(31)
        assert await task is None
        may_end.set()
        assert await stage.preview() == b"drawn"
    assert stage.host.connections == 1


async def test_the_event_loop_goes_on_while_a_picture_is_drawn(
    enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawing ends only after something else has happened on the loop."""
    drawing, elsewhere = threading.Event(), threading.Event()

    def draw(_: bytes) -> bytes:
        drawing.set()
        assert elsewhere.wait(60)
        return threading.current_thread().name.encode()

    monkeypatch.setattr("luma_mcp.previews.drawing.draw_picture", draw)
    stage = await enter(GOOD)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(stage.preview())
        await until(drawing.is_set)
        elsewhere.set()
    assert task.result() not in {None, threading.current_thread().name.encode()}


async def test_two_are_drawn_at_once_four_wait_and_nobody_else(
    enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, most, guard = 0, 0, threading.Lock()
    begun, may_end = threading.Semaphore(0), threading.Event()

    def draw(_: bytes) -> bytes:
        nonlocal at_once, most
        with guard:
            at_once += 1
            most = max(most, at_once)
        begun.release()
        may_end.wait(60)
        with guard:
            at_once -= 1
        return b"drawn"

    monkeypatch.setattr("luma_mcp.previews.drawing.draw_picture", draw)
    stage = await enter(GOOD)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(stage.preview(f"/{number}")) for number in range(9)]
        for _ in range(2):
            await asyncio.to_thread(begun.acquire, timeout=60)
        await until(lambda: sum(task.done() for task in tasks) == 3)
        may_end.set()
    results = [task.result() for task in tasks]
    assert (results.count(None), results.count(b"drawn"), most) == (3, 6, 2)
    # It was no fault of theirs: they may ask again at once.
    assert all([await stage.preview(f"/{number}") for number in range(9)])


async def test_whose_turn_to_be_drawn_does_not_come_in_time_gets_nothing(
    enter: Enter, monkeypatch: pytest.MonkeyPatch, turn: Turn
) -> None:
    begun, may_end = threading.Semaphore(0), threading.Event()

    def draw(_: bytes) -> bytes:
        begun.release()
        may_end.wait(60)
        return b"drawn"

    monkeypatch.setattr("luma_mcp.previews.drawing.draw_picture", draw)
    stage = await enter(GOOD)
    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(stage.preview(f"/{number}"))
        for _ in range(2):
            await asyncio.to_thread(begun.acquire, timeout=60)
        await until(lambda: stage.previews._queue)  # noqa: SLF001
        turn(31)
        await until(lambda: not stage.previews._queue)  # noqa: SLF001
        may_end.set()
    assert [seen.target for seen in stage.host.seen].count("/2") == 1
    assert not begun.acquire(blocking=False)


async def test_no_more_than_so_many_are_begun(
    enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_JOBS", 1)
    gate = Gate()
    stage = await enter(gate.scene)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(stage.preview("/a"))
        await gate.heard.acquire()
        assert await stage.preview("/b") is None
        gate.open.set()
    assert task.result()
    assert await stage.preview("/b")


# --- The end ------------------------------------------------------------------------------------


async def test_at_the_end_nothing_is_left_and_who_waits_gets_nothing(enter: Enter) -> None:
    before = asyncio.all_tasks()
    gate = Gate()
    stage = await enter(gate.scene)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(stage.preview())
        await gate.heard.acquire()
        await stage.previews.close()
        gate.open.set()
    assert task.result() is None
    assert await stage.preview() is None
    assert asyncio.all_tasks() - before <= set(stage.host.talks)
    assert stage.host.connections == 1


async def test_what_was_never_asked_for_is_never_opened() -> None:
    async with Previews(["https://*.cdn-luma.com"]) as previews:
        assert previews._media._opened is None  # noqa: SLF001
    await previews.close()


# --- What is said -------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["PIL", "av"])
async def test_without_what_draws_there_is_no_preview_which_is_said_once(
    enter: Enter, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delitem(sys.modules, "luma_mcp.previews.drawing", raising=False)
    monkeypatch.delattr("luma_mcp.previews.drawing", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    stage = await enter(GOOD)
    with capture_logs() as lines:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(stage.preview(f"/{number}")) for number in range(3)]
        assert [task.result() for task in tasks] == [None] * 3
        assert await stage.preview() is None
    assert [line["log_level"] for line in lines] == ["warning"]
    assert stage.host.connections == 0


async def test_no_line_of_the_log_has_a_link(enter: Enter) -> None:
    stage = await enter(answering(403), garbage, answering(200, b"secret"))
    with capture_logs() as lines:
        for number in range(3):
            await stage.preview(f"/secret-{number}.png?X-Amz-Signature=secret")
        await stage.previews.preview_of(
            "https://me:secret@x.example/secret?secret", kind="image", whose="secret"
        )
    assert [line["reason"] for line in lines if line["event"] == "no preview"] == [
        "the host answers 403",
        "ClientResponseError",
        "Unfit",
        "its host may not be asked",
    ]
    assert "secret" not in str(lines)


async def garbage(line: Line) -> None:
    await line.hear()
    await line.say(b"no HTTP: secret\r\n\r\n")
