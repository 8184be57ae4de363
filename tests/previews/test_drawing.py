"""Drawing a small JPEG of foreign bytes, whatever they are."""

import struct
from collections.abc import Callable

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from luma_mcp.previews.drawing import MAX_PREVIEW_BYTES, MAX_SIDE, Unfit, draw_clip, draw_picture
from luma_mcp.previews.mp4 import Unreadable, first_sample
from luma_mcp.sandbox import media
from luma_mcp.sandbox.scenes import SIZES, Scene
from tests.previews.files import (
    PNG_MAGIC,
    RED,
    clip,
    jpeg_of_many_scans,
    opened,
    patched,
    png_bomb,
    png_with_text_bomb,
    saved,
    with_frame,
)
from tests.sandbox.pictures import paint

Color = tuple[int, int, int]
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def drawn(content: bytes, draw: Callable[[bytes], bytes] = draw_picture) -> Image.Image:
    preview = draw(content)
    assert len(preview) <= MAX_PREVIEW_BYTES
    picture = opened(preview)
    assert (picture.format, picture.mode) == ("JPEG", "RGB")
    assert max(picture.size) <= MAX_SIDE
    assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    return picture


def is_like(found: object, wanted: Color, tolerance: int = 8) -> bool:
    assert isinstance(found, tuple)
    return all(abs(one - other) <= tolerance for one, other in zip(found, wanted, strict=True))


# --- Pictures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size", [(30, 20), (1_600, 900), (900, 1_600), (3_840, 2_160), (768, 1)])
def test_a_picture_is_drawn_in_its_own_ratio_and_never_enlarged(
    kind: str, size: tuple[int, int]
) -> None:
    picture = drawn(saved(Image.new("RGB", size, RED), kind, method=0))
    scale = min(1, MAX_SIDE / max(size))
    assert picture.size == (round(size[0] * scale), round(size[1] * scale))
    assert is_like(picture.getpixel((picture.width // 2, picture.height // 2)), RED)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize(
    ("color", "shown"),
    [((*RED, 0), WHITE), ((*RED, 255), RED), ((0, 0, 0, 128), (127, 127, 127))],
)
def test_what_is_transparent_is_seen_on_white(
    kind: str, color: tuple[int, int, int, int], shown: Color
) -> None:
    content = saved(Image.new("RGBA", (1_600, 400), color), kind, lossless=True, exact=True)
    assert is_like(drawn(content).getpixel((300, 100)), shown)


def _palette() -> bytes:
    picture = Image.new("P", (40, 40))
    picture.putpalette([*RED, *BLACK])
    return saved(picture, "PNG")


def _transparent_palette() -> bytes:
    picture = Image.new("P", (40, 40))
    picture.putpalette([*RED, *BLACK])
    return saved(picture, "PNG", transparency=bytes([0, 255]))


def _transparent_color() -> bytes:
    return saved(Image.new("RGB", (40, 40), RED), "PNG", transparency=RED)


def _sixteen_bits() -> bytes:
    return saved(Image.new("I;16", (40, 40), 0x8080), "PNG")


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (_palette(), RED),
        (_transparent_palette(), WHITE),
        (_transparent_color(), WHITE),
        (_sixteen_bits(), (128, 128, 128)),
        (saved(Image.new("1", (40, 40), 1), "PNG"), WHITE),
        (saved(Image.new("L", (40, 40), 100), "PNG"), (100, 100, 100)),
        (saved(Image.new("LA", (40, 40), (0, 0)), "PNG"), WHITE),
        (saved(Image.new("L", (40, 40), 100), "JPEG"), (100, 100, 100)),
        (saved(Image.new("CMYK", (40, 40), (0, 255, 255, 0)), "JPEG"), (255, 0, 0)),
        (saved(Image.new("RGB", (40, 40), RED), "JPEG", progressive=True), RED),
    ],
)
def test_pictures_of_other_modes_have_their_colors(content: bytes, shown: Color) -> None:
    assert is_like(drawn(content).getpixel((20, 20)), shown)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_that_lies_on_its_side_is_turned(kind: str, orientation: int) -> None:
    picture = Image.new("RGB", (400, 200), BLACK)
    picture.paste(RED, (0, 0, 200, 100))  # the upper left quarter
    exif = Image.Exif()
    exif[0x0112] = orientation
    preview = drawn(saved(picture, kind, exif=exif))
    left, right, upper, lower = (0.25, 0.75, 0.25, 0.75)
    corners = {
        1: (left, upper),
        2: (right, upper),
        3: (right, lower),
        4: (left, lower),
        5: (left, upper),
        6: (right, upper),
        7: (right, lower),
        8: (left, lower),
    }
    assert preview.size == ((400, 200) if orientation < 5 else (200, 400))
    across, down = corners[orientation]
    place = (round(preview.width * across), round(preview.height * down))
    assert is_like(preview.getpixel(place), RED)


