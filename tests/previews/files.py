"""Pictures and clips, as they should be and as nobody should make them."""

import io
import struct
import zlib

import av
from PIL import Image

RED = (200, 30, 30)
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


_OPTIONS = {
    "libx264": {"preset": "ultrafast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libsvtav1": {"preset": "12", "svtav1-params": "lp=1"},
}


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def opened(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture


def _chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png_bomb(width: int, height: int, rows: int) -> bytes:
    """A grey picture that says how large it is, and has just so many rows."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packed = zlib.compress(bytes(rows * (1 + width)), 1)
    return PNG_MAGIC + _chunk(b"IHDR", head) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def png_with_text_bomb() -> bytes:
    """A picture whose text unpacks to 64 MB."""
    text = b"Comment\0\0" + zlib.compress(bytes(64 * 1024 * 1024), 1)
    whole = saved(Image.new("RGB", (8, 8)), "PNG")
    return whole[:33] + _chunk(b"zTXt", text) + whole[33:]


def jpeg_of_many_scans(scans: int) -> bytes:
    """A progressive picture whose first scan comes again and again."""
    whole = saved(Image.new("RGB", (64, 64), RED), "JPEG", progressive=True)
    start = whole.index(b"\xff\xda")
    end = whole.index(b"\xff", start + 2 + struct.unpack_from(">H", whole, start + 2)[0])
    return whole[:end] + whole[start:end] * scans + whole[end:]


def clip(
    codec: str = "libx264",
    size: tuple[int, int] = (320, 180),
    *,
    pixels: str = "yuv420p",
    movflags: str = "",
    frames: int = 3,
) -> bytes:
    """A red clip; its index comes last."""
    file = io.BytesIO()
    options = {"movflags": movflags} if movflags else {}
    with av.open(file, "w", format="mp4", options=options) as container:
        video = container.add_stream(codec, rate=24, options=_OPTIONS.get(codec, {}))
        video.width, video.height = size
        video.pix_fmt = pixels
        for _ in range(frames):
            container.mux(video.encode(av.VideoFrame.from_image(Image.new("RGB", size, RED))))
        container.mux(video.encode(None))
    return file.getvalue()


def patched(content: bytes, box: bytes, offset: int, *numbers: int) -> bytes:
    """Put other numbers into the first box of a kind, so far behind its name."""
    start = content.index(box) + len(box) + offset
    written = struct.pack(f">{len(numbers)}I", *numbers)
    return content[:start] + written + content[start + len(written) :]


def with_frame(content: bytes, frame: bytes) -> bytes:
    """Put another first frame at the end of a file."""
    content = patched(content, b"stco", 8, len(content))
    return patched(content, b"stsz", 12, len(frame)) + frame


def boxed(kind: bytes, *inside: bytes) -> bytes:
    content = b"".join(inside)
    return struct.pack(">I4s", 8 + len(content), kind) + content
