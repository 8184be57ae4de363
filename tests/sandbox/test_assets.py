import io

import httpx
import pytest
from PIL import Image

from luma_mcp.sandbox.clock import TurnedClock
from tests.sandbox.clips import decode
from tests.sandbox.conftest import Json, Luma


async def fetch(luma: Luma, generation: Json) -> httpx.Response:
    assets = (await luma.read(generation))["assets"]
    answer = await luma.get(assets["video"] or assets["image"], headers={"authorization": ""})
    assert answer.status_code == 200
    return answer


def measure(content: bytes) -> tuple[tuple[int, int], int, bool]:
    clip = decode(content)
    return clip.size, round(clip.seconds), clip.sound


async def test_a_finished_video_can_be_fetched_without_a_key(
    luma: Luma, clock: TurnedClock
) -> None:
    clip = await luma.make(prompt="a tiger", aspect_ratio="9:16")
    clock.advance(10)
    answer = await fetch(luma, clip)
    assert answer.headers["content-type"] == "video/mp4"
    assert measure(answer.content) == ((540, 960), 5, False)


@pytest.mark.parametrize(
    ("name", "media_type", "kind"), [("jpg", "image/jpeg", "JPEG"), ("png", "image/png", "PNG")]
)
async def test_a_finished_image_can_be_fetched_without_a_key(
    luma: Luma, clock: TurnedClock, name: str, media_type: str, kind: str
) -> None:
    image = await luma.make_image(format=name)
    clock.advance(3)
    answer = await fetch(luma, image)
    assert answer.headers["content-type"] == media_type
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.format == kind


async def test_the_media_of_a_deleted_generation_are_404(luma: Luma, clock: TurnedClock) -> None:
    image = await luma.make_image()
    clock.advance(3)
    url = (await fetch(luma, image)).url
    await luma.delete(f"/generations/{image['id']}")
    assert (await luma.get(url)).status_code == 404


async def test_a_clip_with_audio_has_a_track_for_it(luma: Luma, clock: TurnedClock) -> None:
    clip = await luma.make(prompt="a tiger", aspect_ratio="1:1")
    clock.advance(10)
    louder = (await luma.post(f"/generations/{clip['id']}/audio", json={})).json()
    clock.advance(10)
    assert measure((await fetch(luma, louder)).content) == ((720, 720), 5, True)


async def test_a_modified_clip_has_the_ratio_and_length_of_its_source(
    luma: Luma, clock: TurnedClock
) -> None:
    clip = await luma.make(prompt="a tiger", aspect_ratio="4:3", duration="9s")
    clock.advance(10)
    source = {"url": (await luma.read(clip))["assets"]["video"]}
    body = {"media": source, "model": "ray-2", "mode": "flex_1"}
    modified = (await luma.post("/generations/video/modify", json=body)).json()
    clock.advance(10)
    assert measure((await fetch(luma, modified)).content) == ((832, 624), 9, False)


async def test_a_reframed_clip_has_its_own_ratio_and_the_length_of_its_source(
    luma: Luma, clock: TurnedClock
) -> None:
    clip = await luma.make(prompt="a tiger", duration="9s")
    clock.advance(10)
    source = {"url": (await luma.read(clip))["assets"]["video"]}
    body = {"media": source, "model": "ray-2", "aspect_ratio": "21:9"}
    reframed = (await luma.post("/generations/video/reframe", json=body)).json()
    clock.advance(10)
    assert measure((await fetch(luma, reframed)).content) == ((966, 414), 9, False)


@pytest.mark.parametrize("url", ["https://a.example/clip.mp4", "https://a.example/media/clip.mp4"])
async def test_a_clip_from_elsewhere_counts_as_five_seconds(
    luma: Luma, clock: TurnedClock, url: str
) -> None:
    body = {"media": {"url": url}, "model": "ray-2", "mode": "flex_1"}
    modified = (await luma.post("/generations/video/modify", json=body)).json()
    clock.advance(10)
    assert measure((await fetch(luma, modified)).content) == ((960, 540), 5, False)


async def test_an_image_of_the_sandbox_may_be_reframed(luma: Luma, clock: TurnedClock) -> None:
    image = await luma.make_image()
    clock.advance(3)
    source = {"url": (await luma.read(image))["assets"]["image"]}
    body = {"media": source, "model": "photon-1", "aspect_ratio": "1:1"}
    reframed = (await luma.post("/generations/image/reframe", json=body)).json()
    clock.advance(3)
    with Image.open(io.BytesIO((await fetch(luma, reframed)).content)) as picture:
        assert picture.size == (720, 720)
