"""Tools that make videos."""

from typing import Annotated, Literal

from fastmcp.tools import tool
from pydantic import Field

from luma_mcp.luma import dream_machine_models as luma
from luma_mcp.luma.dream_machine_rules import (
    MAX_PROMPT,
    check_create_video,
    check_modify_video,
    check_prompt,
    check_reframe,
)
from luma_mcp.services import Caller
from luma_mcp.tools.definition import CREATES
from luma_mcp.tools.parameters import (
    CallbackUrl,
    ConceptKey,
    CropBottom,
    CropLeft,
    CropRight,
    CropTop,
    FirstFrameUrl,
    GenerationId,
    GridX,
    GridY,
    Keyframes,
    MediaUrl,
    OptionalDuration,
    OptionalPrompt,
    OptionalRatio,
    OptionalResolution,
    Prompt,
    ReframePrompt,
    ResizedSide,
    WaitSeconds,
)
from luma_mcp.tools.requests import keyframes_request, optional_media
from luma_mcp.tools.results import Generation


@tool(title="Create a video", tags={"videos"}, annotations=CREATES)
async def create_generation(
    caller: Caller,
    prompt: Prompt | None = None,
    model: Annotated[
        luma.VideoModel, Field(description="ray-2 looks best; ray-flash-2 is faster and cheaper.")
    ] = "ray-2",
    aspect_ratio: OptionalRatio = None,
    resolution: OptionalResolution = None,
    duration: OptionalDuration = None,
    loop: Annotated[
        bool | None,
        Field(description="Let the end flow into the start; not together with frame1."),
    ] = None,
    keyframes: Annotated[
        Keyframes | None,
        Field(
            description='Start and end, such as {"frame0": {"type": "image", "url": "https://…"}}; '
            'type "generation" with an id extends a finished clip.'
        ),
    ] = None,
    concepts: Annotated[
        list[ConceptKey] | None,
        Field(
            max_length=50,
            fail_fast=True,
            description="Camera motions and styles by key; list_concepts shows them.",
        ),
    ] = None,
    callback_url: CallbackUrl = None,
    wait_seconds: WaitSeconds = 0,
) -> Generation:
    """Start a video from a prompt, pictures or earlier clips; costs credits.

    Use it for text to video, for animating a picture (frame0), for a transition between two
    pictures (frame0 and frame1), and for extending a clip (a generation as frame0). A prompt is
    needed unless a picture is given. Answers at once (unless wait_seconds is given) with the id of
    the job, which usually takes minutes; follow it with wait_for_generation.
    """
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
    job = await caller.dream_machine.create_video(request)
    return Generation.of(await caller.wait(job, wait_seconds))


@tool(title="Restyle a video", tags={"videos"}, annotations=CREATES)
async def modify_video(
    caller: Caller,
    media_url: MediaUrl,
    mode: Annotated[
        luma.ModifyMode,
        Field(
            description="How far to go: adhere keeps closest to the source, flex keeps its "
            "shapes, reimagine is the loosest; a higher digit is stronger."
        ),
    ],
    model: Annotated[
        luma.VideoModel,
        Field(description="Source up to 100 MB and, with ray-2, 10 s; with ray-flash-2, 15 s."),
    ] = "ray-2",
    prompt: OptionalPrompt = None,
    first_frame_url: FirstFrameUrl = None,
    callback_url: CallbackUrl = None,
    wait_seconds: WaitSeconds = 0,
) -> Generation:
    """Change the style or content of an existing video; costs credits.

    Length and ratio stay those of the source. Answers at once (unless wait_seconds is given) with
    the id of a new job; follow it with wait_for_generation.
    """
    request = luma.ModifyVideo(
        media=luma.Media(url=media_url),
        mode=mode,
        model=model,
        prompt=prompt,
        first_frame=optional_media(first_frame_url),
        callback_url=callback_url,
    )
    check_modify_video(request)
    job = await caller.dream_machine.modify_video(request)
    return Generation.of(await caller.wait(job, wait_seconds))


@tool(title="Reframe a video", tags={"videos"}, annotations=CREATES)
async def reframe_video(
    caller: Caller,
    media_url: MediaUrl,
    aspect_ratio: Annotated[luma.AspectRatio, Field(description="The new ratio.")],
    model: Annotated[
        luma.VideoModel,
        Field(description="Source up to 100 MB and, with ray-2, 10 s; with ray-flash-2, 30 s."),
    ] = "ray-2",
    prompt: ReframePrompt = None,
    first_frame_url: FirstFrameUrl = None,
    grid_position_x: GridX = None,
    grid_position_y: GridY = None,
    x_start: CropLeft = None,
    x_end: CropRight = None,
    y_start: CropTop = None,
    y_end: CropBottom = None,
    resized_width: ResizedSide = None,
    resized_height: ResizedSide = None,
    callback_url: CallbackUrl = None,
    wait_seconds: WaitSeconds = 0,
) -> Generation:
    """Give a video another aspect ratio; the new area is filled in. Costs credits.

    The new canvas, which the numbers count in, has 1536x1536 (1:1), 1792x1344 (4:3), 2048x1152
    (16:9) or 2432x1024 pixels (21:9); for upright ratios the sides change places. Answers at once
    (unless wait_seconds is given) with the id of a new job; follow it with wait_for_generation.
    """
    request = luma.ReframeVideo(
        media=luma.Media(url=media_url),
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
    job = await caller.dream_machine.reframe_video(request)
    return Generation.of(await caller.wait(job, wait_seconds))


@tool(title="Upscale a video", tags={"videos"}, annotations=CREATES)
async def upscale_generation(
    caller: Caller,
    generation_id: GenerationId,
    resolution: Annotated[
        Literal["720p", "1080p", "4k"], Field(description="Larger than the clip has now.")
    ],
    callback_url: CallbackUrl = None,
    wait_seconds: WaitSeconds = 0,
) -> Generation:
    """Make a completed video sharper; costs credits.

    Answers at once (unless wait_seconds is given) with a job of its own: follow the id in the
    answer, not that of the source, with wait_for_generation.
    """
    request = luma.Upscale(resolution=resolution, callback_url=callback_url)
    job = await caller.dream_machine.upscale(generation_id, request)
    return Generation.of(await caller.wait(job, wait_seconds))


@tool(title="Add sound to a video", tags={"videos"}, annotations=CREATES)
async def add_audio(
    caller: Caller,
    generation_id: GenerationId,
    prompt: Annotated[Prompt, Field(description="What to hear.")],
    negative_prompt: Annotated[
        str | None, Field(max_length=MAX_PROMPT, description="What not to hear.")
    ] = None,
    callback_url: CallbackUrl = None,
    wait_seconds: WaitSeconds = 0,
) -> Generation:
    """Add a soundtrack, described in words, to a completed video; costs credits.

    Answers at once (unless wait_seconds is given) with a job of its own: follow the id in the
    answer, not that of the source, with wait_for_generation.
    """
    check_prompt(prompt)
    request = luma.AddAudio(
        prompt=prompt, negative_prompt=negative_prompt, callback_url=callback_url
    )
    job = await caller.dream_machine.add_audio(generation_id, request)
    return Generation.of(await caller.wait(job, wait_seconds))
