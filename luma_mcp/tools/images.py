"""Tools that make pictures."""

from typing import Annotated

from fastmcp.tools import tool
from pydantic import Field

from luma_mcp.luma import dream_machine_models as luma
from luma_mcp.luma.dream_machine_rules import check_prompt, check_reframe
from luma_mcp.services import Caller
from luma_mcp.tools.definition import CREATES
from luma_mcp.tools.parameters import (
    CallbackUrl,
    CharacterRef,
    CropBottom,
    CropLeft,
    CropRight,
    CropTop,
    GridX,
    GridY,
    MediaUrl,
    OptionalRatio,
    Prompt,
    ReframePrompt,
    ResizedSide,
    WaitSeconds,
    WeightedImage,
)
from luma_mcp.tools.results import Generation

OptionalFormat = Annotated[luma.ImageFormat | None, Field(description="Luma's default is jpg.")]
ChosenModel = Annotated[
    luma.ImageModel, Field(description="photon-1 looks best; photon-flash-1 is faster and cheaper.")
]


@tool(title="Create a picture", tags={"images"}, annotations=CREATES)
async def generate_image(
    caller: Caller,
    prompt: Prompt,
    model: ChosenModel = "photon-1",
    aspect_ratio: OptionalRatio = None,
    format: OptionalFormat = None,  # noqa: A002 - Luma's word
    image_ref: Annotated[
        list[WeightedImage] | None,
        Field(max_length=4, fail_fast=True, description="Up to 4 pictures to take content from."),
    ] = None,
    style_ref: Annotated[
        list[WeightedImage] | None,
        Field(
            max_length=4, fail_fast=True, description="Usually one picture, whose style to take."
        ),
    ] = None,
    character_ref: Annotated[
        CharacterRef | None, Field(description="1 to 4 pictures of a person to keep.")
    ] = None,
    modify_image_ref: Annotated[
        WeightedImage | None,
        Field(
            description="A picture to change by the prompt; a higher weight stays closer, 0 to "
            "0.1 suits changes of colour."
        ),
    ] = None,
    callback_url: CallbackUrl = None,
    wait_seconds: WaitSeconds = 45,
) -> Generation:
    """Make a picture from a prompt and reference pictures; costs credits.

    Answers with the picture, which usually takes seconds, or after wait_seconds with the id of
    the job; follow it with wait_for_generation then.
    """
    request = luma.CreateImage(
        prompt=prompt,
        model=model,
        aspect_ratio=aspect_ratio,
        format=format,
        image_ref=[*image_ref] if image_ref else None,
        style_ref=[*style_ref] if style_ref else None,
        character_ref=character_ref,
        modify_image_ref=modify_image_ref,
        callback_url=callback_url,
    )
    check_prompt(prompt)
    job = await caller.dream_machine.create_image(request)
    return Generation.of(await caller.wait(job, wait_seconds))


@tool(title="Reframe a picture", tags={"images"}, annotations=CREATES)
async def reframe_image(
    caller: Caller,
    media_url: MediaUrl,
    aspect_ratio: Annotated[luma.AspectRatio, Field(description="The new ratio.")],
    model: ChosenModel = "photon-1",
    prompt: ReframePrompt = None,
    format: OptionalFormat = None,  # noqa: A002 - Luma's word
    grid_position_x: GridX = None,
    grid_position_y: GridY = None,
    x_start: CropLeft = None,
    x_end: CropRight = None,
    y_start: CropTop = None,
    y_end: CropBottom = None,
    resized_width: ResizedSide = None,
    resized_height: ResizedSide = None,
    callback_url: CallbackUrl = None,
    wait_seconds: WaitSeconds = 45,
) -> Generation:
    """Give a picture another aspect ratio; the new area is filled in. Costs credits.

    The source may have up to 10 MB. The new canvas, which the numbers count in, has 1536x1536
    (1:1), 1792x1344 (4:3), 2048x1152 (16:9) or 2432x1024 pixels (21:9); for upright ratios the
    sides change places. Answers with the picture, which usually takes seconds, or after
    wait_seconds with the id of the job; follow it with wait_for_generation then.
    """
    request = luma.ReframeImage(
        media=luma.Media(url=media_url),
        aspect_ratio=aspect_ratio,
        model=model,
        prompt=prompt,
        format=format,
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
    job = await caller.dream_machine.reframe_image(request)
    return Generation.of(await caller.wait(job, wait_seconds))
