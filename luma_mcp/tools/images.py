"""Tools that make pictures."""

from typing import Annotated, Literal, cast

from pydantic import Field

from luma_mcp.luma import agents_models as agents
from luma_mcp.luma import dream_machine_models as luma
from luma_mcp.luma.agents_limits import (
    MAX_EDIT_REFERENCES,
    MAX_IMAGE_REFERENCES,
    MAX_LAYERING_PROMPT,
)
from luma_mcp.luma.dream_machine_rules import check_prompt, check_reframe
from luma_mcp.tools.creating import Draft, creates, to_agents
from luma_mcp.tools.parameters import (
    CallbackUrl,
    CharacterRef,
    CropBottom,
    CropLeft,
    CropRight,
    CropTop,
    GridX,
    GridY,
    ImageFormat,
    ImageReference,
    MediaUrl,
    Prompt,
    ReframePrompt,
    ResizedSide,
    Source,
    Style,
    WebSearch,
    WeightedImage,
)
from luma_mcp.tools.requests import (
    LAYERS_PROMPT,
    image_format,
    output_format,
    reference_request,
    references_request,
    unweighted,
    weighted_images,
)

UNI = ("uni-1", "uni-1-max")
STAYS = 45  # seconds; a picture usually takes less
Ratio = Literal[
    "1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21", "3:2", "2:3", "2:1", "1:2", "3:1", "1:3"
]


@creates(title="Create a picture", toolset="images", stays=STAYS)
def generate_image(
    prompt: Prompt,
    model: Annotated[
        Literal["photon-1", "photon-flash-1", "uni-1", "uni-1-max"],
        Field(
            description="photon-1; photon-flash-1 is faster and cheaper; uni-1 and uni-1-max are "
            "the newest, with a key for Luma's Agents API."
        ),
    ] = "photon-1",
    aspect_ratio: Annotated[
        Ratio | None,
        Field(
            description="Width to height. 4:3, 3:4, 21:9 and 9:21 with photon only, 3:2, 2:3, "
            "2:1, 1:2, 3:1 and 1:3 with uni only."
        ),
    ] = None,
    format: ImageFormat = None,  # noqa: A002 - Luma's word
    image_ref: Annotated[
        list[ImageReference] | None,
        Field(
            max_length=MAX_IMAGE_REFERENCES,
            fail_fast=True,
            description="Pictures to take content from: up to 4 with photon, 9 with uni.",
        ),
    ] = None,
    style_ref: Annotated[
        list[WeightedImage] | None,
        Field(
            max_length=4,
            fail_fast=True,
            description="photon only: usually one picture, whose style to take.",
        ),
    ] = None,
    character_ref: Annotated[
        CharacterRef | None, Field(description="photon only: 1 to 4 pictures of a person to keep.")
    ] = None,
    modify_image_ref: Annotated[
        WeightedImage | None,
        Field(
            description="photon only: a picture to change by the prompt; a higher weight stays "
            "closer, 0 to 0.1 suits changes of colour."
        ),
    ] = None,
    style: Annotated[
        Style, Field(description="uni only; manga wants 2:3, 9:16, 1:2 or 1:3.")
    ] = None,
    web_search: WebSearch = None,
    callback_url: CallbackUrl = None,
) -> Draft:
    """Make a picture from a prompt and reference pictures; costs credits.

    Answers with the picture, which usually takes seconds, or after wait_seconds with the id of
    the job; follow it with wait_for_generation then.
    """
    if model in UNI:
        return to_agents(
            "image",
            model=model,
            prompt=prompt,
            aspect_ratio=aspect_ratio,
            output_format=output_format(format),
            image_ref=references_request("image_ref", unweighted("image_ref", image_ref)),
            style=style,
            web_search=web_search,
        )
    request = luma.CreateImage(
        prompt=prompt,
        model=model,
        aspect_ratio=cast("luma.AspectRatio | None", aspect_ratio),  # the catalogue saw to it
        format=image_format(format),
        image_ref=weighted_images("image_ref", image_ref),
        style_ref=[*style_ref] if style_ref else None,
        character_ref=character_ref,
        modify_image_ref=modify_image_ref,
        callback_url=callback_url,
    )
    check_prompt(prompt)
    return Draft(request, lambda caller, body: caller.dream_machine.create_image(body))


@creates(title="Reframe a picture", toolset="images", stays=STAYS)
def reframe_image(
    media_url: MediaUrl,
    aspect_ratio: Annotated[luma.AspectRatio, Field(description="The new ratio.")],
    model: Annotated[
        luma.ImageModel,
        Field(description="photon-1 looks best; photon-flash-1 is faster and cheaper."),
    ] = "photon-1",
    prompt: ReframePrompt = None,
    format: ImageFormat = None,  # noqa: A002 - Luma's word
    grid_position_x: GridX = None,
    grid_position_y: GridY = None,
    x_start: CropLeft = None,
    x_end: CropRight = None,
    y_start: CropTop = None,
    y_end: CropBottom = None,
    resized_width: ResizedSide = None,
    resized_height: ResizedSide = None,
    callback_url: CallbackUrl = None,
) -> Draft:
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
        format=image_format(format),
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
    return Draft(request, lambda caller, body: caller.dream_machine.reframe_image(body))


@creates(title="Edit a picture", toolset="images", stays=STAYS)
def edit_image(
    prompt: Annotated[Prompt, Field(description="What to change, in plain words.")],
    source: Annotated[Source, Field(description="The picture to change.")],
    image_ref: Annotated[
        list[Source] | None,
        Field(
            max_length=MAX_EDIT_REFERENCES,
            fail_fast=True,
            description="Up to 8 further pictures to go by.",
        ),
    ] = None,
    model: Annotated[
        Literal["uni-1", "uni-1-max"], Field(description="uni-1-max looks best and costs more.")
    ] = "uni-1",
    format: ImageFormat = None,  # noqa: A002 - Luma's word
    style: Style = None,
    web_search: WebSearch = None,
) -> Draft:
    """Change a picture by words; costs credits, and needs a key for Luma's Agents API.

    The result keeps the size of its source, which is a URL, an earlier result of uni-1 or a file.
    Answers with the picture, which usually takes seconds, or after wait_seconds with the id of
    the job; follow it with wait_for_generation then.
    """
    return to_agents(
        "image_edit",
        model=model,
        prompt=prompt,
        source=reference_request("source", source),
        image_ref=references_request("image_ref", image_ref),
        output_format=output_format(format),
        style=style,
        web_search=web_search,
    )


@creates(title="Take a picture apart", toolset="images", stays=STAYS, model="uni-1")
def extract_layers(
    source: Annotated[Source, Field(description="The picture to take apart.")],
    prompt: Annotated[
        str | None,
        Field(
            description="How to split it.",
            json_schema_extra={"maxLength": MAX_LAYERING_PROMPT},
        ),
    ] = None,
    resolution: Annotated[
        agents.LayerResolution | None,
        Field(description="Of every layer: 1k by itself; 2k is sharper and costs more."),
    ] = None,
) -> Draft:
    """Split a picture into transparent layers; costs credits, and needs an Agents API key.

    Made by uni-1: 1 to 10 PNG files, front to back; the last is the background. Answers with the
    layers, or after wait_seconds with the id of the job; follow it with wait_for_generation then.
    """
    return to_agents(
        "layering",
        model="uni-1",
        prompt=prompt or LAYERS_PROMPT,
        source=reference_request("source", source),
        layering={"resolution": resolution},
    )
