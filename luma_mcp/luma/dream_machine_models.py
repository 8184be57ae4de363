"""What the Dream Machine API takes and gives: OpenAPI 1.1.0 of lumalabs/lumaai-api, field by field.

Requests are strict about names; unset members are not sent, so that Luma's own defaults apply.
Answers are lenient: no member is required there, any may be null, unknown ones are kept.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat

from luma_mcp.luma.apis import DREAM_MACHINE
from luma_mcp.luma.bodies import Reply, Request
from luma_mcp.luma.failures import failure_of_dream_machine
from luma_mcp.luma.jobs import Assets as JobAssets
from luma_mcp.luma.jobs import Job

AspectRatio = Literal["1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21"]
VideoModel = Literal["ray-2", "ray-flash-2"]
ImageModel = Literal["photon-1", "photon-flash-1"]
Resolution = Literal["540p", "720p", "1080p", "4k"]
Duration = Literal["5s", "9s"]
ImageFormat = Literal["jpg", "png"]
ModifyMode = Literal[
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


class ImageKeyframe(Request):
    """A picture as first or last frame."""

    type: Literal["image"] = "image"
    url: str


class GenerationKeyframe(Request):
    """A completed clip to go on from, or to lead up to."""

    type: Literal["generation"] = "generation"
    id: str


Keyframe = Annotated[ImageKeyframe | GenerationKeyframe, Field(discriminator="type")]


class Keyframes(Request):
    """What stands at the start (frame0) and at the end (frame1) of the clip."""

    frame0: Keyframe | None = None
    frame1: Keyframe | None = None


class Concept(Request):
    """A camera motion or style by its key, as GET /generations/concepts/list gives it."""

    key: str


class Media(Request):
    """A video or picture by its public URL."""

    url: str


class WeightedImage(Request):
    """A reference picture; weight runs from 0 to 1."""

    url: str
    weight: float | None = None


class CharacterImages(Request):
    """One to four pictures of one person."""

    images: list[str]


class CharacterRef(Request):
    """The persons to keep; the API models one identity."""

    identity0: CharacterImages


class Creation(Request):
    """Base of the bodies that create a job; Luma POSTs to callback_url how it goes on."""

    callback_url: str | None = None


class CreateVideo(Creation):
    """POST /generations/video, and its legacy alias POST /generations."""

    generation_type: Literal["video"] = "video"
    model: VideoModel
    prompt: str | None = None
    aspect_ratio: AspectRatio | None = None
    loop: bool | None = None
    keyframes: Keyframes | None = None
    resolution: str | None = None
    duration: str | None = None
    concepts: list[Concept] | None = None


class CreateImage(Creation):
    """POST /generations/image."""

    generation_type: Literal["image"] = "image"
    model: ImageModel
    prompt: str
    aspect_ratio: AspectRatio | None = None
    format: ImageFormat | None = None
    image_ref: list[WeightedImage] | None = None
    style_ref: list[WeightedImage] | None = None
    character_ref: CharacterRef | None = None
    modify_image_ref: WeightedImage | None = None


class Placement(Creation):
    """Where the source sits in the new canvas, in pixels."""

    grid_position_x: int | None = None
    grid_position_y: int | None = None
    x_start: int | None = None
    x_end: int | None = None
    y_start: int | None = None
    y_end: int | None = None
    resized_width: int | None = None
    resized_height: int | None = None


class ReframeImage(Placement):
    """POST /generations/image/reframe."""

    generation_type: Literal["reframe_image"] = "reframe_image"
    media: Media
    aspect_ratio: AspectRatio
    model: ImageModel
    prompt: str | None = None
    format: ImageFormat | None = None


class ReframeVideo(Placement):
    """POST /generations/video/reframe."""

    generation_type: Literal["reframe_video"] = "reframe_video"
    media: Media
    aspect_ratio: AspectRatio
    model: VideoModel
    prompt: str | None = None
    first_frame: Media | None = None


class ModifyVideo(Creation):
    """POST /generations/video/modify."""

    generation_type: Literal["modify_video"] = "modify_video"
    media: Media
    model: VideoModel
    mode: ModifyMode
    prompt: str | None = None
    first_frame: Media | None = None


class Upscale(Creation):
    """POST /generations/{id}/upscale."""

    generation_type: Literal["upscale_video"] = "upscale_video"
    resolution: str


class AddAudio(Creation):
    """POST /generations/{id}/audio."""

    generation_type: Literal["add_audio"] = "add_audio"
    prompt: str
    negative_prompt: str | None = None


class Assets(Reply):
    """Links to what was made; null until the job is done."""

    video: str | None = None
    image: str | None = None
    progress_video: str | None = None

    def to_assets(self) -> JobAssets | None:
        """Give the links; None if there are none yet."""
        if not (self.video or self.image or self.progress_video):
            return None
        return JobAssets(video=self.video, image=self.image, progress_video=self.progress_video)


class Generation(Reply):
    """A job and, once it is completed, what it made."""

    id: str | None = None
    generation_type: str | None = None
    state: str | None = None
    failure_reason: str | None = None
    created_at: str | None = None
    assets: Assets | None = None
    model: str | None = None
    request: dict[str, Any] | None = None

    def to_job(self) -> Job:
        """Give the job that this tells of."""
        failed = self.state == "failed"
        return Job(
            api=DREAM_MACHINE.name,
            id=self.id,
            type=self._finest_type,
            state=self.state,
            model=self.model,
            created_at=self.created_at,
            prompt=self._echo("prompt"),
            callback_url=self._echo("callback_url"),
            assets=self.assets.to_assets() if self.assets else None,
            failure=failure_of_dream_machine(self.failure_reason) if failed else None,
        )

    @property
    def _finest_type(self) -> str | None:
        """What the job makes; the request's echo is finer than the job's own type."""
        return self._echo("generation_type") or self.generation_type

    def _echo(self, member: str) -> str | None:
        """Read a text of the request that Luma repeats."""
        value = (self.request or {}).get(member)
        return value if isinstance(value, str) and value else None


class GenerationList(Reply):
    """One page of the caller's generations."""

    generations: list[Generation]
    has_more: bool | None = None
    count: int | None = None
    limit: int | None = None
    offset: int | None = None


class Credits(Reply):
    """The balance of the API account, in US cents."""

    credit_balance: FiniteFloat


class Pong(Reply):
    """The answer of GET /ping."""

    message: str | None = None
