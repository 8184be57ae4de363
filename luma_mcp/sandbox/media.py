"""The drawing of scenes: clips as MP4 (H.264, AAC) and pictures as JPEG, PNG or EXR.

A clip shows its prompt over soft lights that wander; the longer side has about 960 pixels whatever
the resolution, which is only written in the corner. So is HDR: the clip has eight bits like any
other, and its EXR is one small picture of the first frame.
"""

import colorsys
import hashlib
import io
import math
import struct
import tempfile
from array import array
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from luma_mcp.sandbox.scenes import Layer, Scene

FRAMES_PER_SECOND = 24
_SAMPLES_PER_SECOND = 24_000
_SAMPLES_PER_FRAME = 1_024
_TONE_HERTZ = 220
_VOLUME = 0.05
_LIGHTS = 3
_MAX_TITLE = 240
_EXR_SIZE = (16, 10)
_EXR_MAGIC = b"\x76\x2f\x31\x01\x02\0\0\0"  # the number of the format, and version 2
_PAPER = (250, 248, 244)

Color = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=32)  # who tries things makes the same wish again and again
def draw(scene: Scene) -> bytes:
    """The file of a scene; takes about a second of CPU for a clip, so call it in a thread."""
    encoders = {"mp4": _encode_clip, "exr": _encode_exr}
    return encoders.get(scene.format, _encode_picture)(scene)


def _encode_picture(scene: Scene) -> bytes:
    file = io.BytesIO()
    stage = _Stage(scene)
    picture = stage.show_layer(scene.layer) if scene.layer else stage.show(0.15)
    if scene.format == "png":
        picture.save(file, "PNG", compress_level=3)
    else:
        picture.save(file, "JPEG", quality=88)
    return file.getvalue()


def _encode_exr(scene: Scene) -> bytes:
    """A picture of a few pixels, uncompressed (openexr.com, "OpenEXR File Layout")."""
    picture = _Stage(scene).show(0).resize(_EXR_SIZE)
    width, height = _EXR_SIZE
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    # A channel: its name, its kind (1: half a float), three bytes of nothing much, and sampling.
    channels = b"".join(
        name + b"\0" + struct.pack("<4i", 1, 0, 1, 1) for name in (b"B", b"G", b"R")
    )
    attributes = [
        (b"channels", b"chlist", channels + b"\0"),
        (b"compression", b"compression", b"\0"),
        (b"dataWindow", b"box2i", window),
        (b"displayWindow", b"box2i", window),
        (b"lineOrder", b"lineOrder", b"\0"),
        (b"pixelAspectRatio", b"float", struct.pack("<f", 1)),
        (b"screenWindowCenter", b"v2f", struct.pack("<2f", 0, 0)),
        (b"screenWindowWidth", b"float", struct.pack("<f", 1)),
    ]
    head = _EXR_MAGIC + b"".join(
        name + b"\0" + kind + b"\0" + struct.pack("<i", len(value)) + value
        for name, kind, value in attributes
    )
    head += b"\0"
    row_bytes = 8 + 3 * 2 * width
    first = len(head) + 8 * height
    table = struct.pack(f"<{height}Q", *(first + row_bytes * row for row in range(height)))
    blue, green, red = (picture.getchannel(name).tobytes() for name in ("B", "G", "R"))
    rows = b"".join(
        struct.pack("<2i", row, row_bytes - 8)
        + b"".join(
            struct.pack(f"<{width}e", *(v / 255 for v in plane[row * width : (row + 1) * width]))
            for plane in (blue, green, red)
        )
        for row in range(height)
    )
    return head + table + rows


def _encode_clip(scene: Scene) -> bytes:
    # A file on disk, because the muxer reads it again to move its index to the front.
    with tempfile.TemporaryDirectory(prefix="luma-sandbox-") as folder:
        path = Path(folder, "clip.mp4")
        options = {"movflags": "faststart"}
        with av.open(str(path), "w", format="mp4", options=options) as container:
            _write_clip(container, scene)
        return path.read_bytes()


def _write_clip(container: av.container.OutputContainer, scene: Scene) -> None:
    video = container.add_stream(
        "libx264", rate=FRAMES_PER_SECOND, options={"preset": "ultrafast", "crf": "26"}
    )
    video.width, video.height = scene.size
    video.pix_fmt = "yuv420p"
    video.thread_count = 2
    audio = None
    if scene.sound:
        audio = container.add_stream("aac", rate=_SAMPLES_PER_SECOND, layout="mono")
    for frame in _list_frames(scene):
        container.mux(video.encode(frame))
    container.mux(video.encode(None))
    if audio:
        for sound in _list_sounds(scene.seconds):
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))


def _list_frames(scene: Scene) -> Iterator[av.VideoFrame]:
    stage = _Stage(scene)
    count = FRAMES_PER_SECOND * scene.seconds
    for number in range(count):
        picture = stage.show(number / count)
        frame = av.VideoFrame.from_image(picture)
        frame.pts = number
        frame.time_base = Fraction(1, FRAMES_PER_SECOND)
        yield frame


