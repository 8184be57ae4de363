"""A scene: what a finished job shows, before anybody has drawn it."""

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
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """The picture or clip that a job makes."""

    title: str
    model: str
    format: Literal["mp4", "jpg", "png"]
    aspect_ratio: str = "16:9"
    resolution: str = "720p"
    seconds: int = 5
    loop: bool = False
    sound: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return SIZES[self.aspect_ratio]

    @property
    def caption(self) -> str:
        """The small print in the corner."""
        if self.format == "mp4":
            return f"{self.model}  {self.aspect_ratio}  {self.resolution}  {self.seconds} s"
        return f"{self.model}  {self.aspect_ratio}"
