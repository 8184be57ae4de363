"""What the Agents API takes and gives: as Luma's SDK has it (luma-agents 0.5), field by field.

Left out are user_id, of which this server knows nothing, and media inline in base64, which would
have to pass through a model's context; small files are uploaded instead.

Requests are strict about names; unset members are not sent, so that Luma's own defaults apply.
Answers are lenient: their members may be missing or null, unknown ones are kept.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field

from luma_mcp.luma.apis import AGENTS
from luma_mcp.luma.bodies import Reply, Request
from luma_mcp.luma.dream_machine_models import ModifyMode
from luma_mcp.luma.failures import failure_of_agents
from luma_mcp.luma.jobs import Assets, Job

ImageModel = Literal["uni-1", "uni-1-max"]
VideoModel = Literal["ray-3.2"]
Model = Literal[ImageModel, VideoModel]
Type = Literal["image", "image_edit", "video", "video_edit", "video_reframe", "layering"]
ImageRatio = Literal["3:1", "2:1", "16:9", "3:2", "1:1", "2:3", "9:16", "1:2", "1:3"]
VideoRatio = Literal["9:16", "3:4", "1:1", "4:3", "16:9", "21:9"]
AspectRatio = Literal[ImageRatio, VideoRatio]
Style = Literal["auto", "manga"]
OutputFormat = Literal["png", "jpeg"]
LayerResolution = Literal["1k", "2k"]
VideoResolution = Literal["360p", "540p", "720p", "1080p"]
VideoDuration = Literal["5s", "10s"]
Strength = ModifyMode
PoseStrength = Literal["precise", "coarse"]
FilePurpose = Literal["input", "reference"]
FileState = Literal["pending", "ready", "failed", "deleted"]

FINAL_FILE_STATES = frozenset({"ready", "failed", "deleted"})

_Share = Annotated[float, Field(ge=0, le=1)]
_Options = TypeVar("_Options", bound=Request | None)


def _none_if_empty(options: _Options) -> _Options | None:
    return options if options is not None and options.model_dump(exclude_none=True) else None


# Options of which none is set are not sent, not even as an empty object.
_UNLESS_EMPTY = AfterValidator(_none_if_empty)


class ImageRef(Request):
    """A picture or clip: by its public URL, by the job that made it, or by its file."""

    url: str | None = None
    generation_id: str | None = None
    file_id: str | None = None
    media_type: str | None = None


class SourcePosition(Request):
    """Where the source lies in the new canvas, which it may overlap, in fractions of the canvas."""

    x_norm: float = Field(ge=-2, le=2, description="Its left edge.")
    y_norm: float = Field(ge=-2, le=2, description="Its upper edge.")
    w_norm: float = Field(gt=0, le=2, description="Its width.")
    h_norm: float = Field(gt=0, le=2, description="Its height.")


class DepthControl(Request):
    """Hold on to the depth of the scene; more blur leaves more freedom."""

    enabled: bool | None = None
    blur: _Share | None = None


class FaceControl(Request):
    """Hold on to faces."""

    enabled: bool | None = None


class NormalsControl(Request):
    """Hold on to surfaces; more augmentation leaves more freedom."""

    enabled: bool | None = None
    augmentation: _Share | None = None


class PoseControl(Request):
    """Hold on to poses."""

    enabled: bool | None = None
    strength: PoseStrength | None = None


class TrajectoryControl(Request):
    """Hold on to motion; more sparsity leaves more freedom."""

    enabled: bool | None = None
    sparsity: _Share | None = None


class Controls(Request):
    """What an edit holds on to, signal by signal."""

    depth: Annotated[DepthControl | None, _UNLESS_EMPTY] = None
    face: Annotated[FaceControl | None, _UNLESS_EMPTY] = None
    normals: Annotated[NormalsControl | None, _UNLESS_EMPTY] = None
    pose: Annotated[PoseControl | None, _UNLESS_EMPTY] = None
    trajectory: Annotated[TrajectoryControl | None, _UNLESS_EMPTY] = None


class VideoEdit(Request):
    """How an edit treats its source; guide frames count in frames of the source."""

    auto_controls: bool | None = None
    strength: Strength | None = None
    controls: Annotated[Controls | None, _UNLESS_EMPTY] = None
    keyframes: list[ImageRef] | None = None
    keyframe_indexes: list[int] | None = None


class VideoOptions(Request):
    """What there is to set about a video; guide frames count in frames of the result."""

    resolution: VideoResolution | None = None
    duration: VideoDuration | None = None
    loop: bool | None = None
    hdr: bool | None = None
    exr_export: bool | None = None
    start_frame: ImageRef | None = None
    end_frame: ImageRef | None = None
    keyframes: list[ImageRef] | None = None
    keyframe_indexes: list[int] | None = None
    source_position: SourcePosition | None = None
    edit: Annotated[VideoEdit | None, _UNLESS_EMPTY] = None


class Layering(Request):
    """How large the layers become."""

    resolution: LayerResolution | None = None


class CreateGeneration(Request):
    """POST /generations."""

    prompt: str
    model: Model
    type: Type
    aspect_ratio: AspectRatio | None = None
    style: Style | None = None
    output_format: OutputFormat | None = None
    image_ref: list[ImageRef] | None = None
    source: ImageRef | None = None
    layering: Annotated[Layering | None, _UNLESS_EMPTY] = None
    video: Annotated[VideoOptions | None, _UNLESS_EMPTY] = None
    web_search: bool | None = None


class CreateFile(Request):
    """POST /files, for bytes that are sent to a link of their own; expires_at is ISO 8601."""

    mime_type: str
    size_bytes: int
    filename: str | None = None
    purpose: FilePurpose | None = None
    expires_at: str | None = None


class Layer(Reply):
    """What one layer shows; index counts from the front."""

    index: int | None = None
    label: str | None = None
    description: str | None = None
    alpha_hint: str | None = None


class Output(Reply):
    """One thing that a job made; the link is good for an hour."""

    type: str | None = None
    url: str | None = None
    layer: Layer | None = None

    def to_layer(self) -> dict[str, Any]:
        """Give the link and all that Luma says of the layer."""
        said = self.layer.model_dump(exclude_none=True) if self.layer else {}
        # What a layer is called is what its own description calls it.
        rest = {name: one for name, one in self._unknown.items() if name not in Layer.model_fields}
        return {**rest, **said, "url": self.url}

    def to_other(self) -> dict[str, Any]:
        """Give the link and all that Luma says of an output of which we know nothing more."""
        return {**self._unknown, "type": self.type, "url": self.url}

    @property
    def _unknown(self) -> dict[str, Any]:
        return self.model_extra or {}


def _by_index(output: Output) -> tuple[bool, int]:
    index = output.layer.index if output.layer else None
    return index is None, index or 0


def _take(outputs: list[Output], kind: str) -> str | None:
    """Take the first output of a kind out of the list and give its link."""
    first = next((output for output in outputs if output.type == kind), None)
    if first is None:
        return None
    outputs.remove(first)
    return first.url


def _to_assets(outputs: Iterable[Output]) -> Assets | None:
    """Sort outputs by what they are; None if none has a link yet."""
    linked = [output for output in outputs if output.url]
    if not linked:
        return None
    layers = sorted((output for output in linked if output.layer), key=_by_index)
    rest = [output for output in linked if not output.layer]
    return Assets(
        video=_take(rest, "video"),
        image=_take(rest, "image"),
        layers=tuple(output.to_layer() for output in layers),
        others=tuple(output.to_other() for output in rest),
    )


class Generation(Reply):
    """A job and, once it is completed, what it made; the request is not repeated."""

    id: str | None = None
    type: str | None = None
    model: str | None = None
    state: str | None = None
    created_at: str | None = None
    output: list[Output] | None = None
    failure_reason: str | None = None
    failure_code: str | None = None

    def to_job(self) -> Job:
        """Give the job that this tells of."""
        failed = self.state == "failed"
        return Job(
            api=AGENTS.name,
            id=f"{AGENTS.id_prefix}{self.id.lower()}" if self.id else None,
            type=self.type,
            state=self.state,
            model=self.model,
            created_at=self.created_at,
            assets=_to_assets(self.output or ()),
            failure=failure_of_agents(self.failure_code, self.failure_reason) if failed else None,
        )


class File(Reply):
    """A file in the caller's store."""

    id: str | None = None
    created_at: str | None = None
    mime_type: str | None = None
    purpose: str | None = None
    size_bytes: int | None = None
    state: str | None = None
    filename: str | None = None
    expires_at: str | None = None
    deleted_at: str | None = None
    failure_reason: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether the state will not change any more, unless the file is deleted."""
        return self.state in FINAL_FILE_STATES


class PresignedUpload(Reply):
    """Where the bytes of a file go, with which headers, and until when."""

    url: str | None = None
    method: str | None = None
    headers: dict[str, str] | None = None
    expires_at: str | None = None


class CreatedFile(Reply):
    """The answer of POST /files; id and state repeat those of the file."""

    id: str | None = None
    state: str | None = None
    file: File | None = None
    upload: PresignedUpload | None = None


class FileList(Reply):
    """One page of the caller's files, newest first."""

    data: list[File]
    has_more: bool | None = None
    next_cursor: str | None = None
