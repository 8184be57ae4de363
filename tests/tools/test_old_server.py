"""What users of the classic Luma server rely on: its ten tools and their arguments."""

import json

import pytest
from fastmcp import Client

from tests.tools.calls import JOB_ID, Json, Upstream, client_of, data

PICTURE = "https://example.com/boat.jpg"
HOOK = "https://example.com/hook"
BASE = "/dream-machine/v1/generations"

OLD_TOOLS = {
    "ping": set(),
    "create_generation": {
        "prompt",
        "model",
        "resolution",
        "duration",
        "aspect_ratio",
        "loop",
        "keyframes",
        "callback_url",
    },
    "get_generation": {"generation_id"},
    "list_generations": {"limit", "offset"},
    "delete_generation": {"generation_id"},
    "upscale_generation": {"generation_id", "resolution"},
    "add_audio": {"generation_id", "prompt", "negative_prompt", "callback_url"},
    "generate_image": {
        "prompt",
        "model",
        "aspect_ratio",
        "callback_url",
        "image_ref",
        "style_ref",
        "character_ref",
        "modify_image_ref",
    },
    "get_credits": set(),
    "get_camera_motions": set(),
}
VIDEO = {
    "prompt": "A paper boat",
    "model": "ray-2",
    "resolution": "720p",
    "duration": "5s",
    "aspect_ratio": "16:9",
    "loop": False,
    "keyframes": {
        "frame0": {"type": "image", "url": PICTURE},
        "frame1": {"type": "generation", "id": JOB_ID},
    },
    "callback_url": HOOK,
}
IMAGE = {
    "prompt": "A paper boat",
    "model": "photon-1",
    "aspect_ratio": "16:9",
    "callback_url": HOOK,
    "image_ref": [{"url": PICTURE, "weight": 0.85}],
    "style_ref": [{"url": PICTURE, "weight": 0.8}],
    "character_ref": {"identity0": {"images": [PICTURE]}},
    "modify_image_ref": {"url": PICTURE, "weight": 1.0},
}


async def test_every_old_tool_is_there_with_its_parameters(mcp_client: Client) -> None:
    listed = {tool.name: tool.input_schema["properties"] for tool in await mcp_client.list_tools()}
    lost = {
        name: parameters - set(listed.get(name, {}))
        for name, parameters in OLD_TOOLS.items()
        if name not in listed or parameters - set(listed[name])
    }
    assert lost == {}


@pytest.mark.parametrize(
    ("tool", "path", "arguments"),
    [("create_generation", "/video", VIDEO), ("generate_image", "/image", IMAGE)],
)
async def test_the_shapes_of_old_arguments_reach_luma_as_they_are(
    tool: str, path: str, arguments: Json
) -> None:
    upstream = Upstream({f"POST {BASE}{path}": {"id": JOB_ID}})
    async with client_of(upstream) as client:
        await data(client, tool, **arguments)
    body = json.loads(upstream.bodies[0])
    del body["generation_type"]
    assert body == arguments


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("add_audio", {"prompt": "rain", "negative_prompt": "wind", "callback_url": HOOK}),
        ("upscale_generation", {"resolution": "4k"}),
        ("get_generation", {}),
        ("delete_generation", {}),
    ],
)
async def test_old_calls_about_a_generation_work(
    mcp_client: Client, completed_clip: str, tool: str, arguments: Json
) -> None:
    answer = await data(mcp_client, tool, generation_id=completed_clip, **arguments)
    assert answer["id"]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("ping", {}),
        ("list_generations", {"limit": 10, "offset": 0}),
        ("get_credits", {}),
        ("get_camera_motions", {}),
    ],
)
async def test_old_calls_that_only_read_work(
    mcp_client: Client, tool: str, arguments: Json
) -> None:
    assert await data(mcp_client, tool, **arguments)
