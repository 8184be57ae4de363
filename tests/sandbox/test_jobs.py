from luma_mcp.sandbox.clock import TurnedClock
from tests.sandbox.conftest import Luma, Turning


async def test_a_job_is_queued_then_dreams_then_is_completed(
    luma: Luma, clock: TurnedClock
) -> None:
    clip = await luma.make(prompt="a tiger")
    states = [clip["state"]]
    for seconds in (1.9, 0.1, 7.9, 0.1, 1000):
        clock.advance(seconds)
        states.append((await luma.read(clip))["state"])
    assert states == ["queued", "queued", "dreaming", "dreaming", "completed", "completed"]


async def test_an_image_is_done_sooner_than_a_video(luma: Luma, clock: TurnedClock) -> None:
    image = await luma.make_image()
    clock.advance(0.5)
    assert (await luma.read(image))["state"] == "dreaming"
    clock.advance(2.5)
    assert (await luma.read(image))["state"] == "completed"


async def test_assets_are_null_until_the_job_is_completed(luma: Luma, clock: TurnedClock) -> None:
    clip, image = await luma.make(prompt="a tiger"), await luma.make_image()
    clock.advance(5)
    assert (await luma.read(clip))["assets"] is None
    assets = (await luma.read(image))["assets"]
    assert (assets["video"], assets["progress_video"]) == (None, None)
    assert assets["image"].endswith(".jpg")


async def test_a_synchronous_image_is_answered_when_it_is_done(
    luma: Luma, turning: Turning
) -> None:
    async with turning(3):
        image = await luma.make_image(sync=True)
    assert image["state"] == "completed"


async def test_a_synchronous_image_is_answered_as_it_is_when_its_time_is_up(
    luma: Luma, turning: Turning
) -> None:
    async with turning(1):
        image = await luma.make_image(sync=True, sync_timeout=1)
    assert image["state"] == "dreaming"
