import pytest

from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.sandbox.clock import TurnedClock
from tests.sandbox.conftest import Enter, Luma, count_jobs

EVERYTHING = [
    ("GET", "/ping"),
    ("GET", "/credits"),
    ("GET", "/generations"),
    ("GET", "/generations/concepts/list"),
    ("GET", "/generations/camera_motion/list"),
    ("GET", "/generations/3fa85f64-5717-4562-b3fc-2c963f66afa6"),
    ("DELETE", "/generations/3fa85f64-5717-4562-b3fc-2c963f66afa6"),
    ("POST", "/generations"),
    ("POST", "/generations/video"),
    ("POST", "/generations/image"),
    ("POST", "/generations/image/reframe"),
    ("POST", "/generations/video/reframe"),
    ("POST", "/generations/video/modify"),
    ("POST", "/generations/3fa85f64-5717-4562-b3fc-2c963f66afa6/upscale"),
    ("POST", "/generations/3fa85f64-5717-4562-b3fc-2c963f66afa6/audio"),
]


@pytest.mark.parametrize(("method", "path"), EVERYTHING)
async def test_every_endpoint_refuses_a_bad_key(luma: Luma, method: str, path: str) -> None:
    answer = await luma.request(method, path, headers={"authorization": "Bearer wrong"})
    assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid API key is provided"})


@pytest.mark.parametrize("header", ["", "luma-test", "Basic luma-test", "Bearer ", "Bearer"])
async def test_a_key_comes_as_a_bearer_token(luma: Luma, header: str) -> None:
    answer = await luma.get("/ping", headers={"authorization": header})
    assert answer.status_code == 401


async def test_a_key_of_the_agents_api_is_refused_with_403(luma: Luma) -> None:
    answer = await luma.get("/ping", headers={"authorization": "Bearer luma-api-test"})
    assert answer.status_code == 403
    assert answer.json() == {"detail": "This API key is not valid for the Dream Machine API"}


async def test_the_bearer_scheme_may_be_written_in_lower_case(luma: Luma) -> None:
    answer = await luma.get("/ping", headers={"authorization": "bearer luma-test"})
    assert answer.status_code == 200


async def test_no_account_sees_or_touches_another_s_jobs(luma: Luma, clock: TurnedClock) -> None:
    clip = await luma.make(prompt="mine alone")
    clock.advance(10)
    reference = {"frame0": {"type": "generation", "id": clip["id"]}}
    async with Luma(luma.app, "luma-other") as other:
        assert (await other.get("/generations")).json()["generations"] == []
        for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/upscale"), ("POST", "/audio")]:
            answer = await other.request(method, f"/generations/{clip['id']}{path}", json={})
            assert (answer.status_code, answer.json()) == (404, {"detail": "Generation not found"})
        assert await other.get_refusal(
            "/generations/video", prompt="yours", keyframes=reference
        ) == (404, "Generation not found")
        assert await other.get_balance() == await luma.get_balance() + 70.7789
    assert (await luma.read(clip))["state"] == "completed"


async def test_a_new_account_owns_a_hundred_dollars(enter: Enter) -> None:
    luma = await enter(Behaviour())
    assert await luma.get_balance() == 10_000


async def test_a_job_is_charged_when_it_is_created(enter: Enter) -> None:
    luma = await enter(Behaviour())
    await luma.make_image()
    assert await luma.get_balance() == 9_998.5


async def test_a_failed_job_is_refunded_once_and_not_before_it_fails(
    enter: Enter, clock: TurnedClock
) -> None:
    luma = await enter(Behaviour())
    await luma.make_image(prompt="a pear [sandbox:fail=job]")
    clock.advance(2.9)
    assert await luma.get_balance() == 9_998.5
    clock.advance(0.1)
    assert await luma.get_balance() == 10_000
    clock.advance(100)
    assert await luma.get_balance() == 10_000


async def test_a_job_that_is_too_expensive_is_402_and_starts_nothing(enter: Enter) -> None:
    luma = await enter(Behaviour(starting_balance_cents=1.4))
    refusal = await luma.get_refusal("/generations/image", prompt="a pear")
    assert refusal == (402, "Insufficient credits")
    assert await count_jobs(luma) == 0
    assert await luma.get_balance() == 1.4


@pytest.mark.parametrize(
    ("kind", "limit"),
    [("video", "video_creates_per_minute"), ("image", "image_creates_per_minute")],
)
async def test_creates_are_limited_in_any_sixty_seconds(
    enter: Enter, clock: TurnedClock, kind: str, limit: str
) -> None:
    luma = await enter(Behaviour(**{limit: 2}))
    path, body = f"/generations/{kind}", {"prompt": "a pear"}
    await luma.post(path, json=body)
    clock.advance(10.5)
    await luma.post(path, json=body)
    answer = await luma.post(path, json=body)
    assert (answer.status_code, answer.json()) == (429, {"detail": "Rate limit exceeded"})
    assert answer.headers["retry-after"] == "50"
    clock.advance(49.5)
    assert (await luma.post(path, json=body)).status_code == 201
    assert (await luma.post(path, json=body)).headers["retry-after"] == "11"


async def test_videos_and_images_are_limited_apart(enter: Enter) -> None:
    luma = await enter(Behaviour(video_creates_per_minute=0))
    answer = await luma.post("/generations/video", json={"prompt": "a pear"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    await luma.make_image()


@pytest.mark.parametrize(
    ("kind", "limit", "wait"), [("video", "video_concurrent", 10), ("image", "image_concurrent", 3)]
)
async def test_running_jobs_are_limited_until_one_ends(
    enter: Enter, clock: TurnedClock, kind: str, limit: str, wait: int
) -> None:
    luma = await enter(Behaviour(**{limit: 1}))
    path, body = f"/generations/{kind}", {"prompt": "a pear"}
    await luma.post(path, json=body)
    answer = await luma.post(path, json=body)
    assert answer.status_code == 429
    assert answer.json() == {"detail": "Too many concurrent generations"}
    assert answer.headers["retry-after"] == str(wait)
    clock.advance(wait)
    assert (await luma.post(path, json=body)).status_code == 201


async def test_a_job_that_never_ends_holds_its_place_until_it_is_deleted(
    enter: Enter, clock: TurnedClock
) -> None:
    luma = await enter(Behaviour(image_concurrent=1))
    image = await luma.make_image(prompt="a pear [sandbox:never]")
    clock.advance(10_000)
    answer = await luma.post("/generations/image", json={"prompt": "a pear"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    await luma.delete(f"/generations/{image['id']}")
    await luma.make_image()


async def test_the_oldest_job_is_forgotten_first(enter: Enter) -> None:
    luma = await enter(Behaviour(max_jobs_per_account=2))
    ids = [(await luma.make_image())["id"] for _ in range(3)]
    listed = (await luma.get("/generations")).json()["generations"]
    assert [generation["id"] for generation in listed] == [ids[2], ids[1]]


async def test_the_account_unused_for_longest_is_forgotten_with_its_media(
    enter: Enter, clock: TurnedClock
) -> None:
    luma = await enter(Behaviour(max_accounts=2))
    image = await luma.make_image()
    clock.advance(3)
    url = (await luma.read(image))["assets"]["image"]
    async with Luma(luma.app, "luma-2") as second, Luma(luma.app, "luma-3") as third:
        await second.get("/ping")
        await luma.get("/ping")
        assert (await luma.get(url)).status_code == 200
        await second.get("/ping")
        await third.get("/ping")
        assert await count_jobs(second) == 0
    assert (await luma.get(url)).status_code == 404
    assert await count_jobs(luma) == 0
