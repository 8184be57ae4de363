"""The bodies of Dream Machine's requests, field by field (Dream Machine OpenAPI 1.1.0).

Dumping a body gives the `request` that a generation echoes: defaults filled in and members that
were not sent as null, as in the sample of docs.lumalabs.ai/docs/image-generation.
"""

from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field
from pydantic_core import ErrorDetails

from luma_mcp.sandbox import reading

AspectRatio = Literal["1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21"]
# The specification names four resolutions and two durations and then allows any string. What else
# Luma takes is not published; its prose writes "1080" once.
Resolution = Literal["540p", "720p", "1080p", "4k", "540", "720", "1080"]
Duration = Literal["5s", "9s"]
Mode = Literal[
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
MAX_IMAGES = 4
B = TypeVar("B", bound="Body")


def _require_web_address(text: str) -> str:
    reading.parse_web_address(text)
    return text


Url = Annotated[str, AfterValidator(_require_web_address)]
Weight = Annotated[float, Field(ge=0, le=1)]
# No bounds are published; these only keep numbers printable.
Pixels = Annotated[int, Field(ge=-100_000, le=100_000)]


class ImageKeyframe(reading.Part):
    """A keyframe that is a picture."""

    type: Literal["image"]
    url: Url


class GenerationKeyframe(reading.Part):
    """A keyframe that is an earlier clip."""

    type: Literal["generation"]
    id: str


Keyframe = Annotated[ImageKeyframe | GenerationKeyframe, Field(discriminator="type")]


class Keyframes(reading.Part):
    """Where a clip begins and ends."""

    frame0: Keyframe | None = None
    frame1: Keyframe | None = None


class Concept(reading.Part):
    """A camera concept by its key."""

    key: str


class ImageReference(reading.Part):
    """A picture to go by, and how closely."""

    url: Url | None = None
    weight: Weight | None = None


class Identity(reading.Part):
    """Pictures of one character."""

    images: Annotated[list[Url], Field(min_length=1, max_length=MAX_IMAGES)]


class CharacterReference(reading.Part):
    """The characters of a picture."""

    identity0: Identity


class Media(reading.Part):
    """A file by its address."""

    url: Url


class Body(reading.Part):
    """What every request may carry."""

    callback_url: Url | None = None


class VideoBody(Body):
    """POST /generations/video, and its older form POST /generations."""

    generation_type: Literal["video"] = "video"
    model: Literal["ray-1-6", "ray-2", "ray-flash-2"] = "ray-1-6"
    prompt: str | None = None
    aspect_ratio: AspectRatio = "16:9"
    loop: bool | None = None
    keyframes: Keyframes | None = None
    resolution: Resolution | None = None
    duration: Duration | None = None
    concepts: list[Concept] | None = None


class ImageBody(Body):
    """POST /generations/image."""

    generation_type: Literal["image"] = "image"
    model: Literal["photon-1", "photon-flash-1"] = "photon-1"
    prompt: str | None = None
    aspect_ratio: AspectRatio = "16:9"
    format: Literal["jpg", "png"] = "jpg"
    image_ref: Annotated[list[ImageReference], Field(max_length=MAX_IMAGES)] | None = None
    style_ref: Annotated[list[ImageReference], Field(max_length=MAX_IMAGES)] | None = None
    character_ref: CharacterReference | None = None
    modify_image_ref: ImageReference | None = None
    sync: bool = False
    sync_timeout: Annotated[float, Field(ge=0)] = 60


class _Reframe(Body):
    media: Media
    aspect_ratio: AspectRatio
    prompt: str = ""
    grid_position_x: Pixels | None = None
    grid_position_y: Pixels | None = None
    x_start: Pixels | None = None
    x_end: Pixels | None = None
    y_start: Pixels | None = None
    y_end: Pixels | None = None
    resized_width: Pixels | None = None
    resized_height: Pixels | None = None


class ReframeImageBody(_Reframe):
    """POST /generations/image/reframe."""

    generation_type: Literal["reframe_image"] = "reframe_image"
    model: Literal["photon-1", "photon-flash-1"]
    format: Literal["jpg", "png"] = "jpg"


class ReframeVideoBody(_Reframe):
    """POST /generations/video/reframe."""

    generation_type: Literal["reframe_video"] = "reframe_video"
    model: Literal["ray-2", "ray-flash-2"]
    first_frame: Media | None = None


class ModifyVideoBody(Body):
    """POST /generations/video/modify; docs.lumalabs.ai prices ray-flash-2 too."""

    generation_type: Literal["modify_video"] = "modify_video"
    model: Literal["ray-2", "ray-flash-2"]
    mode: Mode
    media: Media
    first_frame: Media | None = None
    prompt: str | None = None


class UpscaleBody(Body):
    """POST /generations/{id}/upscale."""

    generation_type: Literal["upscale_video"] = "upscale_video"
    resolution: Resolution | None = None


class AudioBody(Body):
    """POST /generations/{id}/audio."""

    generation_type: Literal["add_audio"] = "add_audio"
    prompt: str | None = None
    negative_prompt: str | None = None


def parse_body(raw: bytes, shape: type[B]) -> B:
    """Read a request's body.

    Raises:
        HTTPException: 400, with a text that names the field that is wrong.
    """
    return reading.parse_body(raw, shape, 400, _describe)


def _describe(error: ErrorDetails) -> str:
    if error["type"] == "union_tag_invalid" or error["loc"] == ("generation_type",):
        return "Unknown request type"
    return reading.describe_error(error)
