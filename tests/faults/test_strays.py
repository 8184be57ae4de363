"""What Luma says unasked is nobody's answer, and what it packs twice is not unpacked."""

import asyncio
import gzip

import pytest

from luma_mcp.errors import BadResponse
from luma_mcp.luma.dream_machine import DreamMachine
from luma_mcp.luma.dream_machine_models import CreateVideo
from tests.clocks import settle
from tests.faults.scenes import MADE, STALE, good, good_bytes
from tests.luma.upstream import Line, Scene, answer_of, answering, open_sender, playing
from tests.messages import MAY_EXIST

BOAT = CreateVideo(model="ray-2", prompt="A paper boat")
STRAYS = {
    "another's answer": STALE,
    "408, as some balancers say to who is idle": answer_of(408, b"", "Connection: close"),
    "garbage": b"no HTTP\r\n\r\n",
}


def speaking_unasked(stray: bytes, said: asyncio.Event) -> Scene:
    """Answer a request, and say something more once the connection lies idle."""

    async def scene(line: Line) -> None:
        await line.hear()
        await line.say(good_bytes(line.seen[-1], "Connection: keep-alive"))
        await settle()  # the answer has been read by now
        await line.say(stray)
        await settle()
        said.set()
        await line.stall()

    return scene


@pytest.mark.parametrize("stray", STRAYS.values(), ids=STRAYS)
async def test_what_comes_unasked_is_not_the_next_callers_answer(
    stray: bytes,
) -> None:
    said = asyncio.Event()
    async with (
        playing(speaking_unasked(stray, said), good) as upstream,
        open_sender(upstream.url) as sender,
    ):
        await DreamMachine(sender, "luma-ada").get_credits()
        await said.wait()
        made = await DreamMachine(sender, "luma-bob").create_video(BOAT)
    assert made.id == MADE
    assert [seen.method for seen in upstream.seen] == ["GET", "POST"]
    assert upstream.connections == 2


@pytest.mark.parametrize(
    "codings", [["Content-Encoding: gzip, gzip"], ["Content-Encoding: gzip"] * 2]
)
async def test_an_answer_that_is_packed_twice_is_not_unpacked(codings: list[str]) -> None:
    twice = gzip.compress(gzip.compress(b" " * 50_000_000))
    async with (
        playing(answering(201, twice, *codings)) as upstream,
        open_sender(upstream.url) as sender,
    ):
        with pytest.raises(BadResponse, match="packed in an unknown way") as caught:
            await DreamMachine(sender, "luma-key").create_video(BOAT)
    assert caught.value.advice == MAY_EXIST
    assert len(upstream.seen) == 1
