"""The tools that make videos: what they send, what they answer, and how their jobs end."""

import json
from datetime import UTC, datetime

import pytest
from fastmcp import Client

from luma_mcp.sandbox.clock import TurnedClock
from tests.tools.calls import JOB_ID, Json, Upstream, client_of, data, lines_of, links_of

POST = "POST /dream-machine/v1/generations"
PICTURE = "https://example.com/boat.jpg"
CLIP = "https://example.com/boat.mp4"
JOB = {"id": JOB_ID, "state": "queued"}


@pytest.fixture
async def completed(mcp_client: Client, clock: TurnedClock) -> Json:
    """A clip that is ready."""
    job = await data(mcp_client, "create_generation", prompt="A paper boat")
    clock.advance(60)
    return await data(mcp_client, "get_generation", generation_id=job["id"])


async def sent(tool: str, path: str, **arguments: object) -> Json:
    """What Luma is sent for one call."""
    upstream = Upstream({f"{POST}{path}": JOB})
    async with client_of(upstream) as client:
        await data(client, tool, **arguments)
    (body,) = upstream.bodies
    return json.loads(body)


async def test_a_new_video_is_answered_in_lines_that_a_person_can_read(mcp_client: Client) -> None:
    result = await mcp_client.call_tool("create_generation", {"prompt": "A paper\nboat"})
    assert result.structured_content is not None
    job_id = result.structured_content["id"]
    assert lines_of(result) == [
        f"Video {job_id} (ray-2): queued",
        "Prompt: A paper boat",
        "Estimated cost: about $0.71",
        result.structured_content["next_step"],
    ]
    assert links_of(result) == []


async def test_a_new_video_is_answered_in_fields_that_a_program_can_read(
    mcp_client: Client,
) -> None:
    job = await data(mcp_client, "create_generation", prompt="A paper boat", model="ray-flash-2")
    assert job["next_step"] == (
        f"The job goes on at Luma: call wait_for_generation with generation_id {job['id']} for "
        "its result; do not create it again."
    )
    assert datetime.fromisoformat(job["as_of"]).tzinfo == UTC
    del job["id"], job["next_step"], job["as_of"]
    assert job == {
        "api": "dream_machine",
        "type": "video",
        "state": "queued",
        "is_final": False,
        "model": "ray-flash-2",
        "created_at": "2026-01-01T00:00:00.000000Z",
        "prompt": "A paper boat",
        "assets": None,
        "failure": None,
        "estimated_cost_usd": 0.24,
        "warnings": [],
        "replayed": False,
    }


async def test_a_completed_video_is_linked_with_its_mime_type(
    mcp_client: Client, completed: Json
) -> None:
    result = await mcp_client.call_tool("get_generation", {"generation_id": completed["id"]})
    (link,) = links_of(result)
    url = completed["assets"]["video"]
    assert (str(link.uri), link.mime_type) == (url, "video/mp4")
    assert link.title == f"Video {completed['id']}"
    assert lines_of(result) == [
        f"Video {completed['id']} (ray-2): completed",
        "Prompt: A paper boat",
        f"Video: {url}",
    ]


async def test_what_a_video_does_not_need_is_not_sent() -> None:
    assert await sent("create_generation", "/video", prompt="A boat") == {
        "generation_type": "video",
        "model": "ray-2",
        "prompt": "A boat",
    }


async def test_everything_about_a_video_is_sent_in_lumas_own_shape() -> None:
    body = await sent(
        "create_generation",
        "/video",
        prompt="A boat",
        model="ray-flash-2",
        aspect_ratio="21:9",
        resolution="1080p",
        duration="9s",
        loop="false",
        keyframes={
            "frame0": {"type": "generation", "id": JOB_ID},
            "frame1": {"type": "image", "url": f" {PICTURE}\n"},
        },
        concepts=["dolly_zoom", {"key": "pan_left"}],
        callback_url="https://example.com/hook",
    )
    assert body == {
        "generation_type": "video",
        "prompt": "A boat",
        "model": "ray-flash-2",
        "aspect_ratio": "21:9",
        "resolution": "1080p",
        "duration": "9s",
        "loop": False,
        "keyframes": {
            "frame0": {"type": "generation", "id": JOB_ID},
            "frame1": {"type": "image", "url": PICTURE},
        },
        "concepts": [{"key": "dolly_zoom"}, {"key": "pan_left"}],
        "callback_url": "https://example.com/hook",
    }


