"""The tools that make pictures."""

import json

import pytest
from fastmcp import Client

from luma_mcp.sandbox.clock import TurnedClock
from tests.tools.calls import JOB_ID, Json, Upstream, client_of, data, lines_of, links_of

POST = "POST /dream-machine/v1/generations/image"
PICTURE = "https://example.com/boat.jpg"


async def sent(tool: str, path: str, **arguments: object) -> Json:
    upstream = Upstream({f"{POST}{path}": {"id": JOB_ID}})
    async with client_of(upstream) as client:
        await data(client, tool, **arguments, wait_seconds=0)
    (body,) = upstream.bodies
    return json.loads(body)


@pytest.mark.parametrize(
    ("format_", "mime_type"), [("jpg", "image/jpeg"), ("png", "image/png"), (None, "image/jpeg")]
)
async def test_a_completed_picture_is_linked_with_its_mime_type(
    mcp_client: Client, clock: TurnedClock, format_: str | None, mime_type: str
) -> None:
    job = await data(mcp_client, "generate_image", prompt="A boat", format=format_)
    clock.advance(60)
    result = await mcp_client.call_tool("get_generation", {"generation_id": job["id"]})
    (link,) = links_of(result)
    assert link.mime_type == mime_type
    assert lines_of(result) == [
        f"Image {job['id']} (photon-1): completed",
        "Prompt: A boat",
        f"Image: {link.uri}",
    ]


async def test_what_a_picture_does_not_need_is_not_sent() -> None:
    body = await sent("generate_image", "", prompt="A boat", image_ref=[], style_ref=[])
    assert body == {"generation_type": "image", "model": "photon-1", "prompt": "A boat"}


async def test_everything_about_a_picture_is_sent_in_lumas_own_shape() -> None:
    body = await sent(
        "generate_image",
        "",
        prompt="A boat",
        model="photon-flash-1",
        aspect_ratio="4:3",
        format="png",
        image_ref=[{"url": PICTURE, "weight": "0.8"}, {"url": PICTURE}],
        style_ref=[{"url": PICTURE, "weight": 0}],
        character_ref={"identity0": {"images": [PICTURE, PICTURE]}},
        modify_image_ref={"url": PICTURE, "weight": 1},
        callback_url="https://example.com/hook",
    )
    assert body == {
        "generation_type": "image",
        "prompt": "A boat",
        "model": "photon-flash-1",
        "aspect_ratio": "4:3",
        "format": "png",
        "image_ref": [{"url": PICTURE, "weight": 0.8}, {"url": PICTURE}],
        "style_ref": [{"url": PICTURE, "weight": 0.0}],
        "character_ref": {"identity0": {"images": [PICTURE, PICTURE]}},
        "modify_image_ref": {"url": PICTURE, "weight": 1.0},
        "callback_url": "https://example.com/hook",
    }


async def test_a_reframed_picture_is_a_job_that_completes(
    mcp_client: Client, clock: TurnedClock
) -> None:
    job = await data(mcp_client, "reframe_image", media_url=PICTURE, aspect_ratio="9:16")
    assert job["type"] == "reframe_image"
    clock.advance(60)
    seen = await data(mcp_client, "get_generation", generation_id=job["id"])
    assert seen["assets"]["image"].endswith(".jpg")


async def test_a_reframed_picture_takes_its_place_in_pixels() -> None:
    body = await sent(
        "reframe_image",
        "/reframe",
        media_url=PICTURE,
        aspect_ratio="9:16",
        prompt="More sky",
        format="png",
        grid_position_x=1,
        x_start=2,
        x_end=3,
        resized_width=4,
    )
    assert body == {
        "generation_type": "reframe_image",
        "media": {"url": PICTURE},
        "aspect_ratio": "9:16",
        "model": "photon-1",
        "prompt": "More sky",
        "format": "png",
        "grid_position_x": 1,
        "x_start": 2,
        "x_end": 3,
        "resized_width": 4,
    }
