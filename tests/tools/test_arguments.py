"""Wrong arguments: named, explained, never repeated, and never sent."""

from typing import Any

import pytest

from tests.tools.calls import JOB_ID, Upstream, call, client_of, refusal

KEY_LIKE = "luma-0123456789abcdef"
PICTURE = "https://example.com/boat.jpg"
EXAMPLE = "123e4567-e89b-12d3-a456-426614174000"
AN_ID = (
    f"the id of a generation, such as {EXAMPLE}, or one of the Agents API, such as "
    f"agents:{EXAMPLE}."
)
A_URL = "must be a public URL that starts with https:// (or http://)."
IMAGE = {"prompt": "A boat"}
VIDEO = {"prompt": "A boat"}
REFRAME = {"media_url": PICTURE, "aspect_ratio": "1:1"}


async def message_about(tool: str, **arguments: object) -> str:
    """What a call that is refused before anything is sent is told."""
    upstream = Upstream()
    async with client_of(upstream) as client:
        error = await refusal(client, tool, **arguments)
    assert error["code"] == "invalid_request"
    assert upstream.asked == []
    return error["message"]


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("create_generation", {}, "Prompt is required."),
        ("create_generation", {"prompt": " \n"}, "Prompt is required."),
        (
            "create_generation",
            {"prompt": "ab"},
            "Prompt is too short, minimum length is 3 characters.",
        ),
        (
            "generate_image",
            {"prompt": "a" * 5001},
            "Prompt is too long, maximum length is 5000 characters (this one has 5001).",
        ),
        (
            "modify_video",
            {"media_url": PICTURE, "mode": "flex_1", "prompt": "ab"},
            "Prompt is too short, minimum length is 3 characters.",
        ),
        ("reframe_video", {**REFRAME, "prompt": " "}, "Prompt is required."),
        ("reframe_image", {**REFRAME, "prompt": "ab"}, "Prompt is too short, minimum length is 3"),
        ("add_audio", {"generation_id": JOB_ID, "prompt": "ab"}, "Prompt is too short"),
        (
            "create_generation",
            {
                **VIDEO,
                "loop": True,
                "keyframes": {"frame1": {"type": "image", "url": PICTURE}},
            },
            "Loop is not supported for end frame.",
        ),
        ("create_generation", {**VIDEO, "keyframes": {}}, "No keyframes provided."),
        (
            "reframe_video",
            {**REFRAME, "x_start": 5, "x_end": 5},
            "x_start (5) must be less than x_end (5).",
        ),
        (
            "reframe_image",
            {**REFRAME, "y_start": 6, "y_end": 5},
            "y_start (6) must be less than y_end (5).",
        ),
    ],
)
async def test_what_luma_would_refuse_is_refused_before_it_costs(
    tool: str, arguments: dict[str, Any], message: str
) -> None:
    assert (await message_about(tool, **arguments)).startswith(message)


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        (
            "create_generation",
            {**VIDEO, "model": "ray-9"},
            "model must be one of 'ray-2', 'ray-flash-2', 'ray-3.2'.",
        ),
        (
            "create_generation",
            {**VIDEO, "aspect_ratio": "16:8"},
            "aspect_ratio must be one of '1:1', '16:9', '9:16', '4:3', '3:4', '21:9', '9:21'.",
        ),
        ("create_generation", {"prompt": 5}, "prompt must be a text."),
        (
            "create_generation",
            {**VIDEO, "keyframes": {"frame0": {"type": "film"}}},
            "keyframes.frame0.type must be one of 'image', 'generation'.",
        ),
        (
            "create_generation",
            {**VIDEO, "keyframes": {"frame2": {"type": "image"}}},
            "keyframes.frame2 is not known.",
        ),
        (
            "create_generation",
            {**VIDEO, "keyframes": {"frame0": {"type": "generation", "id": "../credits"}}},
            f"keyframes.frame0.id must be {AN_ID}",
        ),
        ("create_generation", {**VIDEO, "callback_url": "me"}, f"callback_url {A_URL}"),
        (
            "create_generation",
            {**VIDEO, "concepts": ["pan_left", {"name": "x"}]},
            "concepts[1] must be a text.",
        ),
        (
            "generate_image",
            {**IMAGE, "image_ref": [{"url": PICTURE, "weight": 1.5}]},
            "image_ref[0].weight must be at most 1.",
        ),
        (
            "generate_image",
            {**IMAGE, "modify_image_ref": {"url": "ftp://example.com/a.jpg"}},
            f"modify_image_ref.url {A_URL}",
        ),
        (
            "generate_image",
            {**IMAGE, "character_ref": {"identity1": {"images": []}}},
            "character_ref.identity0 is required. character_ref.identity1 is not known.",
        ),
        ("list_generations", {"limit": 0}, "limit must be at least 1."),
        (
            "list_generations",
            {"limit": 101},
            "limit must be at most 100.",
        ),
        ("get_generation", {}, "generation_id is required."),
        ("ping", {"x": 1}, "There is no parameter x. It takes none."),
    ],
)
async def test_a_wrong_argument_is_named_with_what_it_may_be(
    tool: str, arguments: dict[str, Any], message: str
) -> None:
    assert await message_about(tool, **arguments) == message


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "image"},
        {"type": "image", "id": JOB_ID},
        {"type": "generation", "url": PICTURE},
        {"type": "image", "url": PICTURE, "id": JOB_ID},
        {"type": "generation", "url": PICTURE, "id": JOB_ID},
    ],
)
async def test_a_keyframe_needs_what_its_type_needs_and_nothing_else(frame: dict[str, str]) -> None:
    message = await message_about("create_generation", **VIDEO, keyframes={"frame1": frame})
    assert message == (
        "keyframes.frame1 needs exactly one of url, file_id and id, one of its type."
    )