async def test_a_picture_alone_makes_a_video_without_a_prompt() -> None:
    body = await sent(
        "create_generation", "/video", keyframes={"frame0": {"type": "image", "url": PICTURE}}
    )
    assert body["keyframes"] == {"frame0": {"type": "image", "url": PICTURE}}
    assert "prompt" not in body


async def test_a_null_argument_counts_as_left_out() -> None:
    nothing = dict.fromkeys(
        ("aspect_ratio", "resolution", "duration", "loop", "keyframes", "concepts", "callback_url")
    )
    assert await sent("create_generation", "/video", prompt="A boat", **nothing) == await sent(
        "create_generation", "/video", prompt="A boat"
    )


async def test_a_modified_video_takes_its_source_and_its_first_frame() -> None:
    body = await sent(
        "modify_video",
        "/video/modify",
        media_url=CLIP,
        mode="flex_2",
        prompt="In snow",
        first_frame_url=PICTURE,
        callback_url="https://example.com/hook",
    )
    assert body == {
        "generation_type": "modify_video",
        "media": {"url": CLIP},
        "mode": "flex_2",
        "model": "ray-2",
        "prompt": "In snow",
        "first_frame": {"url": PICTURE},
        "callback_url": "https://example.com/hook",
    }


async def test_a_reframed_video_takes_its_place_in_pixels() -> None:
    body = await sent(
        "reframe_video",
        "/video/reframe",
        media_url=CLIP,
        aspect_ratio="1:1",
        model="ray-flash-2",
        prompt="More sea",
        grid_position_x=-5,
        grid_position_y=10,
        x_start=0,
        x_end=100,
        y_start="1",
        y_end=99,
        resized_width=640,
        resized_height=480,
    )
    assert body == {
        "generation_type": "reframe_video",
        "media": {"url": CLIP},
        "aspect_ratio": "1:1",
        "model": "ray-flash-2",
        "prompt": "More sea",
        "grid_position_x": -5,
        "grid_position_y": 10,
        "x_start": 0,
        "x_end": 100,
        "y_start": 1,
        "y_end": 99,
        "resized_width": 640,
        "resized_height": 480,
    }


@pytest.mark.parametrize("tool", ["modify_video", "reframe_video"])
async def test_a_changed_video_is_a_job_that_completes(
    mcp_client: Client, clock: TurnedClock, completed: Json, tool: str
) -> None:
    how = {"mode": "adhere_1"} if tool == "modify_video" else {"aspect_ratio": "9:16"}
    result = await mcp_client.call_tool(tool, {"media_url": completed["assets"]["video"], **how})
    assert result.structured_content is not None
    job = result.structured_content
    verb = tool.removesuffix("_video").capitalize()
    assert lines_of(result)[0] == f"{verb} video {job['id']} (ray-2): queued"
    clock.advance(120)
    seen = await data(mcp_client, "get_generation", generation_id=job["id"])
    assert (seen["state"], seen["type"]) == ("completed", tool)
    assert seen["assets"]["video"].endswith(".mp4")


async def test_an_upscaled_video_is_a_job_of_its_own(
    mcp_client: Client, clock: TurnedClock, completed: Json
) -> None:
    job = await data(
        mcp_client, "upscale_generation", generation_id=completed["id"], resolution="1080p"
    )
    assert job["type"] == "upscale_video"
    assert job["id"] != completed["id"]
    clock.advance(60)
    seen = await data(mcp_client, "get_generation", generation_id=job["id"])
    assert seen["is_final"]


async def test_a_video_with_sound_is_a_job_of_its_own(
    mcp_client: Client, clock: TurnedClock, completed: Json
) -> None:
    result = await mcp_client.call_tool(
        "add_audio",
        {"generation_id": completed["id"], "prompt": "rain", "negative_prompt": "wind"},
    )
    assert result.structured_content is not None
    job_id = result.structured_content["id"]
    assert lines_of(result)[:2] == [f"Add audio {job_id} (ray-2): queued", "Prompt: rain"]
    clock.advance(60)
    seen = await data(mcp_client, "get_generation", generation_id=job_id)
    assert seen["assets"]["video"] != completed["assets"]["video"]


async def test_an_upscale_names_the_clip_in_its_path() -> None:
    body = await sent(
        "upscale_generation",
        f"/{JOB_ID}/upscale",
        generation_id=f"\n{JOB_ID.upper()} ",
        resolution="4k",
    )
    assert body == {"generation_type": "upscale_video", "resolution": "4k"}
