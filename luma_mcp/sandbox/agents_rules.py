"""The rules that the Agents API checks across fields, and its words where they are published.

Texts with status 400 are those of docs.agents.lumalabs.ai/guides/error-handling, or such as it
would write by their example. It says that parameters which do not go together get 422 and publishes
no text for that: those are the sandbox's own. Where a rule is from stands beside it: SDK is Luma's
luma-agents 0.5.0, "videos", "image" and "errors" are guides on docs.agents.lumalabs.ai.
"""

from collections.abc import Callable
from typing import NoReturn

from starlette.exceptions import HTTPException

from luma_mcp.sandbox.agents_bodies import Edit, GenerationBody, ImageRef, VideoOptions

# SDK: ray-3.2 is the video model; layering is for uni-1 alone.
TYPES = {
    "uni-1": ("image", "image_edit", "layering"),
    "uni-1-max": ("image", "image_edit"),
    "ray-3.2": ("video", "video_edit", "video_reframe"),
}
# image: nine ratios; videos: six. Edits follow their source, and what they are sent is ignored.
RATIOS = {
    "image": ("3:1", "2:1", "16:9", "3:2", "1:1", "2:3", "9:16", "1:2", "1:3"),
    "video": ("9:16", "3:4", "1:1", "4:3", "16:9", "21:9"),
    "video_reframe": ("9:16", "3:4", "1:1", "4:3", "16:9", "21:9"),
}
MANGA_RATIOS = ("2:3", "9:16", "1:2", "1:3")
MAX_EDIT_SECONDS = 18  # SDK; the FAQ says 30, and the marketing page 20.
MAX_REFRAME_SECONDS = 30  # videos
FRAMES_PER_SECOND = 24  # SDK
_MAX_PROMPT = 6000
_MAX_LAYERING_PROMPT = 500  # SDK
_MAX_REFERENCES = {"image": 9, "image_edit": 8}
_MAX_KEYFRAMES = 64  # SDK; the marketing page says 16.
_SOURCED = ("image_edit", "video_edit", "video_reframe", "layering")
# Which options each type takes besides resolution and duration. SDK, videos.
_OPTIONS = {
    "video": {
        "loop",
        "hdr",
        "exr_export",
        "start_frame",
        "end_frame",
        "keyframes",
        "keyframe_indexes",
    },
    # Edits and reframes are as long as their source, whatever duration they are sent.
    "video_edit": {"hdr", "exr_export", "start_frame", "edit"},
    "video_reframe": {"source_position"},
}

Rule = tuple[Callable[[VideoOptions], object], str]


def _list_extended(video: VideoOptions) -> list[ImageRef]:
    frames = (video.start_frame, video.end_frame)
    return [frame for frame in frames if frame and frame.generation_id]


def _get_edit(video: VideoOptions) -> Edit:
    return video.edit or Edit()


_VIDEO_RULES: tuple[Rule, ...] = (
    # SDK and videos: loops are of 5 s, SDR, and without any other end.
    (lambda video: video.loop and video.duration == "10s", "video.loop requires duration 5s"),
    (lambda video: video.loop and video.hdr, "video.loop is not supported with video.hdr"),
    (lambda video: video.loop and video.end_frame, "video.loop excludes video.end_frame"),
    (lambda video: video.loop and video.keyframes, "video.loop excludes video.keyframes"),
    # SDK and videos: 360p is for SDR only, and HDR for 720p and 1080p.
    (
        lambda video: video.hdr and video.resolution in ("360p", "540p"),
        "video.hdr requires resolution 720p or 1080p",
    ),
    # SDK: "Mutually exclusive with start_frame / end_frame / loop".
    (
        lambda video: video.keyframes and (video.start_frame or video.end_frame),
        "video.keyframes excludes video.start_frame and video.end_frame",
    ),
    # SDK and videos: guided clips of 10 s go by keyframes.
    (
        lambda video: video.duration == "10s" and (video.start_frame or video.end_frame),
        "video.start_frame and video.end_frame require duration 5s; use video.keyframes",
    ),
    # videos refuses HDR with 10 s, SDK allows it by keyframes: both hold in this reading.
    (
        lambda video: video.hdr and video.duration == "10s" and not video.keyframes,
        "video.hdr with duration 10s requires video.keyframes",
    ),
    # videos: an extension goes one way, and nothing leads from one clip to another.
    (
        lambda video: video.start_frame and video.end_frame and _list_extended(video),
        "A generation cannot be extended towards another frame",
    ),
    (lambda video: video.hdr and _list_extended(video), "Extensions are SDR only"),
)
_EDIT_RULES: tuple[Rule, ...] = (
    # SDK: a generation as start_frame means an extension, which is of type video.
    (_list_extended, "video.start_frame must be an image"),
    (
        lambda video: video.start_frame and _get_edit(video).keyframes,
        "video.edit.keyframes excludes video.start_frame",
    ),
    (
        lambda video: (
            _get_edit(video).auto_controls
            and (_get_edit(video).strength or _get_edit(video).controls)
        ),
        "video.edit.auto_controls excludes video.edit.strength and video.edit.controls",
    ),
)


