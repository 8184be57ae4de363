"""Rules of the Agents API across the members of a request, checked before anything is sent.

They are those of Luma's guides and API reference (docs.agents.lumalabs.ai) and of its SDK
(luma-agents 0.5); where these differ, a comment says which one is followed. The texts speak of the
tools' parameters: frame0 and frame1 for start_frame and end_frame, mode for strength.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from luma_mcp.errors import InvalidRequest
from luma_mcp.luma.agents_limits import (
    MANGA_RATIOS,
    MAX_EDIT_REFERENCES,
    MAX_FILE_BYTES,
    MAX_IMAGE_REFERENCES,
    MAX_LAYERING_PROMPT,
    MAX_PROMPT,
    MIN_PROMPT,
)
from luma_mcp.luma.agents_models import (
    CreateFile,
    CreateGeneration,
    ImageModel,
    ImageRatio,
    ImageRef,
    Type,
    VideoModel,
    VideoOptions,
    VideoRatio,
)
from luma_mcp.luma.agents_video_rules import (
    check_keyframes,
    check_options,
    edit_of,
    has_resolution,
    is_upright_1080p,
)
from luma_mcp.settings import is_loopback

_Media = Literal["image", "video"]


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """What a type of request takes.

    Attributes:
        act: What it does, to begin a sentence.
        takes: Members of the request, besides those that all have.
        options: Members of `video`.
        source: What its source shows; it is required where there is one.
    """

    act: str
    models: tuple[str, ...]
    takes: frozenset[str]
    ratios: tuple[str, ...] = ()
    options: frozenset[str] = frozenset()
    source: _Media | None = None
    references: int = 0
    max_prompt: int = MAX_PROMPT


_UNI, _RAY = get_args(ImageModel), get_args(VideoModel)
_PICTURE = frozenset({"aspect_ratio", "style", "output_format", "image_ref", "web_search"})
_KINDS: dict[Type, _Kind] = {
    "image": _Kind(
        act="Making a picture",
        models=_UNI,
        takes=_PICTURE,
        ratios=get_args(ImageRatio),
        references=MAX_IMAGE_REFERENCES,
    ),
    "image_edit": _Kind(
        act="Editing a picture",
        models=_UNI,
        takes=_PICTURE | {"source"},
        ratios=get_args(ImageRatio),
        source="image",
        references=MAX_EDIT_REFERENCES,
    ),
    "video": _Kind(
        act="Making a video",
        models=_RAY,
        takes=frozenset({"aspect_ratio", "video"}),
        ratios=get_args(VideoRatio),
        options=frozenset(VideoOptions.model_fields) - {"source_position", "edit"},
    ),
    "video_edit": _Kind(
        act="Modifying a video",
        models=_RAY,
        takes=frozenset({"aspect_ratio", "source", "video"}),
        ratios=get_args(VideoRatio),
        options=frozenset({"resolution", "hdr", "exr_export", "start_frame", "edit"}),
        source="video",
    ),
    "video_reframe": _Kind(
        act="Reframing a video",
        models=_RAY,
        takes=frozenset({"aspect_ratio", "source", "video"}),
        ratios=get_args(VideoRatio),
        options=frozenset({"resolution", "source_position"}),
        source="video",
    ),
    "layering": _Kind(
        act="Extracting layers",
        models=("uni-1",),
        takes=frozenset({"source", "layering"}),
        source="image",
        max_prompt=MAX_LAYERING_PROMPT,
    ),
}

# The members that not every type takes: what the tools call them, and where they belong.
_FOREIGN: dict[str, tuple[str, str]] = {
    "aspect_ratio": ("aspect_ratio", "Leave it out: the result has the ratio of its source."),
    "style": ("style", "Leave it out; it is for generate_image and edit_image."),
    "output_format": ("format", "Leave it out; it is for generate_image and edit_image."),
    "image_ref": ("image_ref", "Leave it out; it is for generate_image and edit_image."),
    "source": ("source", "Leave it out; edit_image changes a picture, modify_video a video."),
    "layering": ("resolution of layers", "Leave it out; it is for extract_layers."),
    "video": ("options of a video", "Leave them out; create_generation makes videos."),
    "web_search": ("web_search", "Leave it out; it is for generate_image and edit_image."),
}
_FOREIGN_OPTIONS: dict[str, tuple[str, str]] = {
    "duration": ("duration", "Leave it out: the result is as long as its source."),
    "loop": ("loop", "Leave it out; create_generation makes loops."),
    "hdr": ("hdr", "Leave it out; create_generation and modify_video make HDR."),
    "exr_export": ("exr_export", "Leave it out; create_generation and modify_video export EXR."),
    "start_frame": ("first frame", "Leave it out; modify_video takes a first_frame_url."),
    "end_frame": ("last frame", "Leave it out; modify_video takes indexed_keyframes."),
    "keyframes": ("frames of a new video", "Leave them out; modify_video has its own."),
    "keyframe_indexes": ("frames of a new video", "Leave them out; modify_video has its own."),
    "source_position": ("source_position", "Leave it out; it is for reframe_video."),
    "edit": (
        "mode, auto_controls, controls or frames of an edit",
        "Leave them out; they are for modify_video.",
    ),
}


def check_generation(request: CreateGeneration) -> None:
    """Apply every rule of POST /generations that can be judged from the request alone.

    Raises:
        InvalidRequest: With Luma's meaning and the way out.
    """
    for check in _CHECKS:
        check(request)


def warnings_of(request: CreateGeneration) -> list[str]:
    """Say what Luma may refuse or ignore of a request that breaks no rule."""
    return [text for applies, text in _WARNINGS if applies(request)]


def check_file(request: CreateFile) -> None:
    """Apply the rules of POST /files.

    Raises:
        InvalidRequest: The size, the type or the date cannot be.
    """
    if not _MEDIA_TYPE.fullmatch(request.mime_type):
        raise InvalidRequest(
            "mime_type is not that of a picture or video.",
            advice="Give one such as image/jpeg or video/mp4, in small letters.",
        )
    if not 1 <= request.size_bytes <= MAX_FILE_BYTES:
        raise InvalidRequest(
            f"A file has from 1 byte to 5 GiB; this one has {request.size_bytes:,} bytes.",
            advice="Give the exact size in bytes, of a smaller file if need be.",
        )
    if request.expires_at is not None:
        _check_expiry(request.expires_at)


_MEDIA_TYPE = re.compile(r"(image|video)/[a-z0-9.+-]+")
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)


def _check_expiry(text: str) -> None:
    try:
        moment = datetime.fromisoformat(text) if _MOMENT.fullmatch(text) else None
    except ValueError:
        moment = None
    if moment is None:
        raise InvalidRequest(
            "expires_at is not a date with time and zone.",
            advice="Write it such as 2030-01-31T12:00:00Z.",
        )
    if moment <= datetime.now(UTC):
        raise InvalidRequest("expires_at has passed.", advice="Give a later one, or leave it out.")


def _check_model(request: CreateGeneration) -> None:
    kind = _KINDS[request.type]
    if request.model not in kind.models:
        raise InvalidRequest(
            f"{kind.act} is not for {request.model}.",
            advice=f"Use {' or '.join(kind.models)}.",
        )


def _check_prompt(request: CreateGeneration) -> None:
    limit = _KINDS[request.type].max_prompt
    if not request.prompt.strip():
        raise InvalidRequest(
            "Prompt is required.", advice="Say in a sentence or two what you want."
        )
    if len(request.prompt) > limit:
        raise InvalidRequest(
            f"Prompt must be between {MIN_PROMPT} and {limit} characters "
            f"(this one has {len(request.prompt)}).",
            advice="Shorten the prompt; a few concrete sentences work best.",
        )


def _check_members(request: CreateGeneration) -> None:
    kind = _KINDS[request.type]
    options = request.video or VideoOptions()
    for whole, taken, foreign in (
        (request, kind.takes, _FOREIGN),
        (options, kind.options, _FOREIGN_OPTIONS),
    ):
        for member, (word, advice) in foreign.items():
            # What says no, or what is so anyway, asks for nothing.
            asked = getattr(whole, member) not in (None, False, "auto")
            if asked and member not in taken:
                raise InvalidRequest(f"{kind.act} takes no {word}.", advice=advice)


def _check_source(request: CreateGeneration) -> None:
    kind = _KINDS[request.type]
    if kind.source is None:
        return
    if request.source is None:
        raise InvalidRequest(f"{kind.act} needs a source.", advice=_ways(kind.source))
    _check_reference("source", request.source, kind.source)
    if kind.source == "video" and request.source.url and not request.source.media_type:
        raise InvalidRequest(
            "The URL of a source video needs its media_type.",
            advice="Give one such as video/mp4.",
        )


def _check_pictures(request: CreateGeneration) -> None:
    limit = _KINDS[request.type].references
    if request.image_ref and len(request.image_ref) > limit:
        raise InvalidRequest(
            f"{_KINDS[request.type].act} takes at most {limit} pictures in image_ref "
            f"({len(request.image_ref)} were given).",
            advice="Keep those that matter most.",
        )
    for name, picture in _pictures(request):
        _check_reference(name, picture, "image")


def _pictures(request: CreateGeneration) -> Iterator[tuple[str, ImageRef]]:
    """Give every picture of a request but its source, and what a tool calls it."""
    video = request.video or VideoOptions()
    start = "first_frame_url" if request.type == "video_edit" else "keyframes.frame0"
    lists = (
        ("image_ref", request.image_ref),
        ("indexed_keyframes", video.keyframes),
        ("indexed_keyframes", edit_of(video).keyframes),
    )
    for name, frame in ((start, video.start_frame), ("keyframes.frame1", video.end_frame)):
        if frame is not None:
            yield name, frame
    for name, pictures in lists:
        for index, picture in enumerate(pictures or ()):
            yield f"{name}[{index}]", picture


def _ways(media: _Media) -> str:
    """Say how a picture or a video can be given."""
    url = "media_url" if media == "video" else "url"
    return f"Give exactly one of {url}, generation_id and file_id."


def _check_reference(name: str, reference: ImageRef, media: _Media) -> None:
    ways = (reference.url, reference.generation_id, reference.file_id)
    given = [way for way in ways if way is not None]
    if len(given) != 1 or not given[0].strip():
        raise InvalidRequest(f"{name} must be given in exactly one way.", advice=_ways(media))
    if reference.url and not _is_fetchable(reference.url):
        raise InvalidRequest(
            f"{name} needs an https URL.",
            advice="Luma fetches no other: use one, or upload the file.",
        )
    if reference.media_type is None:
        return
    media_type = _MEDIA_TYPE.fullmatch(reference.media_type)
    if media_type is None or media_type[1] != media:
        wanted = "a picture" if media == "image" else "a video"
        raise InvalidRequest(
            f"{name} must be {wanted}, by its media_type too.",
            advice=f"Give {wanted}, with a media_type that begins with {media}/.",
        )


def _is_fetchable(url: str) -> bool:
    """Tell whether the API fetches such a URL: https ("FAQ"), and of a sandbox its own links."""
    if url.lower().startswith("https://"):
        return True
    try:
        return is_loopback(url)
    except ValueError:  # half an address
        return False


def _check_ratio(request: CreateGeneration) -> None:
    kind, ratio = _KINDS[request.type], request.aspect_ratio
    if ratio is None:
        if request.type == "video_reframe":
            raise InvalidRequest(
                f"{kind.act} needs an aspect_ratio.",
                advice=f"Give the one to make of it: {', '.join(kind.ratios)}.",
            )
        return
    if ratio not in kind.ratios:
        raise InvalidRequest(
            f"{request.model} does not make the aspect_ratio {ratio}.",
            advice=f"Use one of {', '.join(kind.ratios)}.",
        )
    # An edit has the ratio of its source, whatever its style.
    if request.type == "image" and request.style == "manga" and ratio not in MANGA_RATIOS:
        raise InvalidRequest(
            f"The style manga does not go with the aspect_ratio {ratio}.",
            advice=f"Use one of {', '.join(MANGA_RATIOS)}, or the style auto.",
        )


def _has_anchors(request: CreateGeneration) -> bool:
    video = request.video or VideoOptions()
    return video.start_frame is not None or video.end_frame is not None


def _is_hdr(request: CreateGeneration) -> bool:
    return request.video is not None and bool(request.video.hdr)


_CHECKS: tuple[Callable[[CreateGeneration], None], ...] = (
    _check_model,
    _check_prompt,
    _check_members,
    _check_source,
    _check_pictures,
    _check_ratio,
    check_options,
    check_keyframes,
)
_WARNINGS: tuple[tuple[Callable[[CreateGeneration], bool], str], ...] = (
    (
        lambda request: request.type == "video" and is_upright_1080p(request),
        "Upright videos may not be available in 1080p yet; 720p is.",
    ),
    (
        lambda request: request.type == "video_reframe" and has_resolution(request, "1080p"),
        "Reframing in 1080p is not open to every account yet; 720p is.",
    ),
    (_is_hdr, "HDR works only for accounts for which Luma has enabled it."),
    # The SDK says of indexed keyframes that, unlike these, they can be in HDR; the guide does not
    # refuse it.
    (
        lambda request: _is_hdr(request) and request.type == "video" and _has_anchors(request),
        "Luma may refuse HDR with frame0 or frame1; indexed_keyframes can be in HDR.",
    ),
    # The guide refuses it of new videos; the SDK speaks of those alone.
    (
        lambda request: (
            request.type == "video_edit"
            and _is_hdr(request)
            and has_resolution(request, "360p", "540p")
        ),
        "Luma may refuse HDR below 720p.",
    ),
    (
        lambda request: (
            request.type in {"image_edit", "video_edit"} and request.aspect_ratio is not None
        ),
        "Luma ignores aspect_ratio here: the result has that of the source.",
    ),
)
