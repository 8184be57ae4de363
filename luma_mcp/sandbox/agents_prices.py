"""What a job of the Agents API costs, in US cents (docs.agents.lumalabs.ai/guides/pricing).

Prices of the draft resolution 360p, of layers, of HDR with 10 s and of edits of sources that have
neither 5 nor 10 s are not known: 360p and layers are the sandbox's own, the others continue what is
known in a straight line. Searching the web costs nothing extra here.
"""

FACTOR_HDR = 2
FACTOR_EXR = 3

_IMAGE_USD = {"uni-1": 0.0404, "uni-1-max": 0.1}
_EDIT_USD = {"uni-1": 0.0434, "uni-1-max": 0.103}
_REFERENCE_USD = 0.003
_LONG_SECONDS = 10
_LAYER_USD = {"1k": 0.03, "2k": 0.06}
_CLIP_USD = {"360p": 0.08, "540p": 0.15, "720p": 0.3, "1080p": 1.2}
_EDIT_USD_PER_SECOND = {"360p": 0.072, "540p": 0.144, "720p": 0.216, "1080p": 0.432}
_REFRAME_USD_PER_SECOND = {"360p": 0.03, "540p": 0.06, "720p": 0.12, "1080p": 0.36}


def price_image(model: str, references: int) -> float:
    """The price of a picture; a source counts as a reference."""
    if not references:
        return 100 * _IMAGE_USD[model]
    return 100 * (_EDIT_USD[model] + _REFERENCE_USD * (references - 1))


def price_layers(resolution: str, count: int) -> float:
    """The price of taking a picture apart."""
    return 100 * _LAYER_USD[resolution] * count


def price_video(resolution: str, seconds: int, light: int = 1) -> float:
    """The price of a clip of 5 or 10 s; twice the length costs three times as much."""
    return 100 * _CLIP_USD[resolution] * (3 if seconds == _LONG_SECONDS else 1) * light


def price_edit(resolution: str, seconds: int, light: int = 1) -> float:
    """The price of editing a clip, by the length of its source."""
    return 100 * _EDIT_USD_PER_SECOND[resolution] * seconds * light


def price_reframe(resolution: str, seconds: int) -> float:
    """The price of reframing a clip, by the started seconds of its source."""
    return 100 * _REFRAME_USD_PER_SECOND[resolution] * seconds
