"""What a job costs, in US cents.

A clip is priced by the megapixels of its output: width x height x 24 frames x seconds / 10^6
(lumalabs.ai/api/pricing). The sizes of ratios other than 16:9 are not published, so that a clip
costs what a 16:9 clip of the same resolution costs. Without a resolution or a duration, for which
no default is published, 720p and 5 s are assumed.
"""

# In ascending order, which is also what an upscale goes by.
PIXELS = {
    "540p": 960 * 540,
    "720p": 1280 * 720,
    "1080p": 1920 * 1080,
    "4k": 3840 * 2160,
}
DEFAULT_RESOLUTION = "720p"
DEFAULT_SECONDS = 5

_FRAMES_PER_SECOND = 24
_CREATE_USD_PER_MEGAPIXEL = {"ray-2": 0.0064, "ray-flash-2": 0.0022}
_MODIFY_USD_PER_MEGAPIXEL = {"ray-2": 0.01582, "ray-flash-2": 0.00544}
_IMAGE_USD = {"photon-1": 0.015, "photon-flash-1": 0.004}
_RAY_1_6_USD = 0.35
# Luma publishes no price for these two: they are the sandbox's own.
_UPSCALE_USD_PER_MEGAPIXEL = 0.0016
_AUDIO_USD = 0.10


def _clip_cents(usd_per_megapixel: float, resolution: str, seconds: int) -> float:
    megapixels = PIXELS[resolution] * _FRAMES_PER_SECOND * seconds / 1_000_000
    return 100 * megapixels * usd_per_megapixel


def price_video(model: str, resolution: str, seconds: int) -> float:
    """The price of making or reframing a clip; reframing costs what its model costs."""
    if model == "ray-1-6":
        return 100 * _RAY_1_6_USD
    return _clip_cents(_CREATE_USD_PER_MEGAPIXEL[model], resolution, seconds)


def price_modification(model: str, resolution: str, seconds: int) -> float:
    """The price of modifying a clip (docs.lumalabs.ai/docs/modify-video)."""
    return _clip_cents(_MODIFY_USD_PER_MEGAPIXEL[model], resolution, seconds)


def price_upscale(resolution: str, seconds: int) -> float:
    """The price of upscaling a clip to a resolution."""
    return _clip_cents(_UPSCALE_USD_PER_MEGAPIXEL, resolution, seconds)


def price_audio() -> float:
    """The price of adding audio to a clip."""
    return 100 * _AUDIO_USD


def price_image(model: str) -> float:
    """The price of making or reframing an image."""
    return 100 * _IMAGE_USD[model]
