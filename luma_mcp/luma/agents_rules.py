"""Rules of the Agents API across the members of a request, checked before anything is sent.

They are those of Luma's guides and API reference (docs.agents.lumalabs.ai) and of its SDK
(luma-agents 0.5); where these differ, a comment says which one is followed. The texts speak of the
tools' parameters: frame0 and frame1 for start_frame and end_frame, mode for strength.

What a model does not know or have, and too long lists, are refused before by `model_rules`; what
is not exactly one picture or video by `tools.requests`; what is out of range by the tools' types.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from luma_mcp.errors import InvalidRequest
from luma_mcp.luma.agents_limits import (
    MANGA_RATIOS,
    MAX_FILE_BYTES,
    MAX_LAYERING_PROMPT,
    MAX_PROMPT,
    MIN_PROMPT,
)
from luma_mcp.luma.agents_models import CreateFile, CreateGeneration, ImageRef
from luma_mcp.luma.agents_video_rules import (
    check_indexes,
    check_options,
    edit_of,
    has_frames,
    has_resolution,
    is_upright_1080p,
    options_of,
)
from luma_mcp.settings import is_loopback


def check_generation(request: CreateGeneration) -> None:
    """Apply every rule of POST /generations that can be judged from the request alone.

    Raises:
        InvalidRequest: With Luma's meaning and the way out.
    """
    for check in _CHECKS:
        check(request)


def warnings_of(request: CreateGeneration) -> list[str]:
    """Say what Luma may refuse of a request that breaks no rule."""
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


def check_url(name: str, url: str) -> None:
    """Refuse a URL that the API does not fetch.

    Raises:
        InvalidRequest: It is not https.
    """
    if not _is_fetchable(url):
        raise InvalidRequest(
            f"{name} needs an https URL.",
            advice="Luma fetches no other: use one, or upload the file.",
        )


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


def _check_prompt(request: CreateGeneration) -> None:
    limit = MAX_LAYERING_PROMPT if request.type == "layering" else MAX_PROMPT
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


def _check_references(request: CreateGeneration) -> None:
    for name, reference in _references(request):
        if reference and reference.url:
            check_url(name, reference.url)


def _references(request: CreateGeneration) -> Iterator[tuple[str, ImageRef | None]]:
    """Give everything that a request may refer to, and what a tool calls it."""
    video = options_of(request)
    yield "source", request.source
    start = "first_frame_url" if request.type == "video_edit" else "keyframes.frame0"
    yield start, video.start_frame
    yield "keyframes.frame1", video.end_frame
    for name, pictures in (
        ("image_ref", request.image_ref),
        ("indexed_keyframes", video.keyframes),
        ("indexed_keyframes", edit_of(video).keyframes),
    ):
        for index, picture in enumerate(pictures or ()):
            yield f"{name}[{index}]", picture


def _is_fetchable(url: str) -> bool:
    """Tell whether the API fetches such a URL: https ("FAQ"), and of a sandbox its own links."""
    if url.lower().startswith("https://"):
        return True
    try:
        return is_loopback(url)
    except ValueError:  # half an address
        return False


def _check_manga(request: CreateGeneration) -> None:
    ratio = request.aspect_ratio
    if request.style == "manga" and ratio and ratio not in MANGA_RATIOS:
        raise InvalidRequest(
            f"The style manga does not go with the aspect_ratio {ratio}.",
            advice=f"Use one of {', '.join(MANGA_RATIOS)}, or the style auto.",
        )


def _is_hdr(request: CreateGeneration) -> bool:
    return bool(options_of(request).hdr)


def _reuses_a_job(request: CreateGeneration) -> bool:
    """Tell whether a job is named in image_ref, or as what to take apart."""
    source = request.source if request.type == "layering" else None
    pictures = (source, *(request.image_ref or ()))
    return any(picture is not None and picture.generation_id for picture in pictures)


_CHECKS: tuple[Callable[[CreateGeneration], None], ...] = (
    _check_prompt,
    _check_references,
    _check_manga,
    check_options,
    check_indexes,
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
        lambda request: (
            _is_hdr(request) and request.type == "video" and has_frames(options_of(request))
        ),
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
        _reuses_a_job,
        (
            "Luma documents generation_id for the source of an edit alone; if it refuses, give "
            "the result's link as url."
        ),
    ),
)
