"""What leaves us when we create and change videos, and what the answers become."""

import pytest

from luma_mcp.luma import dream_machine_models as models
from tests.luma.exchanges import (
    CLIP,
    FILM,
    HOOK,
    PICTURE,
    PLACEMENT,
    QUEUED,
    QUEUED_JOB,
    Exchange,
    check,
    create,
)

ROOT = "POST /dream-machine/v1/generations"
VIDEO_IN_FULL = models.CreateVideo(
    model="ray-2",
    prompt="A paper boat \u2014 \u7d19\u306e\u8239 \U0001f6a3",
    aspect_ratio="21:9",
    loop=False,
    keyframes=models.Keyframes(
        frame0=models.ImageKeyframe(url=PICTURE), frame1=models.GenerationKeyframe(id=CLIP)
    ),
    resolution="1080p",
    duration="9s",
    concepts=[models.Concept(key="dolly_zoom"), models.Concept(key="pan_left")],
    callback_url=HOOK,
)
EXCHANGES = {
    "video, in short": create(
        "create_video",
        models.CreateVideo(model="ray-flash-2", prompt="A paper boat"),
        "/video",
        {"generation_type": "video", "model": "ray-flash-2", "prompt": "A paper boat"},
    ),
    "video, in full": create(
        "create_video",
        VIDEO_IN_FULL,
        "/video",
        {
            "generation_type": "video",
            "model": "ray-2",
            "prompt": "A paper boat \u2014 \u7d19\u306e\u8239 \U0001f6a3",
            "aspect_ratio": "21:9",
            "loop": False,
            "keyframes": {
                "frame0": {"type": "image", "url": PICTURE},
                "frame1": {"type": "generation", "id": CLIP},
            },
            "resolution": "1080p",
            "duration": "9s",
            "concepts": [{"key": "dolly_zoom"}, {"key": "pan_left"}],
            "callback_url": HOOK,
        },
    ),
    "video, from one frame": create(
        "create_video",
        models.CreateVideo(
            model="ray-2",
            loop=True,
            keyframes=models.Keyframes(frame1=models.ImageKeyframe(url=PICTURE)),
        ),
        "/video",
        {
            "generation_type": "video",
            "model": "ray-2",
            "loop": True,
            "keyframes": {"frame1": {"type": "image", "url": PICTURE}},
        },
    ),
    "reframe a video, in full": create(
        "reframe_video",
        models.ReframeVideo(
            media=models.Media(url=FILM),
            aspect_ratio="9:16",
            model="ray-flash-2",
            prompt="More sea",
            first_frame=models.Media(url=PICTURE),
            callback_url=HOOK,
            **PLACEMENT,
        ),
        "/video/reframe",
        {
            "generation_type": "reframe_video",
            "media": {"url": FILM},
            "aspect_ratio": "9:16",
            "model": "ray-flash-2",
            "prompt": "More sea",
            "first_frame": {"url": PICTURE},
            "callback_url": HOOK,
            **PLACEMENT,
        },
    ),
    "modify, in short": create(
        "modify_video",
        models.ModifyVideo(media=models.Media(url=FILM), model="ray-2", mode="adhere_1"),
        "/video/modify",
        {
            "generation_type": "modify_video",
            "media": {"url": FILM},
            "model": "ray-2",
            "mode": "adhere_1",
        },
    ),
    "modify, in full": create(
        "modify_video",
        models.ModifyVideo(
            media=models.Media(url=FILM),
            model="ray-flash-2",
            mode="reimagine_3",
            prompt="In felt",
            first_frame=models.Media(url=PICTURE),
            callback_url=HOOK,
        ),
        "/video/modify",
        {
            "generation_type": "modify_video",
            "media": {"url": FILM},
            "model": "ray-flash-2",
            "mode": "reimagine_3",
            "prompt": "In felt",
            "first_frame": {"url": PICTURE},
            "callback_url": HOOK,
        },
    ),
}
# These two answer 200.
LATER_STEPS = {
    "upscale": Exchange(
        lambda luma: luma.upscale(CLIP.upper(), models.Upscale(resolution="4k", callback_url=HOOK)),
        f"{ROOT}/{CLIP}/upscale",
        {"generation_type": "upscale_video", "resolution": "4k", "callback_url": HOOK},
        200,
        QUEUED,
        QUEUED_JOB,
    ),
    "audio, in short": Exchange(
        lambda luma: luma.add_audio(CLIP, models.AddAudio(prompt="Waves")),
        f"{ROOT}/{CLIP}/audio",
        {"generation_type": "add_audio", "prompt": "Waves"},
        200,
        QUEUED,
        QUEUED_JOB,
    ),
    "audio, in full": Exchange(
        lambda luma: luma.add_audio(
            CLIP, models.AddAudio(prompt="Waves", negative_prompt="Gulls", callback_url=HOOK)
        ),
        f"{ROOT}/{CLIP}/audio",
        {
            "generation_type": "add_audio",
            "prompt": "Waves",
            "negative_prompt": "Gulls",
            "callback_url": HOOK,
        },
        200,
        QUEUED,
        QUEUED_JOB,
    ),
}


@pytest.mark.parametrize(
    "exchange", [*EXCHANGES.values(), *LATER_STEPS.values()], ids=[*EXCHANGES, *LATER_STEPS]
)
async def test_a_video_request_leaves_us_as_luma_documents_it(exchange: Exchange) -> None:
    await check(exchange)