@pytest.mark.parametrize("wrong", ["../credits", "", "a" * 10_240, f"{JOB_ID}/audio", KEY_LIKE])
@pytest.mark.parametrize("tool", ["get_generation", "delete_generation"])
async def test_what_is_no_id_never_gets_into_a_url(tool: str, wrong: str) -> None:
    assert await message_about(tool, generation_id=wrong) == (f"generation_id must be {AN_ID}")


async def test_a_misspelt_parameter_gets_a_suggestion() -> None:
    message = await message_about("create_generation", promt="A boat")
    assert message.startswith("There is no parameter promt. Did you mean prompt? The parameters")


async def test_a_misspelt_tool_gets_a_suggestion() -> None:
    async with client_of(Upstream()) as client:
        error = await refusal(client, "create_generatoin", prompt="A boat")
    assert error["message"] == "There is no tool 'create_generatoin'."
    assert error["advice"].startswith("Did you mean create_generation? The tools are: create_")


async def test_a_long_name_is_cut() -> None:
    message = await message_about("ping", **{"x" * 10_000: 1})
    assert message.startswith(f"There is no parameter {'x' * 40}…. ")


async def test_many_mistakes_are_counted_and_five_are_named() -> None:
    wrong = dict.fromkeys(
        ("x_start", "x_end", "y_start", "y_end", "resized_width", "resized_height"), -1
    )
    message = await message_about("reframe_video", **REFRAME, **wrong)
    assert message.count("must be at least") == 5
    assert message.endswith(" And 1 more.")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("create_generation", {**VIDEO, "model": KEY_LIKE}),
        ("create_generation", {**VIDEO, KEY_LIKE: "x"}),
        ("create_generation", {**VIDEO, "keyframes": {"frame0": {"type": "image", KEY_LIKE: 1}}}),
        ("list_generations", {"limit": KEY_LIKE}),
        ("get_generation", {"generation_id": KEY_LIKE}),
        (KEY_LIKE, {}),
    ],
)
async def test_a_key_in_the_wrong_place_is_not_repeated(
    tool: str, arguments: dict[str, Any]
) -> None:
    async with client_of(Upstream()) as client:
        result = await call(client, tool, **arguments)
    assert result.is_error
    assert KEY_LIKE not in repr(result)
