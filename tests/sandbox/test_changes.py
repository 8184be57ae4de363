import pytest

from luma_mcp.sandbox.clock import TurnedClock
from tests.sandbox.conftest import Luma


async def test_upscaling_makes_a_new_generation_with_200(luma: Luma, clock: TurnedClock) -> None:
    clip = await luma.make(prompt="a tiger", resolution="720p")
    clock.advance(10)
    body = {"resolution": "4k"}
    answer = await luma.post(f"/generations/{clip['id']}/upscale", json=body)
    assert answer.status_code == 200
    assert answer.json()["id"] != clip["id"]
    assert answer.json()["generation_type"] == "video"
    assert answer.json()["request"] == {
        "generation_type": "upscale_video",
        "resolution": "4k",
        "callback_url": None,
    }
    clock.advance(10)
    assert (await luma.read(answer.json()))["state"] == "completed"


async def test_upscaling_goes_to_the_next_resolution_by_default(
    luma: Luma, clock: TurnedClock
) -> None:
    clip = await luma.make(prompt="a tiger", resolution="1080p")
    clock.advance(10)
    clip = (await luma.post(f"/generations/{clip['id']}/upscale", json={})).json()
    clock.advance(10)
    refusal = await luma.get_refusal(f"/generations/{clip['id']}/upscale")
    assert refusal == (400, "Resolution must be larger than 4k")


async def test_upscaling_to_no_larger_resolution_is_refused(luma: Luma, clock: TurnedClock) -> None:
    clip = await luma.make(prompt="a tiger", resolution="1080p")
    clock.advance(10)
    refusal = await luma.get_refusal(f"/generations/{clip['id']}/upscale", resolution="720")
    assert refusal == (400, "Resolution must be larger than 1080p")


async def test_adding_audio_makes_a_new_generation_with_200(luma: Luma, clock: TurnedClock) -> None:
    clip = await luma.make(prompt="a tiger")
    clock.advance(10)
    body = {"prompt": "a growl", "negative_prompt": "birds"}
    answer = await luma.post(f"/generations/{clip['id']}/audio", json=body)
    assert answer.status_code == 200
    assert answer.json()["id"] != clip["id"]
    assert answer.json()["request"] == {
        "generation_type": "add_audio",
        "callback_url": None,
        **body,
    }


@pytest.mark.parametrize("change", ["upscale", "audio"])
async def test_only_a_completed_video_is_changed(luma: Luma, change: str) -> None:
    clip, image = await luma.make(prompt="a tiger"), await luma.make_image()
    assert await luma.get_refusal(f"/generations/{clip['id']}/{change}") == (
        400,
        "Generation is not completed",
    )
    assert await luma.get_refusal(f"/generations/{image['id']}/{change}") == (
        400,
        "Generation is not a video",
    )
    assert await luma.get_refusal(f"/generations/unknown/{change}") == (404, "Generation not found")


@pytest.mark.parametrize("change", ["upscale", "audio"])
async def test_a_change_needs_a_body_though_it_may_be_empty(
    luma: Luma, clock: TurnedClock, change: str
) -> None:
    clip = await luma.make(prompt="a tiger")
    clock.advance(10)
    path = f"/generations/{clip['id']}/{change}"
    answer = await luma.post(path)
    assert (answer.status_code, answer.json()) == (400, {"detail": "Request body is required"})
    assert (await luma.post(path, json={})).status_code == 200
