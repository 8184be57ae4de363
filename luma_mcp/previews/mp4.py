"""The first sample of an MP4 file, read without FFmpeg's demuxer.

That one builds an index of all samples before it reads any: a file of a few kB that claims to have
fifty million took it 14 s and 3 GB. It also knows a hundred codecs, and files that refer to others.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

MAX_BOXES = 1_000  # side by side
# A frame has a handful of parts; thousands of them would be as many frames, each to be decoded.
MAX_UNITS = 64
_VISUAL_ENTRY_BYTES = 78  # ISO/IEC 14496-12, 12.1.3: what comes before the boxes of an entry
_LARGE = 1  # a size that says that it follows with 64 bits
_TO_THE_END = 0
# By the kind of a sample entry: the decoder, and the box of what it needs to know.
_CODECS = {
    b"avc1": ("h264", b"avcC"),
    b"avc3": ("h264", b"avcC"),
    b"hvc1": ("hevc", b"hvcC"),
    b"hev1": ("hevc", b"hvcC"),
    b"av01": ("libdav1d", b"av1C"),
    b"vp09": ("vp9", None),
}
# Where the box of what a decoder needs to know says how NAL units begin.
_PREFIX_AT = {"h264": 4, "hevc": 21}


class Unreadable(Exception):
    """There is no first frame in these bytes, because of what the text says."""


@dataclass(frozen=True)
class Sample:
    """One frame as it is coded.

    Attributes:
        codec: The decoder's name.
        setup: What it needs to know beforehand.
        size: Width and height in pixels, as the file says.
        content: The coded frame.
    """

    codec: str
    setup: bytes | None
    size: tuple[int, int]
    content: bytes


def first_sample(content: bytes) -> Sample:
    """Find the first frame of the first video track; the end of the file may be missing.

    Raises:
        Unreadable: There is none, or not among these bytes, or its codec is another.
        struct.error: A box is too short.
    """
    if content[4:8] != b"ftyp":
        raise Unreadable("it is no MP4 file")
    for kind, track in _boxes(_inside(memoryview(content), b"moov")):
        if kind == b"trak" and _is_video(track):
            return _first_of(_inside(track, b"mdia", b"minf", b"stbl"), content)
    raise Unreadable("it has no video track")


def _boxes(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Give the boxes that stand side by side, with what is in them; the last may be cut off."""
    for _ in range(MAX_BOXES):
        if len(content) < 8:  # noqa: PLR2004 - size and kind
            return
        size, kind = struct.unpack_from(">I4s", content)
        head = 8
        if size == _LARGE:
            (size,) = struct.unpack_from(">Q", content, head)
            head = 16
        elif size == _TO_THE_END:
            size = len(content)
        if size < head:
            raise Unreadable("a box is smaller than its head")
        yield kind, content[head:size]
        content = content[size:]


def _inside(content: memoryview, *path: bytes) -> memoryview:
    """Go down to a box, each time into the first of its kind."""
    for name in path:
        found = next((inside for kind, inside in _boxes(content) if kind == name), None)
        if found is None:
            raise Unreadable(f"it has no {name.decode()}")
        content = found
    return content


def _is_video(track: memoryview) -> bool:
    return bytes(_inside(track, b"mdia", b"hdlr")[8:12]) == b"vide"


def _first_of(table: memoryview, content: bytes) -> Sample:
    kind, entry = next(_boxes(_inside(table, b"stsd")[8:]), (b"", memoryview(b"")))
    if kind not in _CODECS:
        raise Unreadable("its codec is another")
    codec, setup = _CODECS[kind]
    start, length = _chunk_start(table), _sample_length(_inside(table, b"stsz"))
    if not 0 < length <= len(content) - start:
        raise Unreadable("its first frame is not among these bytes")
    sample = Sample(
        codec,
        bytes(_inside(entry[_VISUAL_ENTRY_BYTES:], setup)) if setup else None,
        struct.unpack_from(">2H", entry, 24),
        content[start : start + length],
    )
    if sum(1 for _ in islice(_units(sample), MAX_UNITS + 1)) > MAX_UNITS:
        raise Unreadable("its first frame has too many parts")
    return sample


def _chunk_start(table: memoryview) -> int:
    """Where the first chunk is in the file, and with it the first sample."""
    for kind, inside in _boxes(table):
        if kind in {b"stco", b"co64"}:
            (start,) = struct.unpack_from(">I" if kind == b"stco" else ">Q", inside, 8)
            return start
    raise Unreadable("it has no stco")


def _sample_length(sizes: memoryview) -> int:
    """Either all samples have the same length, or a list follows."""
    (length,) = struct.unpack_from(">I", sizes, 4)
    return length or struct.unpack_from(">I", sizes, 12)[0]


def _units(sample: Sample) -> Iterator[int]:
    """Give where each part of a coded frame ends; one of VP9 has eight at most by its format."""
    content, at = sample.content, 0
    while at < len(content) and sample.codec != "vp9":
        if sample.codec in _PREFIX_AT:
            prefix = _prefix_bytes(sample)
            at += prefix + int.from_bytes(content[at : at + prefix])
        else:
            at = _end_of_obu(content, at)
        if at > len(content):
            raise Unreadable("a part of its first frame is longer than it")
        yield at


def _prefix_bytes(sample: Sample) -> int:
    """How many bytes the length before a NAL unit has (ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1)."""
    setup, place = sample.setup, _PREFIX_AT[sample.codec]
    if setup is None or len(setup) <= place or setup[0] != 1:
        raise Unreadable("its first frame has no lengths")
    return (setup[place] & 3) + 1


def _end_of_obu(content: bytes, at: int) -> int:
    """Where an open bitstream unit ends (AV1 bitstream specification, 5.3)."""
    has_extension, has_size = content[at] & 4, content[at] & 2
    at += 2 if has_extension else 1
    if not has_size:
        return len(content)
    length = 0
    for place, byte in enumerate(content[at : at + 8]):  # 4.10.5, leb128()
        length |= (byte & 127) << (7 * place)
        if byte < 128:  # noqa: PLR2004 - the last has no upper bit
            return at + place + 1 + length
    raise Unreadable("a part of its first frame has no end")
