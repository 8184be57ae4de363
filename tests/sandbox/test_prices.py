import pytest

from luma_mcp.sandbox import dream_machine_prices as prices
from luma_mcp.sandbox.clock import TurnedClock
from tests.sandbox.conftest import Json, Luma

# The list prices of lumalabs.ai/api/pricing, in dollars, for 16:9.
LIST = [
    ("ray-2", 5, {"540p": 0.40, "720p": 0.71, "1080p": 1.59, "4k": 6.37}),
    ("ray-2", 9, {"540p": 0.72, "720p": 1.27, "1080p": 2.87, "4k": 11.47}),
    ("ray-flash-2", 5, {"540p": 0.14, "720p": 0.24, "1080p": 0.55, "4k": 2.19}),
    ("ray-flash-2", 9, {"540p": 0.25, "720p": 0.43, "1080p": 0.99, "4k": 3.95}),
]


@pytest.mark.parametrize(("model", "seconds", "dollars"), LIST)
def test_clips_cost_what_the_list_says(
    model: str, seconds: float, dollars: dict[str, float]
) -> None:
    for resolution, price in dollars.items():
        cents = prices.price_video(model, resolution, seconds)
        assert cents == pytest.approx(100 * price, abs=1)


def test_modifying_costs_what_luma_says() -> None:
    assert prices.price_modification("ray-2", "720p", 5) == pytest.approx(175, abs=0.1)
    assert prices.price_modification("ray-flash-2", "720p", 5) == pytest.approx(60, abs=0.3)


CHARGES = [
    ("/generations/video", {"prompt": "a pear"}, 35),
    ("/generations/video", {"prompt": "a pear", "model": "ray-2"}, 70.7789),
    (
        "/generations/video",
        {"prompt": "a pear", "model": "ray-flash-2", "resolution": "540p", "duration": "9s"},
        24.6344,
    ),
    ("/generations/image", {"prompt": "a pear"}, 1.5),
    ("/generations/image", {"prompt": "a pear", "model": "photon-flash-1"}, 0.4),
    (
        "/generations/image/reframe",
        {"media": {"url": "https://a.example"}, "model": "photon-1", "aspect_ratio": "1:1"},
        1.5,
    ),
    (
        "/generations/video/reframe",
        {"media": {"url": "https://a.example"}, "model": "ray-2", "aspect_ratio": "1:1"},
        70.7789,
    ),
    (
        "/generations/video/modify",
        {"media": {"url": "https://a.example"}, "model": "ray-2", "mode": "flex_1"},
        174.9565,
    ),
]


@pytest.mark.parametrize(("path", "body", "cents"), CHARGES)
async def test_a_creation_is_charged(luma: Luma, path: str, body: Json, cents: float) -> None:
    before = await luma.get_balance()
    assert (await luma.post(path, json=body)).status_code == 201
    assert before - await luma.get_balance() == pytest.approx(cents, abs=0.001)


@pytest.mark.parametrize(
    ("change", "body", "cents"), [("upscale", {"resolution": "1080p"}, 39.8131), ("audio", {}, 10)]
)
async def test_a_change_is_charged(
    luma: Luma, clock: TurnedClock, change: str, body: Json, cents: float
) -> None:
    clip = await luma.make(prompt="a pear")
    clock.advance(10)
    before = await luma.get_balance()
    assert (await luma.post(f"/generations/{clip['id']}/{change}", json=body)).status_code == 200
    assert before - await luma.get_balance() == pytest.approx(cents, abs=0.001)
