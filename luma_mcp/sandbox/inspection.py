"""Looking at uploaded bytes: whether they are the picture or the clip that they are said to be."""

import math
from typing import IO

import av
from PIL import Image

from luma_mcp.sandbox.files import Finding

_FRAME = 1 / 24
# Against pictures that are small as files and huge in memory; Pillow's own guard only warns.
_MAX_PIXELS = 80_000_000
_PICTURES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
# By MIME type what reads it. It is named, never guessed from the bytes, because some formats are
# lists of other files, which would be fetched.
_DEMUXERS = {
    "video/mp4": "mov",
    "video/quicktime": "mov",
    "video/x-m4v": "mov",
    "video/webm": "matroska",
    "video/x-matroska": "matroska",
}


def inspect(file: IO[bytes], mime_type: str) -> Finding:
    """Look at a file; takes time, so call it in a thread. Only its head is decoded."""
    look = _inspect_clip if mime_type.startswith("video/") else _inspect_picture
    try:
        return look(file, mime_type)
    # Both libraries raise a dozen kinds of errors over bytes that make no sense.
    except Exception:  # noqa: BLE001
        return Finding(failure_reason=f"The bytes are no {mime_type} that can be read")


def _inspect_picture(file: IO[bytes], mime_type: str) -> Finding:
    with Image.open(file, formats=list(_PICTURES)) as picture:
        found, (width, height) = _PICTURES[picture.format or ""], picture.size
        if width * height > _MAX_PIXELS:
            return Finding(failure_reason="The picture has too many pixels")
        picture.verify()
    if found != mime_type:
        return Finding(failure_reason=f"The bytes are {found}, not {mime_type}")
    return Finding(kind="image", size=(width, height))


def _inspect_clip(file: IO[bytes], mime_type: str) -> Finding:
    with av.open(file, "r", format=_DEMUXERS[mime_type]) as container:
        codec = container.streams.video[0].codec_context
        seconds = (container.duration or 0) / av.time_base
        # The end of the last frame is rounded up in the file by less than a frame.
        return Finding(
            kind="video", size=(codec.width, codec.height), seconds=math.ceil(seconds - _FRAME)
        )
