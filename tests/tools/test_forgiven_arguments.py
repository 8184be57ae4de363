"""Arguments as models are known to write them, whatever the schema says."""

import pytest
from fastmcp import Client

from tests.tools.calls import Upstream, client_of, refusal

VIDEO = {"prompt": "A boat"}


async def message_about(tool: str, **arguments: object) -> str:
    async with client_of(Upstream()) as client:
        return (await refusal(client, tool, **arguments))["message"]


async def test_null_means_not_given(mcp_client: Client) -> None:
    page = await mcp_client.call_tool("list_generations", {"limit": None, "offset": None})
    assert page.structured_content is not None
    assert page.structured_content["limit"] == 10


async def test_a_required_argument_that_is_null_is_missing() -> None:
    assert await message_about("get_generation", generation_id=None) == "generation_id is required."


async def test_objects_and_lists_may_come_as_json_text(mcp_client: Client) -> None:
    arguments = {
        "keyframes": '{"frame0": {"type": "image", "url": "https://example.com/a.jpg"}}',
        "concepts": ' ["dolly_zoom"]',
    }
    made = await mcp_client.call_tool("create_generation", arguments)
    assert made.structured_content is not None
    assert made.structured_content["state"] == "queued"


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '["a"'])
async def test_what_looks_like_json_and_is_none_is_refused(text: str) -> None:
    message = await message_about("create_generation", **VIDEO, keyframes=text)
    assert message == "keyframes must be an object."


async def test_an_empty_text_for_an_optional_parameter_means_not_given(mcp_client: Client) -> None:
    arguments = {**VIDEO, "callback_url": "", "aspect_ratio": "", "resolution": ""}
    made = await mcp_client.call_tool("create_generation", arguments)
    assert made.structured_content is not None
    assert made.structured_content["state"] == "queued"


async def test_one_text_may_stand_for_a_list_of_texts(mcp_client: Client) -> None:
    made = await mcp_client.call_tool("create_generation", {**VIDEO, "concepts": "dolly_zoom"})
    assert made.structured_content is not None
    assert made.structured_content["state"] == "queued"


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("generate_image", {"style_ref": [0] * 50_000}, "style_ref[0] must be an object."),
        ("create_generation", {"concepts": [1] * 50_000}, "concepts[0] must be a text."),
        ("create_generation", {"concepts": ["a"] * 50_000}, "concepts takes 50 at most."),
    ],
)
async def test_of_a_hostile_list_no_more_is_read_than_its_first_fault(
    tool: str, arguments: dict[str, list[object]], message: str
) -> None:
    assert await message_about(tool, **VIDEO, **arguments) == message
