"""Luma's SDK of the Agents API, unmodified, against the sandbox: every operation and type."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import get_args, get_type_hints

import anyio.to_thread
import httpx
import luma_agents
import pytest
from luma_agents import AsyncLuma, Luma
from luma_agents._resource import AsyncAPIResource
from luma_agents.types import File, Generation, Model, generation_create_params
from luma_agents.types.generation_create_params import GenerationCreateParams
from starlette.applications import Starlette
from starlette.routing import Mount

from luma_mcp.sandbox.agents_bodies import (
    Controls,
    Edit,
    FileBody,
    GenerationBody,
    ImageRef,
    Layering,
    SourcePosition,
    VideoOptions,
)
from luma_mcp.sandbox.agents_rules import TYPES
from luma_mcp.sandbox.app import build_sandbox, running
from luma_mcp.sandbox.faults import AGENTS_FAILURES
from tests.sandbox.conftest import AGENTS, Json
from tests.sandbox.pictures import paint
from tests.sandbox.test_official_sdk import AT_ONCE, list_operations
from tests.servers import serving

AT_ONCE_AGENTS = replace(AT_ONCE, ingest_seconds=0, agents_creates_per_minute=100)
PICTURE = {"url": "https://media.example/pear.jpg"}
CLIP = {"url": "https://media.example/clip.mp4", "media_type": "video/mp4"}
BYTES = paint("PNG")
DESCRIBED = {"mime_type": "image/png", "size_bytes": len(BYTES)}

# A body of each type, with as many members as go together.
BODIES: dict[str, Json] = {
    "image": {
        "model": "uni-1-max",
        "aspect_ratio": "2:3",
        "style": "manga",
        "output_format": "jpeg",
        "image_ref": [PICTURE],
        "web_search": True,
        "user_id": "somebody",
    },
    "image_edit": {"model": "uni-1", "source": PICTURE, "image_ref": [PICTURE]},
    "layering": {"model": "uni-1", "source": PICTURE, "layering": {"resolution": "2k"}},
    "video": {
        "model": "ray-3.2",
        "aspect_ratio": "21:9",
        "video": {
            "resolution": "1080p",
            "duration": "10s",
            "hdr": True,
            "exr_export": True,
            "keyframes": [PICTURE, PICTURE],
            "keyframe_indexes": [0, 240],
        },
    },
    "video_edit": {
        "model": "ray-3.2",
        "source": CLIP,
        "video": {
            "start_frame": PICTURE,
            "edit": {
                "strength": "flex_2",
                "controls": {
                    "depth": {"enabled": True, "blur": 0.5},
                    "face": {"enabled": False},
                    "normals": {"enabled": True, "augmentation": 1},
                    "pose": {"enabled": True, "strength": "coarse"},
                    "trajectory": {"enabled": True, "sparsity": 0},
                },
            },
        },
    },
    "video_reframe": {
        "model": "ray-3.2",
        "source": CLIP,
        "aspect_ratio": "9:16",
        "video": {"source_position": {"x_norm": -1, "y_norm": 0, "w_norm": 2, "h_norm": 0.5}},
    },
}


async def announce(sdk: AsyncLuma) -> File:
    """Create a file and send its bytes."""
    made = await sdk.files.create(**DESCRIBED)
    async with httpx.AsyncClient() as s3:
        sent = await s3.request(
            made.upload.method, made.upload.url, content=BYTES, headers=made.upload.headers
        )
    assert sent.status_code == 200
    return made.file


async def complete(sdk: AsyncLuma) -> File:
    return await sdk.files.complete((await announce(sdk)).id)


async def get_generation(sdk: AsyncLuma) -> Generation:
    made = await sdk.generations.create(prompt="a fox")
    return await sdk.generations.get(made.id)


async def get_file(sdk: AsyncLuma) -> File:
    return await sdk.files.get((await announce(sdk)).id)


async def delete_file(sdk: AsyncLuma) -> None:
    await sdk.files.delete((await announce(sdk)).id)


# Every operation by its name in the SDK, which checks the types of what comes back.
OPERATIONS: dict[str, Callable[[AsyncLuma], Awaitable[object]]] = {
    "generations.create": lambda sdk: sdk.generations.create(prompt="a fox"),
    "generations.get": get_generation,
    "files.create": lambda sdk: sdk.files.create(**DESCRIBED),
    "files.list": lambda sdk: sdk.files.list(limit=1, purpose="input", state="ready"),
    "files.get": get_file,
    "files.complete": complete,
    "files.delete": delete_file,
}


def options(url: str) -> Json:
    return {
        "auth_token": "luma-api-sdk",
        "base_url": url + AGENTS,
        "max_retries": 0,
        "_strict_response_validation": True,
    }


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serving(build_sandbox(behaviour=AT_ONCE_AGENTS)) as base:
        yield base


@pytest.fixture
async def sdk(url: str) -> AsyncIterator[AsyncLuma]:
    async with AsyncLuma(**options(url)) as client:
        yield client


async def test_the_operations_are_all_that_the_sdk_has(sdk: AsyncLuma) -> None:
    assert sorted(list_operations(sdk, AsyncAPIResource)) == sorted(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
async def test_the_sdk_takes_the_answer_of_every_operation(
    sdk: AsyncLuma, operation: Callable[[AsyncLuma], Awaitable[object]]
) -> None:
    await operation(sdk)


@pytest.mark.parametrize("kind", BODIES)
async def test_the_sdk_takes_a_job_of_every_type(sdk: AsyncLuma, kind: str) -> None:
    made = await sdk.generations.create(prompt="a fox", type=kind, **BODIES[kind])
    read = await sdk.generations.get(made.id)
    assert (read.id, read.type, read.state) == (made.id, kind, "completed")
    assert read.model == BODIES[kind]["model"]
    assert all(output.url.startswith("http") for output in read.output)
    assert [output.layer is not None for output in read.output] == [kind == "layering"] * len(
        read.output
    )


@pytest.mark.parametrize("code", AGENTS_FAILURES)
async def test_the_sdk_takes_a_job_that_failed(sdk: AsyncLuma, code: str) -> None:
    made = await sdk.generations.create(prompt=f"a fox [sandbox:fail={code}]")
    read = await sdk.generations.get(made.id)
    assert (read.state, read.failure_code, read.output) == ("failed", code, [])


def test_the_types_models_and_codes_are_all_that_the_sdk_has() -> None:
    hints = get_type_hints(GenerationCreateParams)
    assert sorted(get_args(hints["type"])) == sorted(BODIES)
    assert sorted(get_args(Model)) == sorted(TYPES)
    assert sorted(get_args(luma_agents.types.GenerationFailureCode)) == sorted(AGENTS_FAILURES)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (GenerationBody, GenerationCreateParams),
        (Layering, generation_create_params.Layering),
        (ImageRef, luma_agents.types.ImageRefParam),
        (VideoOptions, luma_agents.types.VideoOptionsParam),
        (SourcePosition, luma_agents.types.SourcePositionParam),
        (Edit, luma_agents.types.VideoEditOptionsParam),
        (Controls, luma_agents.types.AdvancedControlsParam),
        (FileBody, luma_agents.types.FileCreateParams),
    ],
)
def test_a_body_has_the_members_that_the_sdk_has(ours: type, theirs: type) -> None:
    assert sorted(ours.model_fields) == sorted(inspect.get_annotations(theirs))


async def test_a_file_sent_in_a_form_is_a_source_once_it_is_ready(sdk: AsyncLuma) -> None:
    made = await sdk.post(
        "/files",
        body={"purpose": "reference"},
        files={"file": ("pear.png", BYTES, "image/png")},
        options={"headers": {"Content-Type": "multipart/form-data"}},
        cast_to=luma_agents.types.CreateFileResponse,
    )
    assert (made.upload, made.file.filename, made.file.purpose) == (None, "pear.png", "reference")
    assert (await sdk.files.get(made.id)).state == "ready"
    edit = {"prompt": "in snow", "type": "image_edit", "source": {"file_id": made.id}}
    assert (await sdk.generations.create(**edit)).state == "completed"


async def test_a_file_sent_to_a_presigned_link_is_a_source_once_it_is_ready(
    sdk: AsyncLuma,
) -> None:
    file = await announce(sdk)
    edit = {"prompt": "in snow", "type": "image_edit", "source": {"file_id": file.id}}
    with pytest.raises(luma_agents.UnprocessableEntityError, match="file is pending, not ready"):
        await sdk.generations.create(**edit)
    assert (await sdk.files.complete(file.id)).state == "ready"
    assert (await sdk.generations.create(**edit)).state == "completed"
    await sdk.files.delete(file.id)
    with pytest.raises(luma_agents.UnprocessableEntityError, match="file is deleted, not ready"):
        await sdk.generations.create(**edit)


async def test_pages_of_files_lead_to_each_other(sdk: AsyncLuma) -> None:
    made = [(await sdk.files.create(**DESCRIBED)).id for _ in range(3)]
    first = await sdk.files.list(limit=2)
    second = await sdk.files.list(limit=2, cursor=first.next_cursor)
    assert [file.id for file in [*first.data, *second.data]] == made[::-1]
    assert (first.has_more, second.has_more, second.next_cursor) == (True, False, None)


async def test_the_synchronous_sdk_works_as_well(url: str) -> None:
    def work() -> list[object]:
        with Luma(**options(url)) as client:
            made = client.generations.create(prompt="a fox")
            file = client.files.create(**DESCRIBED)
            client.files.delete(file.id)
            return [client.generations.get(made.id).state, client.files.get(file.id).state]

    assert await anyio.to_thread.run_sync(work) == ["completed", "deleted"]


async def test_errors_have_the_classes_of_their_statuses(sdk: AsyncLuma) -> None:
    with pytest.raises(luma_agents.BadRequestError, match="Unknown model: ray-2"):
        await sdk.generations.create(prompt="a fox", model="ray-2")
    with pytest.raises(luma_agents.AuthenticationError, match="Invalid API key"):
        await sdk.with_options(auth_token="wrong").files.list()
    with pytest.raises(luma_agents.PermissionDeniedError, match="API client is suspended"):
        await sdk.with_options(auth_token="luma-api-suspended").files.list()
    with pytest.raises(luma_agents.NotFoundError, match="Generation not found"):
        await sdk.generations.get("no-such-id")
    with pytest.raises(luma_agents.NotFoundError, match="File not found"):
        await sdk.files.get("no-such-id")
    with pytest.raises(luma_agents.ConflictError, match="File has not been uploaded yet"):
        await sdk.files.complete((await sdk.files.create(**DESCRIBED)).id)
    with pytest.raises(luma_agents.RateLimitError):
        await sdk.generations.create(prompt="a fox [sandbox:http=429]")


async def test_a_retry_of_the_sdk_gets_through(sdk: AsyncLuma) -> None:
    patient = sdk.with_options(max_retries=1, _extra_kwargs={"_strict_response_validation": True})
    prompt = "a fox [sandbox:http=503,times=1,retry-after=0]"
    assert (await patient.generations.create(prompt=prompt)).state == "completed"


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("reset", luma_agents.APIConnectionError),
        ("lost", luma_agents.APIConnectionError),
        ("truncated", luma_agents.APIConnectionError),
        ("garbage", ValueError),
        ("empty", luma_agents.APIResponseValidationError),
        ("html", luma_agents.InternalServerError),
    ],
)
async def test_the_sdk_meets_accidents_on_the_wire(
    sdk: AsyncLuma, word: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await sdk.generations.create(prompt=f"a fox [sandbox:{word}]")


async def test_the_sdk_works_below_another_application_too() -> None:
    sandbox = build_sandbox(behaviour=AT_ONCE_AGENTS)
    parent = Starlette(routes=[Mount("/sandbox", sandbox)], lifespan=lambda _: running(sandbox))
    async with serving(parent) as url, AsyncLuma(**options(f"{url}/sandbox")) as sdk:
        made = await sdk.generations.create(prompt="a fox")
        read = await sdk.generations.get(made.id)
        assert read.output[0].url.startswith(f"{url}/sandbox/media/")
        assert (await complete(sdk)).state == "ready"
