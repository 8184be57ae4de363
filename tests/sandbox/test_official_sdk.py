"""Luma's own SDK, unmodified, against the sandbox: every operation that it has."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import lumaai
import pytest
from lumaai import AsyncLumaAI
from lumaai._resource import AsyncAPIResource
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from luma_mcp.sandbox.app import build_sandbox, running
from luma_mcp.sandbox.behaviour import Behaviour
from tests.sandbox.conftest import PREFIX
from tests.servers import serving

AT_ONCE = Behaviour(
    queued_seconds=0, dreaming_seconds=0, image_queued_seconds=0, image_dreaming_seconds=0
)
CLIP = {"url": "https://media.example/clip.mp4"}
PICTURE = {"url": "https://media.example/pear.jpg"}

# Every operation by its name in the SDK, which checks the types of what comes back; the id is
# that of a completed clip.
OPERATIONS: dict[str, Callable[[AsyncLumaAI, str], Awaitable[object]]] = {
    "ping.check": lambda sdk, _: sdk.ping.check(),
    "credits.get": lambda sdk, _: sdk.credits.get(),
    "generations.create": lambda sdk, _: sdk.generations.create(prompt="a fox", model="ray-2"),
    "generations.list": lambda sdk, _: sdk.generations.list(limit=1, offset=0),
    "generations.get": lambda sdk, clip: sdk.generations.get(clip),
    "generations.delete": lambda sdk, clip: sdk.generations.delete(clip),
    "generations.upscale": lambda sdk, clip: sdk.generations.upscale(clip, resolution="4k"),
    "generations.audio": lambda sdk, clip: sdk.generations.audio(clip, prompt="a growl"),
    "generations.concepts.list": lambda sdk, _: sdk.generations.concepts.list(),
    "generations.video.create": lambda sdk, clip: sdk.generations.video.create(
        prompt="a fox", model="ray-2", keyframes={"frame0": {"type": "generation", "id": clip}}
    ),
    "generations.video.modify": lambda sdk, _: sdk.generations.video.modify(
        generation_type="modify_video", media=CLIP, mode="flex_1", model="ray-2"
    ),
    "generations.video.reframe": lambda sdk, _: sdk.generations.video.reframe(
        generation_type="reframe_video", media=CLIP, model="ray-2", aspect_ratio="9:21"
    ),
    "generations.image.create": lambda sdk, _: sdk.generations.image.create(
        prompt="a pear", model="photon-1", modify_image_ref=PICTURE
    ),
    "generations.image.reframe": lambda sdk, _: sdk.generations.image.reframe(
        generation_type="reframe_image", media=PICTURE, model="photon-1", aspect_ratio="1:1"
    ),
}


def connect(url: str) -> AsyncLumaAI:
    """Open the SDK so that it refuses answers of other types than it declares."""
    return AsyncLumaAI(
        auth_token="luma-sdk",
        base_url=url + PREFIX,
        max_retries=0,
        _strict_response_validation=True,
    )


def list_operations(part: object, resource: type, name: str = "") -> Iterator[str]:
    """Name every operation of a resource of an SDK, and of the resources below it."""
    for member in dir(part):
        value = None if member.startswith("_") else getattr(part, member)
        if isinstance(value, resource):
            yield from list_operations(value, resource, f"{name}{member}.")
        elif isinstance(part, resource) and inspect.ismethod(value):
            yield name + member


@pytest.fixture
async def sdk() -> AsyncIterator[AsyncLumaAI]:
    async with serving(build_sandbox(behaviour=AT_ONCE)) as url, connect(url) as client:
        yield client


async def test_the_operations_are_all_that_the_sdk_has(sdk: AsyncLumaAI) -> None:
    assert sorted(list_operations(sdk, AsyncAPIResource)) == sorted(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
async def test_the_sdk_takes_the_answer_of_every_operation(
    sdk: AsyncLumaAI, operation: Callable[[AsyncLumaAI, str], Awaitable[object]]
) -> None:
    clip = await sdk.generations.create(prompt="a tiger", model="ray-2")
    await operation(sdk, clip.id)


async def test_the_sdk_refuses_an_answer_of_another_type() -> None:
    odd = Starlette(routes=[Route(f"{PREFIX}/ping", JSONResponse(["pong"]))])
    async with serving(odd) as url, connect(url) as strict:
        with pytest.raises(lumaai.APIResponseValidationError):
            await strict.ping.check()


async def test_ping(sdk: AsyncLumaAI) -> None:
    assert (await sdk.ping.check()).message == "pong"


async def test_credits(sdk: AsyncLumaAI) -> None:
    assert (await sdk.credits.get()).credit_balance == 10_000


async def test_concepts(sdk: AsyncLumaAI) -> None:
    assert "static" in await sdk.generations.concepts.list()


async def test_a_video_from_text(sdk: AsyncLumaAI) -> None:
    made = await sdk.generations.create(
        prompt="a tiger",
        model="ray-2",
        aspect_ratio="9:16",
        loop=True,
        resolution="720p",
        duration="5s",
        concepts=[{"key": "static"}],
    )
    read = await sdk.generations.get(made.id)
    assert (read.state, read.generation_type, read.model) == ("completed", "video", "ray-2")
    assert read.request.aspect_ratio == "9:16"
    assert read.created_at == made.created_at
    assert read.assets.video.endswith(".mp4")


async def test_a_video_from_keyframes(sdk: AsyncLumaAI) -> None:
    first = await sdk.generations.video.create(prompt="a tiger", model="ray-flash-2")
    made = await sdk.generations.video.create(
        prompt="a tiger runs",
        model="ray-2",
        keyframes={
            "frame0": {"type": "generation", "id": first.id},
            "frame1": {"type": "image", "url": "https://media.example/end.jpg"},
        },
    )
    assert made.request.keyframes.frame0.id == first.id
    assert made.request.keyframes.frame1.url == "https://media.example/end.jpg"


async def test_modifying_and_reframing_a_video(sdk: AsyncLumaAI) -> None:
    modified = await sdk.generations.video.modify(
        generation_type="modify_video", media=CLIP, mode="adhere_1", model="ray-2", prompt="in snow"
    )
    assert modified.request.mode == "adhere_1"
    reframed = await sdk.generations.video.reframe(
        generation_type="reframe_video", media=CLIP, model="ray-2", aspect_ratio="1:1", x_start=1
    )
    assert reframed.request.x_start == 1


async def test_images(sdk: AsyncLumaAI) -> None:
    made = await sdk.generations.image.create(
        model="photon-1",
        prompt="a pear",
        format="png",
        sync=True,
        image_ref=[{"url": "https://media.example/pear.jpg", "weight": 0.8}],
        character_ref={"identity0": {"images": ["https://media.example/me.jpg"]}},
    )
    assert made.assets.image.endswith(".png")
    reframed = await sdk.generations.image.reframe(
        generation_type="reframe_image",
        media={"url": made.assets.image},
        model="photon-flash-1",
        aspect_ratio="21:9",
    )
    assert reframed.generation_type == "image"


async def test_upscaling_and_adding_audio(sdk: AsyncLumaAI) -> None:
    clip = await sdk.generations.create(prompt="a tiger", model="ray-2")
    larger = await sdk.generations.upscale(clip.id, resolution="1080p")
    louder = await sdk.generations.audio(larger.id, prompt="a growl", negative_prompt="birds")
    assert larger.request.generation_type == "upscale_video"
    assert louder.request.generation_type == "add_audio"
    assert len({clip.id, larger.id, louder.id}) == 3


async def test_listing_and_deleting(sdk: AsyncLumaAI) -> None:
    made = [await sdk.generations.create(prompt=f"tiger {n}", model="ray-2") for n in range(3)]
    page = await sdk.generations.list(limit=2, offset=0)
    assert [generation.id for generation in page.generations] == [made[2].id, made[1].id]
    assert (page.has_more, page.count) == (True, 2)
    await sdk.generations.delete(made[0].id)
    with pytest.raises(lumaai.NotFoundError, match="Generation not found"):
        await sdk.generations.get(made[0].id)


async def test_errors_have_the_classes_of_their_statuses(sdk: AsyncLumaAI) -> None:
    with pytest.raises(lumaai.BadRequestError, match="Prompt is required"):
        await sdk.generations.create(model="ray-2")
    with pytest.raises(lumaai.AuthenticationError, match="Invalid API key is provided"):
        await sdk.with_options(auth_token="wrong").ping.check()
    with pytest.raises(lumaai.PermissionDeniedError):
        await sdk.with_options(auth_token="luma-api-1").ping.check()
    with pytest.raises(lumaai.RateLimitError):
        await sdk.generations.create(model="ray-2", prompt="a tiger [sandbox:http=429]")


async def test_a_retry_of_the_sdk_gets_through(sdk: AsyncLumaAI) -> None:
    strict = {"_strict_response_validation": True}
    patient = sdk.with_options(max_retries=1, _extra_kwargs=strict)
    prompt = "a tiger [sandbox:http=503,times=1,retry-after=0]"
    assert (await patient.generations.create(model="ray-2", prompt=prompt)).state == "completed"


async def test_the_sdk_works_below_another_application_too() -> None:
    sandbox = build_sandbox(behaviour=AT_ONCE)
    parent = Starlette(routes=[Mount("/sandbox", sandbox)], lifespan=lambda _: running(sandbox))
    async with serving(parent) as url, connect(f"{url}/sandbox") as sdk:
        made = await sdk.generations.create(prompt="a tiger", model="ray-2")
        read = await sdk.generations.get(made.id)
        assert read.assets.video.startswith(f"{url}/sandbox/media/")
