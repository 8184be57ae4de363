"""A caller who leaves takes a free call along, but not one that costs money."""

import asyncio
import json

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from luma_mcp.luma.dream_machine import DreamMachine
from luma_mcp.luma.dream_machine_models import CreateVideo
from tests.luma.upstream import Line, answer_of, open_sender, playing

JOB = "0b9f0a52-2f0e-4a43-8b43-4a8b9a3f0c01"
VIDEO = CreateVideo(model="ray-2", prompt="A paper boat")


class Slow:
    """An upstream that answers when it is told to."""

    def __init__(self, status: int, body: dict[str, str]) -> None:
        self._answer = answer_of(status, json.dumps(body).encode())
        self.stayed = False
        self.asked, self.release, self.left = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def __call__(self, line: Line) -> None:
        await line.hear()
        self.asked.set()
        gone = asyncio.create_task(line.reader.read())
        gone.add_done_callback(lambda _: self.left.set())
        await self.release.wait()
        self.stayed = not self.left.is_set()
        if self.stayed:
            await line.say(self._answer)
        gone.cancel()


async def left_behind(slow: Slow) -> list[dict[str, object]]:
    """Create a video, leave while Luma works, and give what the log tells of it."""
    with capture_logs([merge_contextvars]) as lines:
        async with playing(slow) as upstream, open_sender(upstream.url) as sender:
            creating = asyncio.create_task(DreamMachine(sender, "luma-key").create_video(VIDEO))
            await slow.asked.wait()
            creating.cancel()
            with pytest.raises(asyncio.CancelledError):
                await creating
            slow.release.set()
            await sender.finish()
    return lines


async def test_a_paid_call_is_seen_through_and_its_job_is_written_down() -> None:
    slow = Slow(201, {"id": JOB, "state": "queued"})
    (line,) = await left_behind(slow)
    assert (line["event"], line["generation_id"]) == ("left", JOB)
    assert slow.stayed


async def test_what_may_have_come_of_a_failed_paid_call_is_written_down() -> None:
    (line,) = await left_behind(Slow(500, {"detail": "late", "id": JOB}))
    assert (line["event"], line["generation_id"]) == ("left", JOB)
    assert "fault of its own" in str(line["error"])


async def test_a_free_call_ends_with_its_caller() -> None:
    slow = Slow(200, {"credit_balance": "1"})
    async with playing(slow) as upstream, open_sender(upstream.url) as sender:
        asking = asyncio.create_task(DreamMachine(sender, "luma-key").get_credits())
        await slow.asked.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await slow.left.wait()
        slow.release.set()
