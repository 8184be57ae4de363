"""A scene: what a finished job shows, before anybody has drawn it."""

import math
from dataclasses import dataclass
from typing import Literal

# Width and height of what is drawn. Every ratio is exact, every side even as H.264 asks, and the
# longer side stays near 960 pixels whatever the resolution, so that drawing stays quick.
SIZES = {
    "1:1": (720, 720),
    "16:9": (960, 540),
    "9:16": (540, 960),
    "4:3": (832, 624),
    "3:4": (624, 832),
    "21:9": (966, 414),
    "9:21": (414, 966),
    "3:1": (960, 320),
    "2:1": (960, 480),
    "3:2": (960, 640),
    "2:3": (640, 960),
    "1:2": (480, 960),
    "1:3": (320, 960),
}


def find_nearest_ratio(width: int, height: int) -> str:
    """The ratio among those that can be drawn that is most like a size."""
    wanted = math.log(width / height)
    return min(SIZES, key=lambda name: abs(math.log(SIZES[name][0] / SIZES[name][1]) - wanted))


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One of the layers that a picture is made of, the foremost first.

    Attributes:
        index: Its place.
        label: Its name, in a word or two.
        description: What it shows.
        alpha_hint: How its edges are: soft, hard, or none for what is opaque.
    """

    index: int
    label: str
    description: str
    alpha_hint: Literal["soft", "hard", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """The picture or clip that a job makes."""

    title: str
    model: str
    format: Literal["mp4", "jpg", "png", "exr"]
    aspect_ratio: str = "16:9"
    resolution: str = "720p"
    seconds: int = 5
    loop: bool = False
    sound: bool = False
    hdr: bool = False
    layer: Layer | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = SIZES[self.aspect_ratio]
        return (2 * width, 2 * height) if self.resolution == "2k" else (width, height)

    @property
    def caption(self) -> str:
        """The small print in the corner."""
        if self.format == "mp4":
            light = "  HDR" if self.hdr else ""
            return f"{self.model}  {self.aspect_ratio}  {self.resolution}{light}  {self.seconds} s"
        return f"{self.model}  {self.aspect_ratio}"
