"""The parameters that tools share: their types, ranges and what a model reads about them."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from luma_mcp.luma import agents_limits
from luma_mcp.luma import agents_models as agents
from luma_mcp.luma import dream_machine_models as luma
from luma_mcp.luma.dream_machine_rules import MAX_PROMPT, MIN_PROMPT
from luma_mcp.luma.ids import GENERATION_ID_PATTERN, ID_PATTERN

GenerationId = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=f"^{GENERATION_ID_PATTERN}$"),
    Field(description="Id of a generation, as a creating tool or the list gave it."),
]
FileId = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=f"^{ID_PATTERN}$"),
    Field(description="Id of a file, as upload_file gave it."),
]
Url = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^https?://[^\s/]\S*$", max_length=4096),
]
# The length is checked by the rules of `luma`, which explain it; here it is only announced.
Prompt = Annotated[
    str,
    Field(
        description="What to show, in plain words: subject, action, place, light, camera. "
        f"{MIN_PROMPT} to {MAX_PROMPT:,} characters; {agents_limits.MIN_PROMPT} to "
        f"{agents_limits.MAX_PROMPT:,} with ray-3.2, uni-1 and uni-1-max.",
        json_schema_extra={
            "minLength": agents_limits.MIN_PROMPT,
            "maxLength": agents_limits.MAX_PROMPT,
        },
    ),
]
CallbackUrl = Annotated[
    Url | None,
    Field(
        description="Public URL that Luma POSTs the generation to at each change of state; not "
        "with ray-3.2 and uni."
    ),
]
MediaUrl = Annotated[
    Url, Field(description="Public URL of the source file; Luma fetches it, this server does not.")
]
OptionalMediaUrl = Annotated[MediaUrl | None, Field(description="Public URL of the source video.")]


MAX_WAIT_SECONDS = 600
WaitSeconds = Annotated[
    int,
    Field(
        ge=0,
        le=MAX_WAIT_SECONDS,
        description="How long to stay for the result; many clients allow 60.",
    ),
]


class Keyframe(BaseModel):
    """A frame to start from or to end on: a picture by url or file_id, or a finished clip by id."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["image", "generation"]
    url: Url | None = Field(default=None, description="Public picture URL, for type image.")
    file_id: FileId | None = Field(
        default=None, description="An uploaded picture instead, for type image with ray-3.2."
    )
    id: GenerationId | None = Field(
        default=None, description="Id of a completed video generation, for type generation."
    )


class Keyframes(BaseModel):
    """What the clip starts from (frame0) and ends on (frame1)."""

    model_config = ConfigDict(extra="forbid")

    frame0: Keyframe | None = Field(
        default=None, description="Start: a picture, or a generation to extend forward."
    )
    frame1: Keyframe | None = Field(
        default=None, description="End: a picture, or a generation to lead up to."
    )


def _source_in_a_word(value: object) -> object:
    """Take a bare URL or id for the member that it is."""
    if not isinstance(value, str):
        return value
    return {"url" if "://" in value else "generation_id": value}


class Reference(BaseModel):
    """One picture or video: exactly one of url, generation_id and file_id."""

    model_config = ConfigDict(extra="forbid")

    url: Url | None = Field(default=None, description="Public https URL; Luma fetches it.")
    generation_id: GenerationId | None = Field(
        default=None, description="An earlier result of the Agents API (agents:…)."
    )
    file_id: FileId | None = Field(default=None, description="An uploaded file.")


Source = Annotated[Reference, BeforeValidator(_source_in_a_word)]
# A source has at most 30 s; how many frames a second is not said.
MAX_INDEX = 10_000


class IndexedKeyframe(Reference):
    """A picture at one frame of the clip."""

    index: int = Field(
        ge=0,
        le=MAX_INDEX,
        description="Frame number: 24 a second in a new clip, up to 120 (5s) or 240 (10s); in an "
        "edit as in its source.",
    )


class WeightedImage(luma.WeightedImage):
    """A reference picture and how much it counts."""

    url: Url = Field(description="Public URL of the picture.")
    weight: float | None = Field(default=None, ge=0, le=1, description="Influence, 0 to 1.")


class _ImageReference(Reference):
    """A reference picture; photon takes url and weight, uni any of the three without weight."""

    weight: float | None = Field(
        default=None, ge=0, le=1, description="Influence, 0 to 1; photon only."
    )


ImageReference = Annotated[_ImageReference, BeforeValidator(_source_in_a_word)]


class CharacterImages(luma.CharacterImages):
    """Pictures of one person."""

    images: list[Url] = Field(
        min_length=1, max_length=4, fail_fast=True, description="1 to 4 picture URLs."
    )


class CharacterRef(luma.CharacterRef):
    """The person to keep recognisable."""

    identity0: CharacterImages


def _concept_key(value: object) -> object:
    """Accept Luma's own form {"key": "dolly_zoom"} as well as the bare word."""
    if isinstance(value, dict) and set(value) == {"key"}:
        return value["key"]
    return value


ConceptKey = Annotated[str, BeforeValidator(_concept_key), StringConstraints(min_length=1)]

ImageFormat = Annotated[
    Literal["jpg", "jpeg", "png"] | None, Field(description="File format; jpg is jpeg.")
]
Style = Annotated[agents.Style | None, Field(description="uni only.")]
WebSearch = Annotated[bool | None, Field(description="uni only: look things up on the web first.")]
Hdr = Annotated[
    bool | None, Field(description="ray-3.2 only, at 720p or 1080p: high dynamic range.")
]
ExrExport = Annotated[bool | None, Field(description="With hdr: an EXR beside the MP4.")]
SourceGeneration = Annotated[
    GenerationId | None, Field(description="Instead of media_url: a result of ray-3.2 (agents:…).")
]
SourceFile = Annotated[
    FileId | None, Field(description="Instead of media_url, with ray-3.2: an uploaded video.")
]
SourceSeconds = Annotated[
    float | None,
    Field(gt=0, le=3600, description="Length of the source, if known; for the price, not sent."),
]
SourceResolution = Annotated[
    luma.Resolution | None,
    Field(description="That of the source, if known; for the price of ray-2, not sent."),
]
IndexedKeyframes = Annotated[
    list[IndexedKeyframe] | None,
    Field(
        max_length=agents_limits.MAX_KEYFRAMES,
        fail_fast=True,
        description="ray-3.2 only: pictures at frames of the clip; instead of other frames.",
    ),
]
FirstFrameUrl = Annotated[
    Url | None, Field(description="Public URL of an edited first frame that guides the result.")
]
OptionalPrompt = Annotated[Prompt | None, Field(description="What to change or add, in words.")]
ReframePrompt = Annotated[Prompt | None, Field(description="What the new area should show.")]
GridX = Annotated[
    int | None, Field(description="Left edge of the source in the new canvas, in pixels.")
]
GridY = Annotated[
    int | None, Field(description="Top edge of the source in the new canvas, in pixels.")
]
CropLeft = Annotated[int | None, Field(ge=0, description="Left crop bound, in pixels.")]
CropRight = Annotated[int | None, Field(ge=0, description="Right crop bound, in pixels.")]
CropTop = Annotated[int | None, Field(ge=0, description="Top crop bound, in pixels.")]
CropBottom = Annotated[int | None, Field(ge=0, description="Bottom crop bound, in pixels.")]
ResizedSide = Annotated[
    int | None, Field(ge=1, description="Size of the source before it is placed, in pixels.")
]
