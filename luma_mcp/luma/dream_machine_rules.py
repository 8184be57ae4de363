"""Rules of the Dream Machine API across parameters, checked before anything is sent or spent.

The texts say what Luma's own would say (docs.lumalabs.ai, page "Errors"), and what to do instead.
"""

from luma_mcp.errors import InvalidRequest
from luma_mcp.luma.dream_machine_models import (
    CreateVideo,
    Keyframe,
    Keyframes,
    ModifyVideo,
    ReframeImage,
    ReframeVideo,
)

MIN_PROMPT, MAX_PROMPT = 3, 5000

# Which frames forbid a loop, and Luma's words for it (frame0, frame1).
_NO_LOOP = {
    (None, "image"): "Loop is not supported for end frame",
    ("image", "image"): "Loop is not supported for keyframes",
    (None, "generation"): "Loop is not supported for extend reverse",
    ("generation", "image"): "Loop is not supported for interpolate video to image",
    ("image", "generation"): "Loop is not supported for interpolate image to video",
    ("generation", "generation"): "Loop is not supported for interpolate between two videos",
}


def check_prompt(prompt: str) -> None:
    """Refuse a prompt of a length that Luma refuses.

    Raises:
        InvalidRequest: Shorter than 3 or longer than 5,000 characters.
    """
    length = len(prompt.strip())
    if length == 0:
        raise InvalidRequest(
            "Prompt is required.", advice="Say in a sentence or two what you want."
        )
    if length < MIN_PROMPT:
        raise InvalidRequest(
            f"Prompt is too short, minimum length is {MIN_PROMPT} characters.",
            advice="Say in a sentence or two what you want.",
        )
    if len(prompt) > MAX_PROMPT:
        raise InvalidRequest(
            f"Prompt is too long, maximum length is {MAX_PROMPT} characters "
            f"(this one has {len(prompt)}).",
            advice="Shorten the prompt; a few concrete sentences work best.",
        )


def _kind(frame: Keyframe | None) -> str | None:
    return frame.type if frame else None


def _check_keyframes(keyframes: Keyframes) -> None:
    if keyframes.frame0 is None and keyframes.frame1 is None:
        raise InvalidRequest(
            "No keyframes provided.",
            advice="Give frame0 (start), frame1 (end) or both, or leave keyframes out.",
        )


def _check_loop(request: CreateVideo) -> None:
    keyframes = request.keyframes or Keyframes()
    text = _NO_LOOP.get((_kind(keyframes.frame0), _kind(keyframes.frame1)))
    if request.loop and text:
        raise InvalidRequest(
            f"{text}.",
            advice="Leave loop out, or keep only frame0: a first image or an extended clip can "
            "loop.",
        )


def check_create_video(request: CreateVideo) -> None:
    """Apply the rules of POST /generations/video across its members.

    Raises:
        InvalidRequest: With Luma's meaning and the way out.
    """
    keyframes = request.keyframes
    if keyframes:
        _check_keyframes(keyframes)
    frames = (keyframes.frame0, keyframes.frame1) if keyframes else ()
    if request.prompt is not None:
        check_prompt(request.prompt)
    elif "image" not in {_kind(frame) for frame in frames}:
        # An image can stand alone; extending a clip needs words (docs.lumalabs.ai, "Errors").
        raise InvalidRequest(
            "Prompt is required.",
            advice="Give a prompt, or an image as a keyframe.",
        )
    _check_loop(request)


def check_modify_video(request: ModifyVideo) -> None:
    """Apply the rules of POST /generations/video/modify.

    Raises:
        InvalidRequest: The prompt has a length that Luma refuses.
    """
    if request.prompt is not None:
        check_prompt(request.prompt)


def check_reframe(request: ReframeImage | ReframeVideo) -> None:
    """Apply the rules of both reframe operations.

    Crop bounds must leave something; what else Luma does with them is not published.

    Raises:
        InvalidRequest: The prompt has a length that Luma refuses, or a start is not before its end.
    """
    if request.prompt is not None:
        check_prompt(request.prompt)
    bounds = (("x", request.x_start, request.x_end), ("y", request.y_start, request.y_end))
    for axis, start, end in bounds:
        if start is not None and end is not None and start >= end:
            raise InvalidRequest(
                f"{axis}_start ({start}) must be less than {axis}_end ({end}).",
                advice="Swap the two, or leave both out.",
            )
