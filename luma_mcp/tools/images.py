"""Tools that make pictures."""

from typing import Annotated

from fastmcp.tools import tool
from pydantic import Field

from luma_mcp.luma import dream_machine_models as luma
from luma_mcp.luma.dream_machine_rules import check_placement, check_prompt
from luma_mcp.services import Caller
from luma_mcp.tools.caller import CURRENT_CALLER
from luma_mcp.tools.definition import CREATES
from luma_mcp.tools.parameters import (
    AspectRatio,
    CallbackUrl,
    CharacterRef,
    CropEnd,
    CropStart,
    GridX,
    GridY,
    ImageFormat,
    ImageModel,
    MediaUrl,
    OptionalRatio,
    Prompt,
    ReframePrompt,
    ResizedSide,
    WeightedImage,
)
from luma_mcp.tools.requests import character_request, weighted_image, weighted_images
from luma_mcp.tools.results import Generation

OptionalFormat = Annotated[ImageFormat | None, Field(description="Luma's default is jpg.")]
ChosenModel = Annotated[
    ImageModel, Field(description="photon-1 looks best; photon-flash-1 is faster and cheaper.")
]


@tool(title="Create a picture", tags={"images"}, annotations=CREATES)
async def generate_image(
    prompt: Prompt,
    model: ChosenModel = "photon-1",
    aspect_ratio: OptionalRatio = None,
    format: OptionalFormat = None,  # noqa: A002 - Luma's word
    image_ref: Annotated[
        list[WeightedImage] | None,
        Field(max_length=4, description="Up to 4 pictures to take content from."),
    ] = None,
    style_ref: Annotated[
        list[WeightedImage] | None, Field(description="A picture whose style to take.")
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
    caller: Caller = CURRENT_CALLER,
) -> Generation:
    """Start a picture from words and reference pictures; costs credits.

    Answers at once with the id of the job, which takes some 5 to 30 seconds; follow it with
    get_generation.
    """
    request = luma.CreateImage(
        prompt=prompt,
        model=model,
        aspect_ratio=aspect_ratio,
        format=format,
        image_ref=weighted_images(image_ref),
        style_ref=weighted_images(style_ref),
        character_ref=character_request(character_ref),
        modify_image_ref=weighted_image(modify_image_ref) if modify_image_ref else None,
        callback_url=callback_url,
    )
    check_prompt(prompt)
    return Generation.of(await caller.dream_machine.create_image(request))


@tool(title="Reframe a picture", tags={"images"}, annotations=CREATES)
async def reframe_image(
    media_url: MediaUrl,
    aspect_ratio: Annotated[AspectRatio, Field(description="The new ratio.")],
    model: ChosenModel = "photon-1",
    prompt: ReframePrompt = None,
    format: OptionalFormat = None,  # noqa: A002 - Luma's word
    grid_position_x: GridX = None,
    grid_position_y: GridY = None,
    x_start: CropStart = None,
    x_end: CropEnd = None,
    y_start: CropStart = None,
    y_end: CropEnd = None,
    resized_width: ResizedSide = None,
    resized_height: ResizedSide = None,
    callback_url: CallbackUrl = None,
    caller: Caller = CURRENT_CALLER,
) -> Generation:
    """Give a picture another aspect ratio; what is missing is invented. Costs credits.

    The source may have up to 10 MB. Without numbers it is centred. Answers at once with the id of
    the job; follow it with get_generation.
    """
    if prompt is not None:
        check_prompt(prompt)
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
    check_placement(request)
    return Generation.of(await caller.dream_machine.reframe_image(request))
