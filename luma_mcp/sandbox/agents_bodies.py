"""The bodies of the Agents API's requests, field by field (Luma's SDK luma-agents 0.5.0).

Members that are null count as not sent, at every depth. What only some types, models or neighbours
allow is a matter of `agents_rules`.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from luma_mcp.sandbox import reading

Type = Literal["image", "image_edit", "video", "video_edit", "video_reframe", "layering"]
VideoResolution = Literal["360p", "540p", "720p", "1080p"]
Strength = Literal[
    "adhere_1",
    "adhere_2",
    "adhere_3",
    "flex_1",
    "flex_2",
    "flex_3",
    "reimagine_1",
    "reimagine_2",
    "reimagine_3",
]
Fraction = Annotated[float, Field(ge=0, le=1)]
Offset = Annotated[float, Field(ge=-2, le=2)]
Extent = Annotated[float, Field(gt=0, le=2)]
_MAX_FILE_BYTES = 5 * 1024**3  # what S3 takes in a single PUT


def _read_as_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("is too far away") from None


class _Part(reading.Part):
    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, sent: Any) -> Any:  # noqa: ANN401 - anything may have been sent
        if not isinstance(sent, dict):
            return sent
        return {name: value for name, value in sent.items() if value is not None}


class ImageRef(_Part):
    """A picture, or at some places a clip, in one of four ways."""

    url: str | None = None
    data: str | None = None
    media_type: str | None = None
    generation_id: str | None = None
    file_id: str | None = None


class Layering(_Part):
    """How a picture is taken apart."""

    resolution: Literal["1k", "2k"] = "1k"


class SourcePosition(_Part):
    """Where a clip is within its new frame."""

    x_norm: Offset
    y_norm: Offset
    w_norm: Extent
    h_norm: Extent


class Control(_Part):
    """One signal that an edit goes by."""

    enabled: bool | None = None


class DepthControl(Control):
    """The depth of the scene."""

    blur: Fraction | None = None


class NormalsControl(Control):
    """The surfaces of the scene."""

    augmentation: Fraction | None = None


class PoseControl(Control):
    """How people stand."""

    strength: Literal["precise", "coarse"] | None = None


class TrajectoryControl(Control):
    """How things move."""

    sparsity: Fraction | None = None


class Controls(_Part):
    """All signals that an edit goes by."""

    depth: DepthControl | None = None
    face: Control | None = None
    normals: NormalsControl | None = None
    pose: PoseControl | None = None
    trajectory: TrajectoryControl | None = None


class Edit(_Part):
    """How a clip is edited."""

    auto_controls: bool | None = None
    strength: Strength | None = None
    controls: Controls | None = None
    keyframes: list[ImageRef] | None = None
    keyframe_indexes: list[int] | None = None


class VideoOptions(_Part):
    """What Ray 3.2 is told besides the prompt."""

    resolution: VideoResolution = "720p"
    duration: Literal["5s", "10s"] = "5s"
    loop: bool = False
    hdr: bool = False
    exr_export: bool = False
    start_frame: ImageRef | None = None
    end_frame: ImageRef | None = None
    keyframes: list[ImageRef] | None = None
    keyframe_indexes: list[int] | None = None
    source_position: SourcePosition | None = None
    edit: Edit | None = None

    @property
    def seconds(self) -> int:
        """How long the clip is to be."""
        return int(self.duration.removesuffix("s"))


class GenerationBody(_Part):
    """POST /generations. Models and ratios are refused by the rules, in Luma's words."""

    prompt: str = ""
    model: str = "uni-1"
    type: Type = "image"
    aspect_ratio: str | None = None
    style: Literal["auto", "manga"] = "auto"
    output_format: Literal["png", "jpeg"] | None = None
    image_ref: Annotated[list[ImageRef], Field(default_factory=list)]
    source: ImageRef | None = None
    layering: Layering | None = None
    video: VideoOptions | None = None
    web_search: bool = False
    user_id: Annotated[str, Field(max_length=256)] | None = None


class FileBody(_Part):
    """POST /files, as JSON or as the other parts of a form.

    Luma publishes neither which MIME types it takes nor the default of `purpose`.
    """

    mime_type: Annotated[str, Field(pattern=r"^(image|video)/[a-z0-9.+-]+$")]
    size_bytes: Annotated[int, Field(ge=1, le=_MAX_FILE_BYTES)]
    filename: Annotated[str, Field(max_length=1024)] | None = None
    purpose: Literal["input", "reference"] = "input"
    expires_at: Annotated[datetime, Field(strict=False), AfterValidator(_read_as_utc)] | None = None
    user_id: Annotated[str, Field(max_length=256)] | None = None