def test_nothing_but_the_picture_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret description"
    for kind in ("JPEG", "PNG", "WEBP"):
        content = saved(
            Image.new("RGB", (40, 40)),
            kind,
            exif=exif,
            comment=b"a secret comment",
            icc_profile=b"a secret profile",
            xmp=b"a secret packet",
        )
        assert b"secret" in content
        assert b"secret" not in draw_picture(content)


def test_a_picture_of_noise_is_made_small_enough() -> None:
    noise = Image.effect_noise((800, 800), 200).convert("RGB")
    assert max(drawn(saved(noise, "PNG")).size) < MAX_SIDE


@settings(max_examples=40)
@given(
    st.integers(1, 2_000),
    st.integers(1, 2_000),
    st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]),
    st.sampled_from([0.0, 100.0]),
)
def test_whatever_its_size_a_preview_has_its_bounds(
    width: int, height: int, mode: str, noise: float
) -> None:
    picture = Image.new(mode, (width, height))
    if noise:
        picture = Image.effect_noise((width % 800 + 1, height % 800 + 1), noise)
    drawn(saved(picture, "PNG", compress_level=1))


def test_a_picture_of_one_row_of_millions_is_drawn() -> None:
    assert drawn(png_bomb(19_000_000, 1, 1)).size == (768, 1)
    assert drawn(png_bomb(1, 1_000_000, 1_000_000)).size == (1, 768)


