"""Rules of the Agents API across the options of a video, and where its guide frames stand.

Where the guides (docs.agents.lumalabs.ai) and the SDK (luma-agents 0.5) differ, a comment says
which one is followed. Which options there are, and how many guide frames, `model_rules` checks;
that each is one picture with an index of 0 or more, the tools' types and `tools.requests`.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from luma_mcp.errors import InvalidRequest
from luma_mcp.luma.agents_limits import FRAMES_PER_SECOND
from luma_mcp.luma.agents_models import CreateGeneration, Type, VideoEdit, VideoOptions

_UPRIGHT_RATIOS = ("9:16", "3:4")


@dataclass(frozen=True)
class _Rule:
    """A combination of options that Luma refuses."""

    is_broken_by: Callable[[VideoOptions], bool]
    message: str
    advice: str


def _extends(options: VideoOptions) -> bool:
    frames = (options.start_frame, options.end_frame)
    return any(frame is not None and frame.generation_id is not None for frame in frames)


def has_frames(options: VideoOptions) -> bool:
    """Tell whether it starts from something, or ends on it."""
    return options.start_frame is not None or options.end_frame is not None


def _is_long(options: VideoOptions) -> bool:
    return options.duration == "10s"


def options_of(request: CreateGeneration) -> VideoOptions:
    """Give the options of a video, none of which may be set."""
    return request.video or VideoOptions()


def edit_of(options: VideoOptions) -> VideoEdit:
    """Give the options of an edit, none of which may be set."""
    return options.edit or VideoEdit()


# Of several that are broken the first is told.
_RULES_OF_GENERATION = (
    _Rule(
        lambda video: bool(video.keyframes and has_frames(video)),
        "indexed_keyframes cannot be combined with frame0 or frame1.",
        "Give every picture in indexed_keyframes: index 0 is the start, 120 the end of a clip of "
        "5s, 240 that of 10s.",
    ),
    _Rule(
        lambda video: _extends(video) and bool(video.start_frame and video.end_frame),
        "ray-3.2 cannot join a clip to another frame.",
        "Give the clip alone, as frame0 to go on from it or as frame1 to lead up to it; or use "
        "ray-2, which can join clips of its own to pictures and clips.",
    ),
    _Rule(
        lambda video: _extends(video) and _is_long(video),
        "Extending a clip adds 5s, not 10s.",
        "Use duration 5s; the result can be extended again.",
    ),
    _Rule(
        lambda video: _extends(video) and bool(video.hdr),
        "A clip cannot be extended in HDR.",
        "Leave hdr out.",
    ),
    _Rule(
        lambda video: has_frames(video) and _is_long(video),
        "A clip of 10s takes neither frame0 nor frame1.",
        "Use duration 5s, or give the pictures in indexed_keyframes: index 0 is the start, 240 "
        "the end.",
    ),
    _Rule(
        lambda video: bool(video.loop and _is_long(video)),
        "A loop cannot have a duration of 10s.",
        "Use duration 5s, or leave loop out.",
    ),
    _Rule(
        lambda video: bool(video.loop and video.hdr),
        "A loop cannot be in HDR.",
        "Leave hdr out, or loop.",
    ),
    _Rule(
        lambda video: bool(video.loop and video.end_frame),
        "A loop takes no frame1.",
        "Leave frame1 out (frame0 can stay), or loop.",
    ),
    _Rule(
        lambda video: bool(video.loop and video.keyframes),
        "A loop takes no indexed_keyframes.",
        "Give the first picture as frame0 instead, or leave loop out.",
    ),
    _Rule(
        lambda video: bool(video.hdr) and video.resolution in {"360p", "540p"},
        "hdr needs a resolution of 720p or 1080p.",
        "Use one of them, or leave hdr out.",
    ),
    # The guide refuses HDR of 10s; the SDK allows it with keyframes, and is followed.
    _Rule(
        lambda video: bool(video.hdr and _is_long(video) and not video.keyframes),
        "A clip of 10s in HDR needs indexed_keyframes.",
        "Use duration 5s, leave hdr out, or give at least one picture in indexed_keyframes.",
    ),
)
_RULES_OF_EDIT = (
    _Rule(
        lambda video: bool(
            edit_of(video).auto_controls and (edit_of(video).strength or edit_of(video).controls)
        ),
        "auto_controls cannot be combined with mode or controls.",
        "Give auto_controls alone, or choose mode and controls yourself.",
    ),
    _Rule(
        lambda video: bool(edit_of(video).keyframes and video.start_frame),
        "indexed_keyframes cannot be combined with first_frame_url.",
        "Give the first frame in indexed_keyframes, with index 0.",
    ),
)
_RULES_OF_ALL = (
    _Rule(
        lambda video: bool(video.exr_export and not video.hdr),
        "exr_export needs hdr.",
        "Set hdr to true as well, or leave exr_export out.",
    ),
)
_RULES: dict[Type, tuple[_Rule, ...]] = {
    "video": _RULES_OF_GENERATION + _RULES_OF_ALL,
    "video_edit": _RULES_OF_EDIT + _RULES_OF_ALL,
}


def check_options(request: CreateGeneration) -> None:
    """Apply the rules across the options of a video.

    Raises:
        InvalidRequest: With Luma's meaning and the way out.
    """
    options = options_of(request)
    for rule in _RULES.get(request.type, ()):
        if rule.is_broken_by(options):
            raise InvalidRequest(rule.message, advice=rule.advice)
    # The guide says so of reframing; for new videos it says nothing of the kind.
    if request.type == "video_reframe" and is_upright_1080p(request):
        raise InvalidRequest(
            f"1080p is not available yet for reframing to {request.aspect_ratio}.",
            advice="Use 720p, 540p or 360p.",
        )


def check_indexes(request: CreateGeneration) -> None:
    """Apply the rules of where guide frames stand.

    Raises:
        InvalidRequest: With Luma's meaning and the way out.
    """
    options = options_of(request)
    last = FRAMES_PER_SECOND * (10 if _is_long(options) else 5)
    _check_indexes(options.keyframe_indexes, last)
    # How many frames the source of an edit has is not known here.
    _check_indexes(edit_of(options).keyframe_indexes, None)


def _check_indexes(indexes: list[int] | None, last: int | None) -> None:
    """Check where guide frames stand; `last` is the highest index, if it is known."""
    if not indexes:
        return
    index, times = Counter(indexes).most_common(1)[0]
    if times > 1:
        raise InvalidRequest(
            f"indexed_keyframes has the index {index} {times} times.",
            advice="Give every picture an index of its own.",
        )
    if last is not None and max(indexes) > last:
        raise InvalidRequest(
            f"An index of indexed_keyframes is beyond the end of the clip, which is {last}.",
            advice=f"Count frames from 0, {FRAMES_PER_SECOND} to a second.",
        )


def is_upright_1080p(request: CreateGeneration) -> bool:
    """Tell whether it asks for an upright video in 1080p."""
    return has_resolution(request, "1080p") and request.aspect_ratio in _UPRIGHT_RATIOS


def has_resolution(request: CreateGeneration, *resolutions: str) -> bool:
    """Tell whether it asks for one of these resolutions."""
    return options_of(request).resolution in resolutions
