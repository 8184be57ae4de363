"""What a clip turns out to be, once it is decoded."""

import io
from dataclasses import dataclass

import av


@dataclass(frozen=True)
class Clip:
    """Its format, its pictures, its length in seconds and whether it can be heard."""

    codec: str
    pixel_format: str
    size: tuple[int, int]
    frames: list[av.VideoFrame]
    seconds: float
    sound: bool


def decode(content: bytes) -> Clip:
    """Read every frame of an MP4 file."""
    with av.open(io.BytesIO(content)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        codec = stream.codec_context
        return Clip(
            codec=codec.name,
            pixel_format=codec.pix_fmt,
            size=(codec.width, codec.height),
            frames=frames,
            seconds=float(container.duration) / av.time_base,
            sound=bool(container.streams.audio),
        )
