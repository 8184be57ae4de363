"""Tools that make videos."""

from typing import Annotated, Literal

from pydantic import Field

from luma_mcp.errors import InvalidRequest
from luma_mcp.luma import agents_models as agents
from luma_mcp.luma import dream_machine_models as luma
from luma_mcp.luma.dream_machine_rules import (
    MAX_PROMPT,
    check_create_video,
    check_modify_video,
    check_prompt,
    check_reframe,
)
from luma_mcp.luma.ids import checked_id
from luma_mcp.tools.creating import Draft, creates, to_agents
from luma_mcp.tools.parameters import (
    CallbackUrl,
    ConceptKey,
    CropBottom,
    CropLeft,
    CropRight,
    CropTop,
    ExrExport,
    FirstFrameUrl,
    GenerationId,
    GridX,
    GridY,
    Hdr,
    IndexedKeyframes,
    Keyframes,
    OptionalMediaUrl,
    OptionalPrompt,
    Prompt,
    ReframePrompt,
    ResizedSide,
    SourceFile,
    SourceGeneration,
    SourceResolution,
    SourceSeconds,
)
from luma_mcp.tools.requests import (
    REFRAME_PROMPT,
    anchor_request,
    indexes_of,
    keyframes_request,
    media_request,
    optional_media,
    references_request,
    video_request,
)

RAY_3 = "ray-3.2"
VideoModel = Literal["ray-2", "ray-flash-2", "ray-3.2"]
Resolution = Literal["360p", "540p", "720p", "1080p", "4k"]


def _needed(prompt: str | None) -> str:
    """The Agents API wants a prompt in every request (SDK luma-agents 0.5)."""
    if not prompt:
        raise InvalidRequest(
            "Prompt is required.", advice="ray-3.2 needs a prompt: say what to show or to change."
        )
    return prompt


@creates(title="Create a video", toolset="videos")
def create_generation(
    prompt: Prompt | None = None,
    model: Annotated[
        VideoModel,
        Field(
            description="ray-2; ray-flash-2 is faster and cheaper; ray-3.2 is the newest, with a "
            "key for Luma's Agents API."
        ),
    ] = "ray-2",
    aspect_ratio: Annotated[
        luma.AspectRatio | None, Field(description="Width to height; 9:21 not with ray-3.2.")
    ] = None,
    resolution: Annotated[
        Resolution | None,
        Field(
            description="Sharper costs more. 360p with ray-3.2 only, which takes 720p by itself; "
            "4k with the others only."
        ),
    ] = None,
    duration: Annotated[
        Literal["5s", "9s", "10s"] | None, Field(description="5s or 9s; 5s or 10s with ray-3.2.")
    ] = None,
    loop: Annotated[
        bool | None,
        Field(description="Let the end flow into the start; not together with frame1."),
    ] = None,
    hdr: Hdr = None,
    exr_export: ExrExport = None,
    keyframes: Annotated[
        Keyframes | None,
        Field(
            description='Start and end, such as {"frame0": {"type": "image", "url": "https://…"}}; '
            'type "generation" with an id extends a finished clip.'
        ),
    ] = None,
    indexed_keyframes: IndexedKeyframes = None,
    concepts: Annotated[
        list[ConceptKey] | None,
        Field(
            max_length=50,
            fail_fast=True,
            description="Camera motions and styles by key, not with ray-3.2; see list_concepts.",
        ),
    ] = None,
    callback_url: CallbackUrl = None,
) -> Draft:
    """Start a video from a prompt, pictures or earlier clips; costs credits.

    Use it for text to video, for animating a picture (frame0), for a transition between two
    pictures (frame0 and frame1), and for extending a clip (a generation as frame0). A prompt is
    needed unless a picture is given; ray-3.2 always needs one. Answers at once (unless wait_seconds
    is given) with the id of the job, which usually takes minutes; follow it with
    wait_for_generation.
    """
    if model == RAY_3:
        return to_agents(
            "video",
            model=model,
            prompt=_needed(prompt),
            aspect_ratio=aspect_ratio,
            video={
                "resolution": resolution,
                "duration": duration,
                "loop": loop,
                "hdr": hdr,
                "exr_export": exr_export,
                "start_frame": anchor_request("frame0", keyframes),
                "end_frame": anchor_request("frame1", keyframes),
                "keyframes": references_request("indexed_keyframes", indexed_keyframes),
                "keyframe_indexes": indexes_of(indexed_keyframes),
            },
        )
    request = luma.CreateVideo(
        prompt=prompt,
        model=model,
        aspect_ratio=aspect_ratio,
        resolution=resolution,
        duration=duration,
        loop=loop,
        keyframes=keyframes_request(keyframes),
        concepts=[luma.Concept(key=key) for key in concepts] if concepts else None,
        callback_url=callback_url,
    )
    check_create_video(request)
    return Draft(request, lambda caller, body: caller.dream_machine.create_video(body))


