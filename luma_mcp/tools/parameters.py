"""The parameters that tools share: their types, ranges and what a model reads about them."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from luma_mcp.luma import dream_machine_models as luma
from luma_mcp.luma.dream_machine_rules import MAX_PROMPT, MIN_PROMPT
from luma_mcp.luma.ids import ID_PATTERN

GenerationId = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=f"^{ID_PATTERN}$"),
    Field(description="Id of a generation (a UUID), as a creating tool or the list gave it."),
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
        f"{MIN_PROMPT} to {MAX_PROMPT:,} characters.",
        json_schema_extra={"minLength": MIN_PROMPT, "maxLength": MAX_PROMPT},
    ),
]
CallbackUrl = Annotated[
    Url | None,
    Field(description="Public URL that Luma POSTs the generation to at each change of state."),
]
MediaUrl = Annotated[
    Url, Field(description="Public URL of the source file; Luma fetches it, this server does not.")
]


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
    """A frame to start from or to end on: a picture by url, or a finished clip by id."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["image", "generation"]
    url: Url | None = Field(default=None, description="Public picture URL, for type image.")
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


class WeightedImage(luma.WeightedImage):
    """A reference picture and how much it counts."""

    url: Url = Field(description="Public URL of the picture.")
    weight: float | None = Field(default=None, ge=0, le=1, description="Influence, 0 to 1.")


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

OptionalDuration = Annotated[luma.Duration | None, Field(description="Length of the clip.")]
OptionalRatio = Annotated[
    luma.AspectRatio | None, Field(description="Width to height; Luma's default is 16:9.")
]
OptionalResolution = Annotated[
    luma.Resolution | None, Field(description="Sharper costs more: 4k is 16 times 540p.")
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
