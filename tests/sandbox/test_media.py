import io
import itertools
from dataclasses import replace

import av
import pytest
from PIL import Image, ImageChops, ImageStat

from luma_mcp.sandbox.media import draw
from luma_mcp.sandbox.scenes import SIZES, Scene
from tests.sandbox.clips import decode

CLIP = Scene(title="A tiger walks in the snow", model="ray-2", format="mp4", seconds=1)


def pictures_of(scene: Scene) -> list[Image.Image]:
    return [frame.to_image() for frame in decode(draw(scene)).frames]


def differ(one: Image.Image, other: Image.Image) -> float:
    """How far two pictures are from each other, on average, per pixel and colour."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


@pytest.mark.parametrize(("ratio", "size"), SIZES.items())
def test_a_clip_has_exactly_the_ratio_that_was_asked_for(ratio: str, size: tuple[int, int]) -> None:
    clip = decode(draw(replace(CLIP, aspect_ratio=ratio)))
    width, height = ratio.split(":")
    assert clip.size == size
    assert size[0] * int(height) == size[1] * int(width)
    assert size[0] % 2 == size[1] % 2 == 0


@pytest.mark.parametrize("seconds", [5, 9])
def test_a_clip_has_the_length_that_was_asked_for_at_24_frames_a_second(seconds: float) -> None:
    clip = decode(draw(replace(CLIP, seconds=seconds)))
    assert len(clip.frames) == 24 * seconds
    assert clip.seconds == pytest.approx(seconds, abs=0.05)


def test_a_clip_is_h264_in_a_form_that_browsers_play_while_it_arrives() -> None:
    content = draw(CLIP)
    clip = decode(content)
    assert (clip.codec, clip.pixel_format) == ("h264", "yuv420p")
    assert content.index(b"moov") < content.index(b"mdat")


def test_a_clip_moves() -> None:
    frames = pictures_of(CLIP)
    assert differ(frames[0], frames[12]) > 3


def test_the_end_of_a_loop_leads_into_its_beginning() -> None:
    frames = pictures_of(replace(CLIP, loop=True, seconds=2))
    steps = [differ(one, next_) for one, next_ in itertools.pairwise(frames)]
    assert differ(frames[-1], frames[0]) < 2 * max(steps)


def test_the_end_of_another_clip_is_elsewhere_than_its_beginning() -> None:
    frames = pictures_of(CLIP)
    assert differ(frames[-1], frames[0]) > 3


def test_a_clip_without_audio_has_no_track_for_it() -> None:
    assert not decode(draw(CLIP)).sound


def test_a_clip_with_audio_has_a_quiet_tone_as_long_as_itself() -> None:
    with av.open(io.BytesIO(draw(replace(CLIP, sound=True)))) as container:
        stream = container.streams.audio[0]
        frames = list(container.decode(stream))
        loudest = max(max(memoryview(frame.planes[0]).cast("f")) for frame in frames)
    assert stream.codec_context.name == "aac"
    assert sum(frame.samples for frame in frames) / stream.rate == pytest.approx(1, abs=0.1)
    assert 0.01 < loudest < 0.2


@pytest.mark.parametrize(("name", "kind"), [("jpg", "JPEG"), ("png", "PNG")])
def test_a_picture_has_the_format_and_ratio_that_were_asked_for(name: str, kind: str) -> None:
    scene = Scene(title="A pear", model="photon-1", format=name, aspect_ratio="3:4")
    with Image.open(io.BytesIO(draw(scene))) as picture:
        assert (picture.format, picture.size) == (kind, (624, 832))


def test_a_picture_shows_its_title() -> None:
    scene = Scene(title="A pear", model="photon-1", format="png")
    pictures = [
        Image.open(io.BytesIO(draw(replace(scene, model=model)))) for model in ("", "photon-1")
    ]
    assert differ(*pictures) > 0
    brightest = pictures[0].crop((300, 200, 660, 340)).convert("L").getextrema()[1]
    assert brightest > 240


@pytest.mark.parametrize(
    "title", ["", "x" * 5_000, "word " * 1_000, "\x00\r\n日本 🍐", "مرحبا", "\ud800"]
)
def test_any_title_can_be_drawn(title: str) -> None:
    assert draw(Scene(title=title, model="photon-1", format="jpg", aspect_ratio="9:21"))
