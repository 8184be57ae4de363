"""What leaves us when we create pictures, and what the answers become."""

import pytest

from luma_mcp.luma import dream_machine_models as models
from tests.luma.exchanges import FILM, HOOK, PICTURE, PLACEMENT, Exchange, check, create

IMAGE_IN_FULL = models.CreateImage(
    model="photon-1",
    prompt="A paper boat",
    aspect_ratio="3:4",
    format="png",
    image_ref=[models.WeightedImage(url=PICTURE, weight=0.85), models.WeightedImage(url=FILM)],
    style_ref=[models.WeightedImage(url=PICTURE, weight=0)],
    character_ref=models.CharacterRef(identity0=models.CharacterImages(images=[PICTURE])),
    modify_image_ref=models.WeightedImage(url=PICTURE, weight=1.0),
    callback_url=HOOK,
)

EXCHANGES = {
    "image, in short": create(
        "create_image",
        models.CreateImage(model="photon-flash-1", prompt="A paper boat"),
        "/image",
        {"generation_type": "image", "model": "photon-flash-1", "prompt": "A paper boat"},
    ),
    "image, in full": create(
        "create_image",
        IMAGE_IN_FULL,
        "/image",
        {
            "generation_type": "image",
            "model": "photon-1",
            "prompt": "A paper boat",
            "aspect_ratio": "3:4",
            "format": "png",
            "image_ref": [{"url": PICTURE, "weight": 0.85}, {"url": FILM}],
            "style_ref": [{"url": PICTURE, "weight": 0}],
            "character_ref": {"identity0": {"images": [PICTURE]}},
            "modify_image_ref": {"url": PICTURE, "weight": 1.0},
            "callback_url": HOOK,
        },
    ),
    "reframe an image, in short": create(
        "reframe_image",
        models.ReframeImage(
            media=models.Media(url=PICTURE), aspect_ratio="1:1", model="photon-flash-1"
        ),
        "/image/reframe",
        {
            "generation_type": "reframe_image",
            "media": {"url": PICTURE},
            "aspect_ratio": "1:1",
            "model": "photon-flash-1",
        },
    ),
    "reframe an image, in full": create(
        "reframe_image",
        models.ReframeImage(
            media=models.Media(url=PICTURE),
            aspect_ratio="16:9",
            model="photon-1",
            prompt="More sea",
            format="jpg",
            callback_url=HOOK,
            **PLACEMENT,
        ),
        "/image/reframe",
        {
            "generation_type": "reframe_image",
            "media": {"url": PICTURE},
            "aspect_ratio": "16:9",
            "model": "photon-1",
            "prompt": "More sea",
            "format": "jpg",
            "callback_url": HOOK,
            **PLACEMENT,
        },
    ),
}


@pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=EXCHANGES)
async def test_a_picture_request_leaves_us_as_luma_documents_it(exchange: Exchange) -> None:
    await check(exchange)
