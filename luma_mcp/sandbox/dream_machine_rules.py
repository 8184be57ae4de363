"""The rules that Dream Machine checks across fields, with its own texts, and how to refuse.

The texts are those of docs.lumalabs.ai/docs/errors where it has one. Which status goes with them is
not published; 400 is what has been observed.
"""

from typing import NoReturn

from starlette.exceptions import HTTPException

from luma_mcp.sandbox.concepts import CONCEPTS
from luma_mcp.sandbox.dream_machine_bodies import Keyframes, VideoBody

_MIN_PROMPT = 3
_MAX_PROMPT = 5000

# (frame0, frame1) -> what cannot be looped. The first is in the older edition of the page only.
_UNLOOPABLE: dict[tuple[str | None, str | None], str] = {
    (None, "image"): "end frame",
    ("image", "image"): "keyframes",
    (None, "generation"): "extend reverse",
    ("generation", "image"): "interpolate video to image",
    ("image", "generation"): "interpolate image to video",
    ("generation", "generation"): "interpolate between two videos",
}


def refuse(text: str) -> NoReturn:
    """Refuse the request with a text.

    Raises:
        HTTPException: 400, always.
    """
    raise HTTPException(400, text)


def check_prompt(prompt: str | None, *, required: bool) -> None:
    """Check that a prompt is there, if it has to be, and neither too short nor too long.

    Raises:
        HTTPException: 400, with Luma's text.
    """
    if not prompt:
        if required:
            refuse("Prompt is required")
        return
    if len(prompt) < _MIN_PROMPT:
        refuse(f"Prompt is too short, minimum length is {_MIN_PROMPT} characters")
    if len(prompt) > _MAX_PROMPT:
        refuse(f"Prompt is too long, maximum length is {_MAX_PROMPT} characters")


def check_video(body: VideoBody) -> None:
    """Check what the fields of a video request must be to each other.

    Raises:
        HTTPException: 400, with Luma's text.
    """
    frames = _get_frame_types(body.keyframes)
    check_prompt(body.prompt, required="image" not in frames)
    if body.keyframes is not None and frames == (None, None):
        refuse("No keyframes provided")
    if body.loop and frames in _UNLOOPABLE:
        refuse(f"Loop is not supported for {_UNLOOPABLE[frames]}")
    if body.model == "ray-1-6":
        _check_ray_1_6(body)
    for concept in body.concepts or []:
        if concept.key not in CONCEPTS:
            refuse(f"Unknown concept: {concept.key[:80]}")


def _get_frame_types(keyframes: Keyframes | None) -> tuple[str | None, str | None]:
    if keyframes is None:
        return None, None
    frame0, frame1 = keyframes.frame0, keyframes.frame1
    return frame0.type if frame0 else None, frame1.type if frame1 else None


def _check_ray_1_6(body: VideoBody) -> None:
    if body.duration:
        refuse("Duration is not supported in the Ray 1.6 API")
    if body.resolution:
        refuse("Resolution is not supported in the Ray 1.6 API")
    if body.concepts:
        refuse("concepts are not supported for this model")
