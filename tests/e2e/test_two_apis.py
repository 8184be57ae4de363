"""Luma's two APIs behind one endpoint, from outside: a real client, its keys, media that decode."""

import io
from collections.abc import AsyncIterator
from typing import Any

import av
import httpx
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from PIL import Image

from tests.e2e.conftest import Product
from tests.e2e.processes import fetch

Json = dict[str, Any]
ERAS = ["legacy", "2026-07-28"]
DREAM_MACHINE = {"Authorization": "Bearer luma-ada"}
AGENTS = {"X-Luma-Agents-API-Key": "luma-api-ada"}


def connect(running: Product, headers: dict[str, str], era: str = "2026-07-28") -> Client:
    return Client(StreamableHttpTransport(running.endpoint, headers=headers), mode=era)


async def call(client: Client, tool: str, /, **arguments: object) -> Json:
    """Call a tool; an error comes back as its fields."""
    result = await client.call_tool(tool, arguments, raise_on_error=False)
    assert result.structured_content is not None
    return result.structured_content


@pytest.fixture(params=ERAS)
async def ada(running: Product, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A user with a key for each API."""
    async with connect(running, DREAM_MACHINE | AGENTS, request.param) as client:
        yield client


async def finished(running: Product, client: Client, job: Json) -> Json:
    """Let the time of a job pass, and look at it."""
    assert job.get("id", "").startswith("agents:"), job
    running.clock.advance(60)
    done = await call(client, "get_generation", generation_id=job["id"])
    assert done["state"] == "completed", done
    return done


async def clip_of(job: Json) -> tuple[float, float]:
    """Ratio and length of a finished video."""
    with av.open(io.BytesIO((await fetch(job["assets"]["video"])).content)) as video:
        stream = video.streams.video[0]
        frames = sum(1 for _ in video.decode(stream))
        return stream.width / stream.height, frames / 24


async def picture_at(url: str) -> Image.Image:
    return Image.open(io.BytesIO((await fetch(url)).content))


async def test_a_prompt_becomes_a_video_of_ray_3_which_is_extended_and_reframed(
    running: Product, ada: Client
) -> None:
    boat = {"prompt": "A paper boat at dawn", "model": "ray-3.2", "aspect_ratio": "9:16"}
    job = await call(ada, "create_generation", **boat)
    assert (job["api"], job["state"], job["prompt"]) == ("agents", "queued", boat["prompt"])
    assert job["estimated_cost_usd"] == 0.30
    clip = await finished(running, ada, job)
    ratio, seconds = await clip_of(clip)
    assert (ratio, seconds) == (pytest.approx(9 / 16, rel=0.02), 5)

    start = {"frame0": {"type": "generation", "id": clip["id"]}}
    job = await call(ada, "create_generation", **boat, keyframes=start)
    assert await clip_of(await finished(running, ada, job)) == (ratio, 10)

    job = await call(
        ada, "reframe_video", model="ray-3.2", generation_id=clip["id"], aspect_ratio="1:1"
    )
    ratio, _ = await clip_of(await finished(running, ada, job))
    assert ratio == 1


async def test_a_picture_with_references_is_edited_by_its_id_and_taken_apart(
    running: Product, ada: Client
) -> None:
    pictures = [{"url": f"https://example.com/{number}.jpg"} for number in range(3)]
    job = await call(
        ada,
        "generate_image",
        prompt="A boat like these",
        model="uni-1",
        image_ref=pictures,
        aspect_ratio="2:1",
        format="jpg",
        wait_seconds=0,
    )
    assert job["estimated_cost_usd"] == pytest.approx(0.0434 + 2 * 0.003)
    made = await finished(running, ada, job)
    picture = await picture_at(made["assets"]["image"])
    assert (picture.format, picture.width / picture.height) == ("JPEG", pytest.approx(2, rel=0.02))

    source = {"generation_id": made["id"]}
    job = await call(ada, "edit_image", prompt="At night", source=source, wait_seconds=0)
    edited = await finished(running, ada, job)
    assert (await picture_at(edited["assets"]["image"])).size == picture.size

    job = await call(ada, "extract_layers", source=source, wait_seconds=0)
    layers = (await finished(running, ada, job))["assets"]["layers"]
    assert [layer["index"] for layer in layers] == list(range(len(layers)))
    modes = [(await picture_at(layer["url"])).mode for layer in layers]
    assert set(modes) == {"RGBA"}


async def test_an_uploaded_file_becomes_the_source_of_a_job(running: Product, ada: Client) -> None:
    clip = await finished(
        running, ada, await call(ada, "create_generation", prompt="A pier", model="ray-3.2")
    )
    content = (await fetch(clip["assets"]["video"])).content
    upload = await call(
        ada, "upload_file", size_bytes=len(content), mime_type="video/mp4", filename="pier.mp4"
    )
    place = upload["upload"]
    async with httpx.AsyncClient() as browser:
        put = await browser.request(
            place["method"], place["url"], content=content, headers=place["headers"]
        )
    assert put.is_success
    file_id = upload["source"]["file_id"]
    taken = await call(ada, "upload_file", file_id=file_id, wait_seconds=0)
    assert taken["file"]["state"] == "pending"
    running.clock.advance(60)
    taken = await call(ada, "upload_file", file_id=file_id, wait_seconds=0)
    assert taken["file"]["state"] == "ready"
    listed = await call(ada, "list_files", state="ready")
    assert [file["filename"] for file in listed["files"]] == ["pier.mp4"]

    job = await call(
        ada,
        "modify_video",
        model="ray-3.2",
        file_id=file_id,
        prompt="In winter",
        mode="flex_2",
        source_seconds=5,
    )
    assert job["estimated_cost_usd"] == 1.08
    assert (await clip_of(await finished(running, ada, job)))[1] == 5
    assert (await call(ada, "delete_file", file_id=file_id))["deleted"]
    gone = await call(ada, "modify_video", model="ray-3.2", file_id=file_id, prompt="In spring")
    assert gone["code"] in {"invalid_request", "not_found"}


async def test_a_link_that_has_expired_is_renewed_by_another_look(
    running: Product, ada: Client
) -> None:
    job = await call(ada, "generate_image", prompt="A pear", model="uni-1", wait_seconds=0)
    made = await finished(running, ada, job)
    running.clock.advance(3_601)
    async with httpx.AsyncClient() as browser:
        assert (await browser.get(made["assets"]["image"])).status_code == 403
    again = await call(ada, "get_generation", generation_id=made["id"])
    assert again["assets"]["image"] != made["assets"]["image"]
    assert (await picture_at(again["assets"]["image"])).format == "PNG"


async def test_whoever_has_one_key_is_told_what_the_other_models_need(running: Product) -> None:
    boat = {"prompt": "A boat"}
    async with connect(running, DREAM_MACHINE) as ada:
        assert (await call(ada, "create_generation", **boat))["state"] == "queued"
        refused = await call(ada, "create_generation", **boat, model="ray-3.2")
    assert refused["code"] == "missing_key"
    assert "X-Luma-Agents-API-Key" in refused["advice"]
    assert "ray-2 or ray-flash-2" in refused["advice"]
    async with connect(running, AGENTS) as ada:
        job = await call(ada, "create_generation", **boat, model="ray-3.2")
        assert job["state"] == "queued"
        refused = await call(ada, "create_generation", **boat)
    assert refused["code"] == "missing_key"
    assert "X-Luma-API-Key" in refused["advice"]
    assert "ray-3.2" in refused["advice"]


async def test_a_key_of_the_agents_api_is_known_in_any_header(running: Product) -> None:
    async with connect(running, {"Authorization": "Bearer luma-api-ada"}) as ada:
        assert (await call(ada, "ping"))["apis"] == ["agents"]


async def test_whoever_has_no_key_does_not_get_in(running: Product) -> None:
    async with httpx.AsyncClient() as browser:
        answer = await browser.post(running.endpoint, json={})
    assert answer.status_code == 401


async def test_what_would_cost_too_much_is_never_asked_for(running: Product) -> None:
    async with connect(running, AGENTS) as ada:
        video = {"prompt": "A boat", "model": "ray-3.2", "resolution": "1080p"}
        refused = await call(ada, "create_generation", **video, max_cost_usd=1)
        assert refused["code"] == "refused_by_policy"
        priced = await call(ada, "estimate_cost", tool="create_generation", arguments=video)
        assert priced["estimated_cost_usd"] == 1.20
        job = await call(ada, "create_generation", **video, max_cost_usd=1.20)
    assert job["estimated_cost_usd"] == 1.20


async def test_the_models_can_be_read_by_any_client(ada: Client) -> None:
    listed = await ada.list_resources()
    assert "luma://models" in {str(one.uri) for one in listed}
    (content,) = await ada.read_resource("luma://models")
    assert '"ray-3.2"' in content.text
