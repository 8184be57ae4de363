"""Finding the first frame of an MP4 file."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_mcp.previews.mp4 import Unreadable, first_sample
from luma_mcp.sandbox import media
from luma_mcp.sandbox.scenes import Scene
from tests.previews.files import boxed, clip, patched, with_frame

CLIP = clip()
SAMPLE = first_sample(CLIP)


def test_the_first_frame_of_a_clip_of_the_sandbox_is_found() -> None:
    content = media.draw(Scene(title="Boat", model="ray-2", format="mp4", seconds=1, sound=True))
    sample = first_sample(content)
    assert (sample.codec, sample.size) == ("h264", (960, 540))
    assert sample.setup is not None
    assert sample.content in content


def test_an_index_that_comes_last_is_found_too() -> None:
    assert CLIP.index(b"mdat") < CLIP.index(b"moov")
    assert (SAMPLE.codec, SAMPLE.size) == ("h264", (320, 180))


def test_the_end_of_the_file_may_be_missing_but_not_the_frame() -> None:
    content = media.draw(Scene(title="Boat", model="ray-2", format="mp4", seconds=1))
    sample = first_sample(content)
    end = content.index(sample.content) + len(sample.content)
    assert first_sample(content[:end]) == sample
    with pytest.raises(Unreadable, match="not among"):
        first_sample(content[: end - 1])


@pytest.mark.parametrize(
    ("box", "numbers"),
    [(b"stsz", (len(SAMPLE.content), 2**32 - 1)), (b"stsc", (1, 1, 2**31)), (b"stts", (2**31,))],
)
def test_how_many_frames_there_should_be_costs_nothing(box: bytes, numbers: list[int]) -> None:
    assert first_sample(patched(CLIP, box, 4, *numbers)) == SAMPLE


def test_an_index_of_64_bits_and_lengths_that_are_all_alike_are_understood() -> None:
    start = CLIP.index(SAMPLE.content)
    length = len(SAMPLE.content)
    table = boxed(
        b"stbl",
        CLIP[CLIP.index(b"stsd") - 4 : CLIP.index(b"stts") - 4],
        boxed(b"stsz", struct.pack(">III", 0, length, 9)),
        boxed(b"co64", struct.pack(">IIQ", 0, 1, start)),
    )
    kind = boxed(b"hdlr", bytes(8), b"vide")
    media_box = boxed(b"mdia", kind, boxed(b"minf", table))
    moov = boxed(b"moov", boxed(b"free"), boxed(b"trak", media_box))
    large = struct.pack(">I4sQ", 1, b"moov", len(moov) + 8) + moov[8:]
    to_the_end = struct.pack(">I4s", 0, b"moov") + moov[8:]
    head = CLIP[: CLIP.index(b"moov") - 4]
    for written in (moov, large, to_the_end):
        assert first_sample(head + written) == SAMPLE


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no MP4"),
        (b"\x1aE\xdf\xa3" + bytes(100), "no MP4"),
        (boxed(b"ftyp", b"isom"), "no moov"),
        (boxed(b"ftyp", b"isom") + boxed(b"moov"), "no video track"),
        (boxed(b"ftyp", b"isom") + boxed(b"moov", boxed(b"trak")), "no mdia"),
        (boxed(b"ftyp", b"isom") + struct.pack(">I4s", 7, b"moov"), "smaller than its head"),
        (boxed(b"ftyp", b"isom") + struct.pack(">I4sQ", 1, b"moov", 3), "smaller than its head"),
        (boxed(b"ftyp", b"isom") + boxed(b"free") * 1_000 + boxed(b"moov"), "no moov"),
        (CLIP.replace(b"vide", b"soun"), "no video track"),
        (CLIP.replace(b"avc1", b"mp4v"), "codec is another"),
        (CLIP.replace(b"avc1", b"encv"), "codec is another"),
        (CLIP.replace(b"avcC", b"free"), "no avcC"),
        (CLIP.replace(b"stco", b"free"), "no stco"),
        (CLIP.replace(b"stsz", b"free"), "no stsz"),
        (patched(CLIP, b"stco", 8, 2**32 - 1), "not among"),
        (patched(CLIP, b"stsz", 4, 2**32 - 1), "not among"),
        (patched(CLIP, b"stsz", 12, 0), "not among"),
        (boxed(b"moov") + CLIP, "no MP4"),
    ],
)
def test_what_has_no_first_frame_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        first_sample(content)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "libvpx-vp9"])
def test_a_frame_of_any_codec_has_few_parts(codec: str) -> None:
    assert first_sample(clip(codec)).content


@pytest.mark.parametrize(
    ("codec", "frame", "reason"),
    [
        ("libx264", struct.pack(">IB", 1, 9) * 65, "too many parts"),
        ("libx264", struct.pack(">IB", 9, 9), "longer than it"),
        ("libx264", b"\0\0\0\1\x09\0\0\0\1\x65" + bytes(9), "too many parts|longer than it"),
        ("libx265", struct.pack(">IB", 1, 70) * 65, "too many parts"),
        ("libsvtav1", b"\x12\0" * 65, "too many parts"),
        ("libsvtav1", b"\x16\0\0" * 65, "too many parts"),
        ("libsvtav1", b"\x12\x09", "longer than it"),
        ("libsvtav1", b"\x12" + b"\xff" * 9, "no end"),
    ],
)
def test_a_frame_that_would_be_many_is_refused(codec: str, frame: bytes, reason: str) -> None:
    content = clip(codec)
    with pytest.raises(Unreadable, match=reason):
        first_sample(with_frame(content, frame))


def test_a_part_may_go_on_to_the_end_of_its_frame() -> None:
    assert first_sample(with_frame(clip("libsvtav1"), b"\x10" * 500)).content == b"\x10" * 500


@pytest.mark.parametrize("version", [0, 2])
def test_a_frame_whose_parts_have_no_lengths_is_refused(version: int) -> None:
    place = CLIP.index(b"avcC") + 4
    with pytest.raises(Unreadable, match="no lengths"):
        first_sample(CLIP[:place] + bytes([version]) + CLIP[place + 1 :])


def test_a_fragmented_file_has_none() -> None:
    with pytest.raises((Unreadable, struct.error)):
        first_sample(clip(movflags="frag_keyframe+empty_moov"))


INDEX = len(CLIP) - CLIP.index(b"moov")


@given(
    st.lists(st.tuples(st.integers(1, INDEX), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, INDEX),
)
def test_whatever_is_wrong_is_one_of_two_errors_or_a_part_of_the_file(
    changes: list[tuple[int, int]], cut: int
) -> None:
    content = bytearray(CLIP)
    for place, value in changes:
        content[-place] = value
    try:
        sample = first_sample(bytes(content[: len(content) - cut]))
    except (Unreadable, struct.error):
        return
    assert sample.content in bytes(content)