@pytest.mark.parametrize(
    "content",
    [
        png_bomb(8_000, 5_000, 5_000),
        png_bomb(5_000, 4_001, 1),
        png_bomb(60_000, 60_000, 1),
        png_bomb(2**31 - 1, 2**31 - 1, 0),
        png_bomb(0, 0, 0),
        png_with_text_bomb(),
        saved(Image.new("L", (8_000, 5_000)), "JPEG"),
        saved(Image.new("L", (8_000, 5_000)), "WEBP", lossless=True, method=0),
        jpeg_of_many_scans(101),
    ],
    ids=[
        "40 megapixels",
        "one row too many",
        "3600 megapixels",
        "the largest numbers",
        "nothing",
        "a text of 64 MB",
        "40 megapixels of JPEG",
        "40 megapixels of WebP",
        "scans without end",
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_not_drawn(content: bytes) -> None:
    assert len(content) < 2_000_000
    with pytest.raises(Exception) as caught:  # noqa: PT011 - Pillow has many
        draw_picture(content)
    assert not isinstance(caught.value, MemoryError)


def test_of_a_picture_with_other_rows_than_it_says_just_so_many_are_drawn() -> None:
    assert drawn(png_bomb(100, 100, 100_000)).size == (100, 100)
    assert drawn(png_bomb(2_000, 2_000, 10)).size == (768, 768)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        b"<!doctype html><title>Sign in</title>",
        b"%PDF-1.7",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        paint("GIF"),
        paint("TIFF"),
        paint("BMP"),
        paint("ICO"),
        paint("AVIF"),
        paint("JPEG2000"),
        b"RIFF\x24\0\0\0WAVEfmt ",
        PNG_MAGIC,
        b"\xff\xd8\xff",
        PNG_MAGIC + paint("GIF"),
        b" " + paint("PNG"),
    ],
)
def test_what_is_no_jpeg_png_or_webp_is_not_drawn(content: bytes) -> None:
    with pytest.raises((Unfit, OSError)):
        draw_picture(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_that_breaks_off_is_not_drawn(kind: str) -> None:
    content = saved(Image.effect_noise((300, 300), 100).convert("RGB"), kind)
    for part in (len(content) // 2, len(content) // 10, 40):
        with pytest.raises((OSError, SyntaxError)):
            draw_picture(content[:part])


@given(
    st.sampled_from([paint(kind, (60, 40)) for kind in ("JPEG", "PNG", "WEBP")]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
)
@pytest.mark.filterwarnings("ignore")
def test_a_picture_with_wrong_bytes_is_drawn_within_bounds_or_not(
    content: bytes, changes: list[tuple[float, int]]
) -> None:
    changed = bytearray(content)
    for place, value in changes:
        changed[int(place * (len(content) - 1))] = value
    try:
        preview = draw_picture(bytes(changed))
    except Exception:  # noqa: BLE001 - Pillow has many
        return
    assert len(preview) <= MAX_PREVIEW_BYTES


# --- Clips --------------------------------------------------------------------------------------


def clip_of_the_sandbox(ratio: str, *, hdr: bool = False) -> bytes:
    return media.draw(
        Scene(title="A boat", model="ray-2", format="mp4", aspect_ratio=ratio, seconds=1, hdr=hdr)
    )


@pytest.mark.parametrize("ratio", ["16:9", "9:16", "1:1", "21:9"])
def test_the_first_frame_of_a_clip_is_drawn(ratio: str) -> None:
    content = clip_of_the_sandbox(ratio, hdr=ratio == "16:9")
    preview = drawn(content, draw_clip)
    width, height = SIZES[ratio]
    scale = min(1, MAX_SIDE / max(width, height))
    assert preview.size == (round(width * scale), round(height * scale))
    assert preview.getextrema() != ((0, 0), (0, 0), (0, 0))


@pytest.mark.parametrize(
    ("codec", "pixels"),
    [
        ("libx264", "yuv420p"),
        ("libx264", "yuv420p10le"),
        ("libx264", "yuv444p"),
        ("libx265", "yuv420p10le"),
        ("libvpx-vp9", "yuv420p"),
        ("libsvtav1", "yuv420p10le"),
    ],
)
def test_a_clip_of_another_codec_or_depth_has_its_colors(codec: str, pixels: str) -> None:
    preview = drawn(clip(codec, pixels=pixels), draw_clip)
    assert is_like(preview.getpixel((100, 100)), RED)


def test_a_clip_that_is_cut_off_behind_its_first_frame_is_drawn() -> None:
    content = clip_of_the_sandbox("16:9")
    assert drawn(content[: len(content) // 2], draw_clip).size == (768, 432)


def test_a_clip_with_more_pixels_than_it_says_is_not_drawn() -> None:
    honest = clip(size=(6_000, 4_000), frames=1)
    with pytest.raises(Unfit, match="too many pixels"):
        draw_clip(honest)
    entry = honest.index(b"avc1", honest.index(b"stsd"))
    lying = bytearray(honest)
    lying[entry + 28 : entry + 32] = struct.pack(">2H", 320, 180)
    with pytest.raises(Exception, match="Invalid data"):
        draw_clip(bytes(lying))


@pytest.mark.parametrize("junk", [bytes(500), b"\xff" * 500, b"file:///etc/passwd\n" * 20])
def test_a_clip_whose_frame_makes_no_sense_is_not_drawn(junk: bytes) -> None:
    frame = struct.pack(">IB", len(junk) + 1, 0x65) + junk  # a part that says it is a picture
    with pytest.raises((Unfit, av.FFmpegError)):
        draw_clip(with_frame(clip(), frame))


def test_a_clip_whose_first_frame_shows_nothing_is_not_drawn() -> None:
    content = clip("libsvtav1")
    setup = first_sample(content).content[1] + 2  # its sequence header alone
    with pytest.raises(Unfit, match="cannot be decoded"):
        draw_clip(patched(content, b"stsz", 12, setup))


def test_a_clip_that_refers_to_another_file_makes_nobody_open_it() -> None:
    playlist = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"
    for content in (playlist, b"ffconcat version 1.0\nfile '/etc/passwd'\n", paint("GIF")):
        with pytest.raises(Unreadable):
            draw_clip(content)
    # An alias of QuickTime's: the frame would be in the file that it names, but this one is read.
    content = clip().replace(b"url ", b"alis")
    assert drawn(content, draw_clip).size == (320, 180)


def test_a_clip_of_fifty_million_frames_costs_no_more_than_another() -> None:
    one = struct.unpack_from(">I", content := clip(), content.index(b"stsz") + 16)[0]
    content = patched(content, b"stsz", 4, one, 50_000_000)
    content = patched(content, b"stsc", 12, 50_000_000)
    assert drawn(content, draw_clip).size == (320, 180)