def _list_sounds(seconds: int) -> Iterator[av.AudioFrame]:
    total = seconds * _SAMPLES_PER_SECOND
    step = 2 * math.pi * _TONE_HERTZ / _SAMPLES_PER_SECOND
    for start in range(0, total, _SAMPLES_PER_FRAME):
        numbers = range(start, min(start + _SAMPLES_PER_FRAME, total))
        samples = array("f", (_VOLUME * math.sin(step * number) for number in numbers))
        frame = av.AudioFrame(format="fltp", layout="mono", samples=len(samples))
        frame.planes[0].update(samples.tobytes())
        frame.sample_rate = _SAMPLES_PER_SECOND
        frame.pts = start
        frame.time_base = Fraction(1, _SAMPLES_PER_SECOND)
        yield frame


class _Stage:
    """What stays the same from frame to frame, and where the lights go."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._digest = hashlib.sha256(scene.title.encode(errors="replace")).digest()
        self._width, self._height = scene.size
        hue = self._digest[0] / 256
        self._ground = _draw_gradient(
            scene.size, _mix(hue, 0.62, 0.30), _mix(hue + 0.09, 0.70, 0.10)
        )
        self._lights = [
            _draw_light(min(scene.size), _mix(hue + 0.06 * number, 0.55, 0.95))
            for number in range(_LIGHTS)
        ]
        self._words = _write_words(scene)
        self._bar = Image.new("RGB", (self._width, 4), _mix(hue + 0.5, 0.25, 1.0))

    def show(self, moment: float) -> Image.Image:
        """The picture at a moment, from 0 (the first frame) towards 1 (the end)."""
        picture = self._ground.copy()
        for number, light in enumerate(self._lights):
            picture.paste(light, self._place(number, light.width, moment), light)
        picture.paste(self._words, (0, 0), self._words)
        if self._scene.format == "mp4" and not self._scene.loop:
            picture.paste(self._bar.crop((0, 0, round(self._width * moment), 4)), (0, 0))
        return picture

    def show_layer(self, layer: Layer) -> Image.Image:
        """One of the layers that the picture is made of: words, lights, ground."""
        if layer.alpha_hint == "none":
            return self._ground.convert("RGBA")
        if layer.alpha_hint == "hard":
            return self._words
        empty = Image.new("RGBA", (self._width, self._height), (0, 0, 0, 0))
        for number, light in enumerate(self._lights):
            one = Image.new("RGBA", empty.size, (0, 0, 0, 0))
            one.paste(light, self._place(number, light.width, 0.15))
            empty = Image.alpha_composite(empty, one)
        return empty

    def _place(self, number: int, size: int, moment: float) -> tuple[int, int]:
        """Whole rounds for a loop, so that its end meets its beginning; else part of a round."""
        rounds = 1 if self._scene.loop else 0.7
        turn = 2 * math.pi * (moment * rounds + self._digest[1 + number] / 256)
        direction = -1 if number % 2 else 1
        x = self._width * (0.5 + 0.40 * math.cos(direction * turn))
        y = self._height * (0.5 + 0.34 * math.sin(turn))
        return round(x - size / 2), round(y - size / 2)


def _mix(hue: float, saturation: float, brightness: float) -> Color:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, brightness)
    return round(red * 255), round(green * 255), round(blue * 255)


def _draw_gradient(size: tuple[int, int], top: Color, bottom: Color) -> Image.Image:
    blend = Image.linear_gradient("L").resize(size)
    return Image.composite(Image.new("RGB", size, bottom), Image.new("RGB", size, top), blend)


def _draw_light(size: int, color: Color) -> Image.Image:
    glow = Image.radial_gradient("L").resize((size, size)).point(lambda value: max(0, 150 - value))
    light = Image.new("RGBA", (size, size), color)
    light.putalpha(glow)
    return light


def _write_words(scene: Scene) -> Image.Image:
    layer = Image.new("RGBA", scene.size, (*_PAPER, 0))
    pen = ImageDraw.Draw(layer)
    width, height = scene.size
    title = " ".join(scene.title.split())
    if len(title) > _MAX_TITLE:
        title = title[: _MAX_TITLE - 1] + "…"
    font = ImageFont.load_default(size=max(22, min(width, height) // (9 + len(title) // 12)))
    text = "\n".join(_wrap(title, font, 0.8 * width))
    place = (width / 2, height / 2)
    pen.multiline_text(place, text, (*_PAPER, 255), font, anchor="mm", align="center")
    shadow = Image.new("RGBA", scene.size, (0, 0, 0, 0))
    shadow.putalpha(layer.getchannel("A").filter(ImageFilter.GaussianBlur(6)))
    layer = Image.alpha_composite(shadow, layer)
    small = ImageFont.load_default(size=16)
    pen = ImageDraw.Draw(layer)
    pen.text((20, height - 20), scene.caption, (*_PAPER, 200), small, anchor="ls")
    return layer


def _wrap(text: str, font: Font, width: float) -> Iterator[str]:
    line = ""
    for word in text.split():
        for part in _break(word, font, width):
            longer = f"{line} {part}".strip()
            if line and font.getlength(longer) > width:
                yield line
                longer = part
            line = longer
    yield line


def _break(word: str, font: Font, width: float) -> Iterator[str]:
    """A word in parts that fit on a line."""
    size = max(1, int(len(word) * width / max(width, font.getlength(word))))
    yield from (word[start : start + size] for start in range(0, len(word), size))
