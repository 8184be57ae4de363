import uuid

import pytest

from luma_mcp.sandbox.concepts import CAMERA_MOTIONS, CONCEPTS
from tests.sandbox.conftest import Luma

CLIP = "https://media.example/clip.mp4"
PICTURE = "https://media.example/picture.jpg"
UNKNOWN = "123e4567-e89b-12d3-a456-426614174000"
VIDEO_ECHO = {
    "generation_type": "video",
    "model": "ray-1-6",
    "prompt": "a tiger",
    "aspect_ratio": "16:9",
    "loop": None,
    "keyframes": None,
    "resolution": None,
    "duration": None,
    "concepts": None,
    "callback_url": None,
}


async def test_ping_answers_pong(luma: Luma) -> None:
    answer = await luma.get("/ping")
    assert (answer.status_code, answer.json()) == (200, {"message": "pong"})


async def test_concepts_are_a_plain_list(luma: Luma) -> None:
    assert (await luma.get("/generations/concepts/list")).json() == list(CONCEPTS)
    assert len(CONCEPTS) == 34


async def test_the_older_list_of_camera_motions_is_there(luma: Luma) -> None:
    assert (await luma.get("/generations/camera_motion/list")).json() == list(CAMERA_MOTIONS)
    assert "camera orbit left" in CAMERA_MOTIONS


@pytest.mark.parametrize("path", ["/generations", "/generations/video"])
async def test_a_video_is_created_with_201_and_echoes_its_request(luma: Luma, path: str) -> None:
    answer = await luma.post(path, json={"prompt": "a tiger", "future": 1})
    generation = answer.json()
    assert answer.status_code == 201
    assert uuid.UUID(generation.pop("id")).version == 4
    assert generation == {
        "generation_type": "video",
        "state": "queued",
        "failure_reason": None,
        "created_at": "2026-01-01T00:00:00.000000Z",
        "assets": None,
        "model": "ray-1-6",
        "request": VIDEO_ECHO,
    }


async def test_members_that_were_sent_are_echoed_as_they_were(luma: Luma) -> None:
    sent = {
        "model": "ray-2",
        "prompt": "a tiger",
        "aspect_ratio": "9:21",
        "loop": True,
        "keyframes": {"frame0": {"type": "image", "url": PICTURE}, "frame1": None},
        "resolution": "1080",
        "duration": "9s",
        "concepts": [{"key": "static"}],
        "callback_url": "https://elsewhere.example/hook",
    }
    assert (await luma.make(**sent))["request"] == {**VIDEO_ECHO, **sent}


async def test_a_null_counts_as_not_sent(luma: Luma) -> None:
    generation = await luma.make(prompt="a tiger", aspect_ratio=None, loop=None)
    assert generation["request"]["aspect_ratio"] == "16:9"


async def test_an_image_is_created_with_201_and_echoes_its_request(luma: Luma) -> None:
    references = {
        "image_ref": [{"url": PICTURE, "weight": 0.85}] * 4,
        "style_ref": [{"url": PICTURE, "weight": None}],
        "character_ref": {"identity0": {"images": [PICTURE]}},
        "modify_image_ref": {"url": PICTURE, "weight": 1},
    }
    answer = await luma.post("/generations/image", json={"prompt": "a pear", **references})
    assert answer.status_code == 201
    assert answer.json()["generation_type"] == "image"
    assert answer.json()["model"] == "photon-1"
    assert answer.json()["request"] == {
        "generation_type": "image",
        "model": "photon-1",
        "prompt": "a pear",
        "aspect_ratio": "16:9",
        "format": "jpg",
        "callback_url": None,
        "sync": False,
        "sync_timeout": 60,
        **references,
    }


async def test_an_image_is_reframed_with_201(luma: Luma) -> None:
    placement = {"grid_position_x": 1, "grid_position_y": 2, "x_start": 3, "x_end": 4}
    placement |= {"y_start": 5, "y_end": 6, "resized_width": 7, "resized_height": 8}
    sent = {
        "generation_type": "reframe_image",
        "media": {"url": PICTURE},
        "aspect_ratio": "1:1",
        "model": "photon-flash-1",
        **placement,
    }
    answer = await luma.post("/generations/image/reframe", json=sent)
    assert answer.status_code == 201
    assert answer.json()["generation_type"] == "image"
    assert answer.json()["request"] == {
        **sent,
        "prompt": "",
        "format": "jpg",
        "callback_url": None,
    }


async def test_a_video_is_reframed_with_201(luma: Luma) -> None:
    sent = {"media": {"url": CLIP}, "aspect_ratio": "1:1", "model": "ray-flash-2"}
    answer = await luma.post("/generations/video/reframe", json=sent)
    assert answer.status_code == 201
    assert answer.json()["generation_type"] == "video"
    assert answer.json()["request"]["generation_type"] == "reframe_video"
    assert answer.json()["model"] == "ray-flash-2"


@pytest.mark.parametrize("model", ["ray-2", "ray-flash-2"])
async def test_a_video_is_modified_with_201(luma: Luma, model: str) -> None:
    sent = {"media": {"url": CLIP}, "mode": "flex_2", "model": model, "prompt": "in snow"}
    answer = await luma.post("/generations/video/modify", json=sent)
    assert answer.status_code == 201
    assert answer.json()["request"] == {
        **sent,
        "generation_type": "modify_video",
        "first_frame": None,
        "callback_url": None,
    }


async def test_a_list_is_newest_first_in_pages(luma: Luma) -> None:
    ids = [(await luma.make(prompt=f"tiger {number}"))["id"] for number in range(5)]
    page = (await luma.get("/generations", params={"limit": 2, "offset": 1})).json()
    assert [generation["id"] for generation in page.pop("generations")] == [ids[3], ids[2]]
    assert page == {"has_more": True, "count": 2, "limit": 2, "offset": 1}
    page = (await luma.get("/generations", params={"limit": 2, "offset": 4})).json()
    assert (page["has_more"], page["count"]) == (False, 1)


async def test_a_list_is_of_a_hundred_by_default(luma: Luma) -> None:
    page = (await luma.get("/generations")).json()
    assert page == {"generations": [], "has_more": False, "count": 0, "limit": 100, "offset": 0}


@pytest.mark.parametrize(
    ("name", "value"), [("limit", "0"), ("limit", "101"), ("limit", "ten"), ("offset", "-1")]
)
async def test_a_page_out_of_bounds_is_refused(luma: Luma, name: str, value: str) -> None:
    answer = await luma.get("/generations", params={name: value})
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(f"{name}: must be an integer from ")


@pytest.mark.parametrize("name", ["none", "video", UNKNOWN, "a%2Fb", "%00"])
async def test_an_unknown_id_is_404(luma: Luma, name: str) -> None:
    answer = await luma.get(f"/generations/{name}")
    assert answer.status_code == 404


async def test_deleting_answers_204_without_a_body_and_then_404(luma: Luma) -> None:
    clip = await luma.make(prompt="a tiger")
    answer = await luma.delete(f"/generations/{clip['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await luma.delete(f"/generations/{clip['id']}")).status_code == 404
    assert (await luma.get(f"/generations/{clip['id']}")).status_code == 404
