"""Draws a small JPEG of a picture or of a clip's first frame; needs Pillow and PyAV, an extra.

The bytes are foreign: nothing is decoded before its size is known, and what takes gigabytes or
minutes to decode is refused by what can be seen without decoding it.
"""

import io
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import cast

import av
from PIL import Image, ImageOps

from luma_mcp.previews.mp4 import first_sample

MAX_SIDE = 768
MAX_PREVIEW_BYTES = 80 * 1024
MAX_PIXELS = 20_000_000
# A scan of a few bytes goes through all the pixels; a progressive JPEG has about ten.
MAX_SCANS = 100
# A decoded picture may have 16 bytes a pixel with all that its decoder keeps, so that only one
# of the large is decoded at a time.
LARGE_PIXELS = 6_000_000
_BAND_PIXELS = 1_000_000
_FORMATS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"RIFF": "WEBP"}
_QUALITIES = (82, 74, 66, 58, 50, 42)
_ORIENTATION = 0x0112  # in EXIF
_SCAN = b"\xff\xda"  # how each scan of a JPEG begins

_one_large = threading.Lock()


class Unfit(Exception):
    """It is not drawn, because of what the text says."""


def draw_picture(content: bytes) -> bytes:
    """Draw the preview of a JPEG, PNG or WebP; takes time, so call it in a thread.

    Raises:
        Exception: Whatever Pillow raises over bytes that make no sense.
        Unfit: It is of another format, or too large.
    """
    with Image.open(io.BytesIO(content), formats=[_format_of(content)]) as picture:
        width, height = picture.size
        with _room_for(width, height):
            # A JPEG can be decoded at an eighth, a quarter or half of its size.
            picture.draft("RGB", _fitted(width, height))
            orientation = picture.getexif().get(_ORIENTATION)
            small = _shrink(picture)
    if orientation:
        small.getexif()[_ORIENTATION] = orientation
    return _pack(ImageOps.exif_transpose(small))


def _format_of(content: bytes) -> str:
    found = next((name for magic, name in _FORMATS.items() if content.startswith(magic)), None)
    if found is None:
        raise Unfit("it is no picture of a kind that is drawn")
    if found == "JPEG" and content.count(_SCAN) > MAX_SCANS:
        raise Unfit("it has too many scans")
    return found


def draw_clip(content: bytes) -> bytes:
    """Draw the first frame of an MP4 file, of which the end may be missing; takes time likewise.

    Raises:
        Exception: Whatever PyAV raises over bytes that make no sense.
        Unfit: It is too large, or cannot be decoded.
        Unreadable: There is no first frame in it.
    """
    sample = first_sample(content)
    decoder = cast("av.VideoCodecContext", av.CodecContext.create(sample.codec, "r"))
    decoder.extradata = sample.setup
    decoder.thread_count = 1
    # The frame itself may be larger than the file said.
    decoder.options = {"max_pixels": str(MAX_PIXELS)}
    with _room_for(*sample.size):
        packet = av.Packet(sample.content)
        frames = [*decoder.decode(packet), *decoder.decode(None)]
        if not frames:
            raise Unfit("its first frame cannot be decoded")
        width, height = _fitted(frames[0].width, frames[0].height)
        small = frames[0].to_image(width=width, height=height, interpolation="AREA")
    return _pack(small)


def _room_for(width: int, height: int) -> AbstractContextManager[object]:
    if not 0 < width * height <= MAX_PIXELS:
        raise Unfit("it has too many pixels")
    return _one_large if width * height > LARGE_PIXELS else nullcontext()


def _fitted(width: int, height: int) -> tuple[int, int]:
    """Give the size of the preview, which is never larger than the picture."""
    scale = min(1, MAX_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _shrink(picture: Image.Image) -> Image.Image:
    """Shrink a picture band by band, so that nothing else in memory is as large as it is."""
    width, height = picture.size
    factor = max(1, max(width, height) // (2 * MAX_SIDE))
    rows = factor * max(1, _BAND_PIXELS // (factor * width))
    small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, rows):
        band = picture.crop((0, top, width, min(top + rows, height)))
        small.paste(_on_white(band).reduce(factor), (0, top // factor))
    return small.resize(_fitted(width, height), Image.Resampling.LANCZOS)


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        # Pillow would cut the values of 16 bits off, not scale them.
        return picture.point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    ground = Image.new("RGB", picture.size, "white")
    ground.paste(picture, mask=picture.getchannel("A"))
    return ground


def _pack(picture: Image.Image) -> bytes:
    """Write a JPEG that is not too large, without anything but the picture."""
    while True:
        for quality in _QUALITIES:
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=quality)
            if file.tell() <= MAX_PREVIEW_BYTES:
                return file.getvalue()
        picture = picture.resize((max(1, picture.width * 3 // 4), max(1, picture.height * 3 // 4)))
