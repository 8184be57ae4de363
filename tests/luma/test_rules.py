"""What is refused before anything is sent, and beside it the neighbour that is accepted."""

from typing import Any

import pytest

from luma_mcp.errors import InvalidRequest
from luma_mcp.luma.dream_machine_models import (
    CreateVideo,
    GenerationKeyframe,
    ImageKeyframe,
    Keyframe,
    Keyframes,
    Media,
    ModifyVideo,
    ReframeImage,
)
from luma_mcp.luma.dream_machine_rules import (
    check_create_video,
    check_modify_video,
    check_prompt,
    check_reframe,
)

IMAGE = ImageKeyframe(url="https://example.org/boat.png")
CLIP = GenerationKeyframe(id="aaaaaaaa-1b2c-4d3e-8f90-abcdefabcdef")

PROMPTS_REFUSED = [
    ("", "Prompt is required."),
    (" \n\t ", "Prompt is required."),
    ("ab", "Prompt is too short, minimum length is 3 characters."),
    (" ab ", "Prompt is too short, minimum length is 3 characters."),
    (
        "x" * 5001,
        "Prompt is too long, maximum length is 5000 characters (this one has 5001).",
    ),
]


SOURCE = Media(url="https://example.com/source")


def modification(prompt: str | None) -> ModifyVideo:
    return ModifyVideo(media=SOURCE, model="ray-2", mode="flex_1", prompt=prompt)


def reframing(**given: Any) -> ReframeImage:  # noqa: ANN401 - any member
    return ReframeImage(media=SOURCE, aspect_ratio="1:1", model="photon-1", **given)


@pytest.mark.parametrize(("prompt", "text"), PROMPTS_REFUSED, ids=range(len(PROMPTS_REFUSED)))
def test_a_prompt_of_a_length_that_luma_refuses_is_refused(prompt: str, text: str) -> None:
    for check in (
        lambda: check_prompt(prompt),
        lambda: check_modify_video(modification(prompt)),
        lambda: check_reframe(reframing(prompt=prompt)),
        lambda: check_create_video(CreateVideo(model="ray-2", prompt=prompt)),
    ):
        with pytest.raises(InvalidRequest) as caught:
            check()
        assert caught.value.message == text
        assert caught.value.advice


@pytest.mark.parametrize("prompt", ["abc", " abc", "\u7d19\u306e\u8239", "x" * 5000])
def test_a_prompt_of_a_length_that_luma_takes_is_accepted(prompt: str) -> None:
    check_prompt(prompt)
    check_modify_video(modification(prompt))
    check_reframe(reframing(prompt=prompt))
    check_create_video(CreateVideo(model="ray-2", prompt=prompt))


def request(
    frame0: Keyframe | None,
    frame1: Keyframe | None,
    *,
    prompt: str | None = "It sails on",
    loop: bool | None = None,
) -> CreateVideo:
    frames = Keyframes(frame0=frame0, frame1=frame1) if frame0 or frame1 else None
    return CreateVideo(model="ray-2", prompt=prompt, loop=loop, keyframes=frames)


def refusal_of(video: CreateVideo) -> str | None:
    try:
        check_create_video(video)
    except InvalidRequest as error:
        return error.message if error.advice else "A refusal without advice"
    return None


FRAMES: dict[str, tuple[Keyframe | None, Keyframe | None]] = {
    "text": (None, None),
    "first image": (IMAGE, None),
    "last image": (None, IMAGE),
    "two images": (IMAGE, IMAGE),
    "extend": (CLIP, None),
    "reverse extend": (None, CLIP),
    "clip to image": (CLIP, IMAGE),
    "image to clip": (IMAGE, CLIP),
    "two clips": (CLIP, CLIP),
}
NO_LOOP = {
    "last image": "Loop is not supported for end frame.",
    "two images": "Loop is not supported for keyframes.",
    "reverse extend": "Loop is not supported for extend reverse.",
    "clip to image": "Loop is not supported for interpolate video to image.",
    "image to clip": "Loop is not supported for interpolate image to video.",
    "two clips": "Loop is not supported for interpolate between two videos.",
}
NEEDS_WORDS = ["text", "extend", "reverse extend", "two clips"]


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("loop", [None, False])
def test_every_combination_of_frames_is_accepted_with_a_prompt_and_without_a_loop(
    name: str, *, loop: bool | None
) -> None:
    assert refusal_of(request(*FRAMES[name], loop=loop)) is None


@pytest.mark.parametrize("name", NO_LOOP)
def test_a_loop_is_refused_where_luma_refuses_it(name: str) -> None:
    assert refusal_of(request(*FRAMES[name], loop=True)) == NO_LOOP[name]


@pytest.mark.parametrize("name", ["text", "first image", "extend"])
def test_a_loop_is_accepted_where_luma_takes_it(name: str) -> None:
    assert refusal_of(request(*FRAMES[name], loop=True)) is None


@pytest.mark.parametrize("name", NEEDS_WORDS)
def test_a_prompt_is_required_where_no_frame_is_an_image(name: str) -> None:
    assert refusal_of(request(*FRAMES[name], prompt=None)) == "Prompt is required."


@pytest.mark.parametrize(
    "name", ["first image", "last image", "two images", "clip to image", "image to clip"]
)
def test_an_image_can_do_without_a_prompt(name: str) -> None:
    assert refusal_of(request(*FRAMES[name], prompt=None)) is None


@pytest.mark.parametrize("prompt", ["It sails on", None])
def test_keyframes_without_a_frame_are_refused(prompt: str | None) -> None:
    empty = CreateVideo(model="ray-2", prompt=prompt, keyframes=Keyframes())
    assert refusal_of(empty) == "No keyframes provided."


CROPS_REFUSED = [
    ({"x_start": 10, "x_end": 10}, "x_start (10) must be less than x_end (10)."),
    ({"x_start": 11, "x_end": 10}, "x_start (11) must be less than x_end (10)."),
    ({"y_start": 5, "y_end": 0}, "y_start (5) must be less than y_end (0)."),
    (
        {"x_start": 0, "x_end": 1, "y_start": 0, "y_end": 0},
        "y_start (0) must be less than y_end (0).",
    ),
]


@pytest.mark.parametrize(("bounds", "text"), CROPS_REFUSED, ids=range(len(CROPS_REFUSED)))
def test_crop_bounds_that_leave_nothing_are_refused(bounds: dict[str, int], text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_reframe(reframing(**bounds))
    assert caught.value.message == text
    assert caught.value.advice


@pytest.mark.parametrize(
    "bounds",
    [
        {},
        {"x_start": 9, "x_end": 10},
        {"x_start": 0, "x_end": 1, "y_start": 0, "y_end": 1},
        {"x_start": 10},
        {"y_end": 0},
        {"x_start": 10, "y_end": 0},
        {"grid_position_x": -5, "resized_width": 0},
    ],
)
def test_crop_bounds_that_leave_something_or_stand_alone_are_accepted(
    bounds: dict[str, int],
) -> None:
    check_reframe(reframing(**bounds))


def test_modifying_and_reframing_need_no_prompt() -> None:
    check_modify_video(modification(None))
    check_reframe(reframing())