def refuse(text: str, status: int = 422) -> NoReturn:
    """Refuse the request with a text.

    Raises:
        HTTPException: Always.
    """
    raise HTTPException(status, text)


def check(body: GenerationBody) -> None:
    """Check what the fields of a request must be to each other.

    Raises:
        HTTPException: 400 with Luma's text, or 422 with one of the sandbox's own.
    """
    _check_model(body)
    _check_prompt(body)
    _check_ratio(body)
    _check_media(body)
    if body.layering and body.type != "layering":
        refuse("layering is only valid for type 'layering'")
    if body.model == "ray-3.2":
        _check_video(body.type, body.video or VideoOptions())
    elif body.video:
        refuse("video is only valid for model 'ray-3.2'")


def check_length(seconds: int, limit: int) -> None:
    """Check that a source is short enough.

    Raises:
        HTTPException: 422, if it is not.
    """
    if seconds > limit:
        refuse(f"source: video must be {limit} seconds or shorter")


def check_indexes(place: str, indexes: list[int] | None, seconds: int) -> None:
    """Check that keyframes lie within a clip (SDK: 0 to 120 in 5 s, at 24 frames a second).

    Raises:
        HTTPException: 422, if one does not.
    """
    last = FRAMES_PER_SECOND * seconds
    if indexes and not all(0 <= index <= last for index in indexes):
        refuse(f"{place}.keyframe_indexes must be between 0 and {last}")


def _check_model(body: GenerationBody) -> None:
    if body.model not in TYPES:
        refuse(f"Unknown model: {body.model[:80]}", 400)
    if body.type not in TYPES[body.model]:
        refuse(f"Type '{body.type}' is not supported for model '{body.model}'", 400)


def _check_prompt(body: GenerationBody) -> None:
    # SDK: layering's prompt is optional and short.
    least, most = (0, _MAX_LAYERING_PROMPT) if body.type == "layering" else (1, _MAX_PROMPT)
    if not least <= len(body.prompt) <= most:
        refuse(f"Prompt must be between 1 and {most} characters", 400)


def _check_ratio(body: GenerationBody) -> None:
    ratios = RATIOS.get(body.type, ())
    if body.aspect_ratio is None:
        if body.type == "video_reframe":  # videos
            refuse("aspect_ratio is required for type 'video_reframe'")
    elif ratios and body.aspect_ratio not in ratios:
        valid = ", ".join(sorted(ratios, key=lambda ratio: ratio.split(":")))
        refuse(f"Invalid aspect_ratio '{body.aspect_ratio[:20]}'. Valid: {valid}", 400)
    elif (body.type, body.style) == ("image", "manga") and body.aspect_ratio not in MANGA_RATIOS:
        refuse(f"style 'manga' requires one of these aspect_ratios: {', '.join(MANGA_RATIOS)}")


def _check_media(body: GenerationBody) -> None:
    if body.source and body.type == "image":
        refuse("source is only valid for type 'image_edit'", 400)
    if body.source and body.type not in _SOURCED:
        refuse(f"source is not supported for type '{body.type}'", 400)
    if not body.source and body.type in _SOURCED:
        refuse(f"source is required for type '{body.type}'", 400)
    most = _MAX_REFERENCES.get(body.type, 0)
    if len(body.image_ref) > most:
        _refuse_references(body.type, most)


def _refuse_references(kind: str, most: int) -> NoReturn:
    # videos refuses them for edits; for the others that are no pictures they are not documented.
    if not most:
        refuse(f"image_ref is not supported for type '{kind}'")
    remark = " (source occupies one slot)" if kind == "image_edit" else ""
    refuse(f"{kind} supports up to {most} reference images{remark}", 400)


def _check_video(kind: str, video: VideoOptions) -> None:
    optional = VideoOptions.model_fields.keys() - {"resolution", "duration"}
    for name in sorted(optional - _OPTIONS[kind]):
        if getattr(video, name):
            refuse(f"video.{name} is not supported for type '{kind}'")
    if video.exr_export and not video.hdr:  # SDK
        refuse("video.exr_export requires video.hdr")
    rules = {"video": _VIDEO_RULES, "video_edit": _EDIT_RULES}.get(kind, ())
    for is_broken, text in rules:
        if is_broken(video):
            refuse(text)
    _check_keyframes("video", video)
    _check_keyframes("video.edit", _get_edit(video))
    check_indexes("video", video.keyframe_indexes, video.seconds)


def _check_keyframes(place: str, anchored: VideoOptions | Edit) -> None:
    """SDK: as many positions as keyframes, none negative and none twice."""
    frames, indexes = anchored.keyframes, anchored.keyframe_indexes
    if frames is None and indexes is None:
        return
    if not 1 <= len(frames or []) <= _MAX_KEYFRAMES:
        refuse(f"{place}.keyframes must hold 1 to {_MAX_KEYFRAMES} images")
    if len(frames or []) != len(indexes or []):
        refuse(f"{place}.keyframe_indexes must be as many as {place}.keyframes")
    if len(set(indexes or [])) < len(indexes or []):
        refuse(f"{place}.keyframe_indexes must be unique")