@creates(title="Restyle a video", toolset="videos")
def modify_video(
    media_url: OptionalMediaUrl = None,
    mode: Annotated[
        luma.ModifyMode | None,
        Field(
            description="How far to go: adhere keeps closest to the source, flex keeps its "
            "shapes, reimagine is the loosest; a higher digit is stronger. Needed, except with "
            "ray-3.2."
        ),
    ] = None,
    model: Annotated[
        VideoModel,
        Field(
            description="Source up to 10 s and 100 MB with ray-2, 15 s and 100 MB with "
            "ray-flash-2, 18 s and 200 MB with ray-3.2."
        ),
    ] = "ray-2",
    prompt: OptionalPrompt = None,
    generation_id: SourceGeneration = None,
    file_id: SourceFile = None,
    first_frame_url: FirstFrameUrl = None,
    auto_controls: Annotated[
        bool | None,
        Field(description="ray-3.2 only: it decides what to keep; without mode and controls."),
    ] = None,
    controls: Annotated[
        agents.Controls | None, Field(description="ray-3.2 only: what to keep of the source.")
    ] = None,
    indexed_keyframes: IndexedKeyframes = None,
    resolution: Annotated[
        agents.VideoResolution | None,
        Field(
            description="ray-3.2 only, which takes 720p by itself; the others take the source's."
        ),
    ] = None,
    hdr: Hdr = None,
    exr_export: ExrExport = None,
    source_seconds: SourceSeconds = None,  # noqa: ARG001 - the price depends on it alone
    source_resolution: SourceResolution = None,  # noqa: ARG001 - likewise
    callback_url: CallbackUrl = None,
) -> Draft:
    """Change the style or content of an existing video; costs credits.

    Length and ratio stay those of the source. With ray-3.2 a prompt is needed, mode is not, and
    the source may also be a generation or a file. Answers at once (unless wait_seconds is given)
    with the id of a new job; follow it with wait_for_generation.
    """
    if model == RAY_3:
        return to_agents(
            "video_edit",
            model=model,
            prompt=_needed(prompt),
            source=video_request(media_url, generation_id, file_id),
            video={
                "resolution": resolution,
                "hdr": hdr,
                "exr_export": exr_export,
                "start_frame": {"url": first_frame_url} if first_frame_url else None,
                "edit": {
                    "auto_controls": auto_controls,
                    "strength": mode,
                    "controls": controls,
                    "keyframes": references_request("indexed_keyframes", indexed_keyframes),
                    "keyframe_indexes": indexes_of(indexed_keyframes),
                },
            },
        )
    if mode is None:
        raise InvalidRequest(
            f"mode is required with {model}.", advice="Choose one, such as flex_1."
        )
    request = luma.ModifyVideo(
        media=media_request(media_url),
        mode=mode,
        model=model,
        prompt=prompt,
        first_frame=optional_media(first_frame_url),
        callback_url=callback_url,
    )
    check_modify_video(request)
    return Draft(request, lambda caller, body: caller.dream_machine.modify_video(body))


