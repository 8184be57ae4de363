"""The main job, from outside: prompt to playing video, with two users on one server."""

import asyncio
import io
from typing import Any

import av
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.exceptions import ToolError

from tests.e2e.conftest import Product
from tests.e2e.processes import fetch
from tests.servers import misbehaving

ERAS = ["legacy", "2026-07-28"]


def connect(endpoint: str, key: str, mode: str = "auto") -> Client:
    transport = StreamableHttpTransport(endpoint, headers={"Authorization": f"Bearer {key}"})
    return Client(transport, mode=mode)


async def call(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    """Call a tool; an error comes back as its fields."""
    result = await client.call_tool(tool, arguments, raise_on_error=False)
    assert result.structured_content is not None
    return result.structured_content


@pytest.mark.parametrize("era", ERAS)
async def test_a_prompt_becomes_a_video_that_decodes_as_asked(running: Product, era: str) -> None:
    async with connect(running.endpoint, "luma-ada", era) as ada:
        job = await call(
            ada,
            "create_generation",
            prompt="A paper boat on a quiet lake at dawn",
            aspect_ratio="9:16",
            duration="5s",
        )
        states = [job["state"]]
        for seconds in (3, 30):
            running.clock.advance(seconds)
            job = await call(ada, "get_generation", generation_id=job["id"])
            states.append(job["state"])
    assert states == ["queued", "dreaming", "completed"]
    with av.open(io.BytesIO((await fetch(job["assets"]["video"])).content)) as video:
        stream = video.streams.video[0]
        assert stream.width / stream.height == pytest.approx(9 / 16, rel=0.02)
        assert sum(1 for _ in video.decode(stream)) == 5 * 24


async def test_a_user_pages_through_their_own_videos_and_deletes_one(running: Product) -> None:
    async with connect(running.endpoint, "luma-ada") as ada:
        made = [
            (await call(ada, "create_generation", prompt=f"Boat number {number}"))["id"]
            for number in range(3)
        ]
        first = await call(ada, "list_generations", limit=2)
        second = await call(ada, "list_generations", limit=2, offset=first["next_offset"])
        listed = [job["id"] for page in (first, second) for job in page["generations"]]
        assert sorted(listed) == sorted(made)
        assert (first["has_more"], second["has_more"]) == (True, False)
        assert (await call(ada, "delete_generation", generation_id=made[0]))["deleted"]
        gone = await call(ada, "get_generation", generation_id=made[0])
        assert gone["code"] == "not_found"


async def test_two_users_see_nothing_of_each_other(running: Product) -> None:
    async with (
        connect(running.endpoint, "luma-ada") as ada,
        connect(running.endpoint, "luma-bob") as bob,
    ):
        job = await call(ada, "create_generation", prompt="A secret garden")
        assert (await call(bob, "list_generations"))["count"] == 0
        assert (await call(bob, "get_generation", generation_id=job["id"]))["code"] == "not_found"
        assert (await call(bob, "delete_generation", generation_id=job["id"]))["code"] == (
            "not_found"
        )
        assert (await call(ada, "get_generation", generation_id=job["id"]))["id"] == job["id"]


async def test_credits_go_down_by_the_price_and_come_back_when_a_job_fails(
    running: Product,
) -> None:
    async with connect(running.endpoint, "luma-ada") as ada:
        full = (await call(ada, "get_credits"))["credit_balance_usd"]
        job = await call(
            ada,
            "create_generation",
            prompt="A storm [sandbox:fail=moderation]",
            resolution="720p",
            duration="5s",
        )
        paid = (await call(ada, "get_credits"))["credit_balance_usd"]
        assert full - paid == pytest.approx(0.71, abs=0.01)
        running.clock.advance(60)
        failed = await call(ada, "get_generation", generation_id=job["id"])
        assert failed["failure"]["code"] == "moderated"
        assert (await call(ada, "get_credits"))["credit_balance_usd"] == full


async def test_the_server_never_fetches_the_media_that_it_is_given(running: Product) -> None:
    visitors: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visitors.append(await reader.readline())
        writer.close()

    async with misbehaving(note) as host, connect(running.endpoint, "luma-ada") as ada:
        source = {"media_url": f"{host}/clip.mp4", "aspect_ratio": "1:1"}
        job = await call(ada, "reframe_video", **source)
        running.clock.advance(60)
        assert (await call(ada, "get_generation", generation_id=job["id"]))["is_final"]
    assert visitors == []


async def test_a_wrong_key_is_one_clear_error(running: Product) -> None:
    async with connect(running.endpoint, "not-a-key-of-luma") as stranger:
        with pytest.raises(ToolError, match="Luma does not accept the API key"):
            await stranger.call_tool("get_credits")


async def test_a_paid_call_whose_answer_is_lost_is_not_repeated_and_can_be_found(
    running: Product,
) -> None:
    async with connect(running.endpoint, "luma-ada") as ada:
        lost = await call(ada, "create_generation", prompt="A lighthouse [sandbox:lost]")
        assert "Look for it with list_generations" in lost["advice"]
        assert lost["retryable"] is False
        found = (await call(ada, "list_generations"))["generations"]
    assert [job["prompt"] for job in found] == ["A lighthouse [sandbox:lost]"]


async def test_a_paid_call_that_luma_refused_for_its_rate_is_made_once_more(
    running: Product,
) -> None:
    words = "[sandbox:http=429,retry-after=0,times=1]"
    async with connect(running.endpoint, "luma-ada") as ada:
        job = await call(ada, "create_generation", prompt=f"A lighthouse {words}")
        listed = (await call(ada, "list_generations"))["generations"]
    assert [one["id"] for one in listed] == [job["id"]]