@creates(title="Reframe a video", toolset="videos")
def reframe_video(
    aspect_ratio: Annotated[
        luma.AspectRatio, Field(description="The new ratio; 9:21 not with ray-3.2.")
    ],
    media_url: OptionalMediaUrl = None,
    model: Annotated[
        VideoModel,
        Field(
            description="Source up to 10 s and 100 MB with ray-2, 30 s and 100 MB with "
            "ray-flash-2, 30 s and 200 MB with ray-3.2."
        ),
    ] = "ray-2",
    prompt: ReframePrompt = None,
    generation_id: SourceGeneration = None,
    file_id: SourceFile = None,
    first_frame_url: Annotated[
        FirstFrameUrl, Field(description="Public URL of an edited first frame; not with ray-3.2.")
    ] = None,
    grid_position_x: GridX = None,
    grid_position_y: GridY = None,
    x_start: CropLeft = None,
    x_end: CropRight = None,
    y_start: CropTop = None,
    y_end: CropBottom = None,
    resized_width: ResizedSide = None,
    resized_height: ResizedSide = None,
    resolution: Annotated[
        agents.VideoResolution | None, Field(description="ray-3.2 only; 720p by itself.")
    ] = None,
    source_position: Annotated[
        agents.SourcePosition | None,
        Field(
            description="ray-3.2 only: where the source sits, in fractions of the new canvas; in "
            "the middle by itself."
        ),
    ] = None,
    source_seconds: SourceSeconds = None,  # noqa: ARG001 - the price depends on it alone
    source_resolution: SourceResolution = None,  # noqa: ARG001 - likewise
    callback_url: CallbackUrl = None,
) -> Draft:
    """Give a video another aspect ratio; the new area is filled in. Costs credits.

    With ray-2 the numbers count in a new canvas of 1536x1536 (1:1), 1792x1344 (4:3), 2048x1152
    (16:9) or 2432x1024 pixels (21:9); for upright ratios the sides change places. With ray-3.2 the
    source may also be a generation or a file. Answers at once (unless wait_seconds is given) with
    the id of a new job; follow it with wait_for_generation.
    """
    if model == RAY_3:
        return to_agents(
            "video_reframe",
            model=model,
            prompt=prompt or REFRAME_PROMPT,
            aspect_ratio=aspect_ratio,
            source=video_request(media_url, generation_id, file_id),
            video={"resolution": resolution, "source_position": source_position},
        )
    request = luma.ReframeVideo(
        media=media_request(media_url),
        aspect_ratio=aspect_ratio,
        model=model,
        prompt=prompt,
        first_frame=optional_media(first_frame_url),
        grid_position_x=grid_position_x,
        grid_position_y=grid_position_y,
        x_start=x_start,
        x_end=x_end,
        y_start=y_start,
        y_end=y_end,
        resized_width=resized_width,
        resized_height=resized_height,
        callback_url=callback_url,
    )
    check_reframe(request)
    return Draft(request, lambda caller, body: caller.dream_machine.reframe_video(body))


@creates(title="Upscale a video", toolset="videos")
def upscale_generation(
    generation_id: GenerationId,
    resolution: Annotated[
        Literal["720p", "1080p", "4k"], Field(description="Larger than the clip has now.")
    ],
    callback_url: CallbackUrl = None,
) -> Draft:
    """Make a completed video of ray-2 or ray-flash-2 sharper; costs credits.

    Answers at once (unless wait_seconds is given) with a job of its own: follow the id in the
    answer, not that of the source, with wait_for_generation.
    """
    bare = checked_id(generation_id)
    request = luma.Upscale(resolution=resolution, callback_url=callback_url)
    return Draft(request, lambda caller, body: caller.dream_machine.upscale(bare, body))


@creates(title="Add sound to a video", toolset="videos")
def add_audio(
    generation_id: GenerationId,
    prompt: Annotated[Prompt, Field(description="What to hear.")],
    negative_prompt: Annotated[
        str | None, Field(max_length=MAX_PROMPT, description="What not to hear.")
    ] = None,
    callback_url: CallbackUrl = None,
) -> Draft:
    """Add a soundtrack, described in words, to a video of ray-2 or ray-flash-2; costs credits.

    Answers at once (unless wait_seconds is given) with a job of its own: follow the id in the
    answer, not that of the source, with wait_for_generation.
    """
    check_prompt(prompt)
    bare = checked_id(generation_id)
    request = luma.AddAudio(
        prompt=prompt, negative_prompt=negative_prompt, callback_url=callback_url
    )
    return Draft(request, lambda caller, body: caller.dream_machine.add_audio(bare, body))
