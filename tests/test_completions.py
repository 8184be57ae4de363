"""Completions: what may be filled in, by prompt, model and caller; and never an error."""

import asyncio

import pytest
from fastmcp import Client
from mcp.types import PromptReference, ResourceTemplateReference
from starlette.responses import JSONResponse, Response
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from luma_mcp import completions
from luma_mcp.prompts import PLANS
from luma_mcp.resources import GENERATION
from luma_mcp.services import Access
from tests.conftest import KEY
from tests.servers import product
from tests.services import access_with
from tests.test_resources import ERAS, over_http
from tests.tools.calls import (
    JOB_ID,
    OWN,
    Broken,
    Json,
    Silent,
    Upstream,
    client_of,
    client_over,
    data,
)

LIST = "GET /dream-machine/v1/generations"
CONCEPTS = "GET /dream-machine/v1/generations/concepts/list"
OTHERS = [f"{number:08x}{JOB_ID[8:]}" for number in range(3)]
MADE: Json = {
    "generations": [
        {"id": JOB_ID, "state": "completed", "assets": {"video": "https://example.com/b.mp4"}},
        {"id": OTHERS[0], "state": "completed", "assets": {"image": "https://example.com/b.jpg"}},
        {"id": OTHERS[1], "state": "queued", "assets": None},
        {"id": OTHERS[2], "state": "failed"},
        {"state": "queued"},
    ]
}
LUMA = {LIST: MADE, CONCEPTS: ["orbit_left", "orbit_right", "pov"]}


async def proposed(
    client: Client, prompt: str, argument: str, typed: str = "", **given: str
) -> list[str]:
    """What a client hears while an argument of a prompt is filled in."""
    ref = PromptReference(type="ref/prompt", name=prompt)
    asked = {"name": argument, "value": typed}
    return (await client.complete(ref, asked, context_arguments=given or None)).values


async def ids(
    client: Client, typed: str = "", uri: str = GENERATION, argument: str = "id"
) -> list[str]:
    """What a client hears while the address of a generation is filled in."""
    ref = ResourceTemplateReference(type="ref/resource", uri=uri)
    return (await client.complete(ref, {"name": argument, "value": typed})).values


async def test_a_client_is_told_that_there_are_completions() -> None:
    async with client_of(Upstream()) as client:
        assert client.session.server_capabilities.completions is not None


async def test_an_id_is_one_of_the_newest_that_begin_with_what_was_typed() -> None:
    upstream = Upstream(LUMA)
    async with client_of(upstream) as client:
        assert await ids(client) == [JOB_ID, *OTHERS]
        assert await ids(client, "0000") == OTHERS
        assert await ids(client, " 123E4567") == [JOB_ID]
        assert await ids(client, "9") == []
    assert upstream.asked == [LIST] * 4


@pytest.mark.parametrize(
    ("prompt", "argument", "found"),
    [
        ("restyle_video", "clip", [JOB_ID]),
        ("social_cut", "clip", [JOB_ID]),
        ("animate_image", "image", [OTHERS[0]]),
        ("animate_image", "last_image", [OTHERS[0]]),
    ],
)
async def test_a_source_is_an_earlier_result_of_its_kind(
    prompt: str, argument: str, found: list[str]
) -> None:
    async with client_of(Upstream(LUMA)) as client:
        assert await proposed(client, prompt, argument) == found


@pytest.mark.parametrize(
    ("prompt", "argument", "typed", "given", "found"),
    [
        ("text_to_video", "model", "", {}, ["ray-2", "ray-flash-2", "ray-3.2"]),
        ("restyle_video", "model", "RAY-f", {}, ["ray-flash-2"]),
        ("text_to_video", "duration", "", {}, ["5s", "9s"]),
        ("text_to_video", "duration", "", {"model": "ray-3.2"}, ["5s", "10s"]),
        ("storyboard", "aspect_ratio", "9", {}, ["9:16", "9:21"]),
        ("storyboard", "aspect_ratio", "9", {"model": "ray-3.2"}, ["9:16"]),
        ("restyle_video", "mode", "flex", {}, ["flex_1", "flex_2", "flex_3"]),
        ("text_to_video", "concept", "orb", {}, ["orbit_left", "orbit_right"]),
        (
            "text_to_video",
            "concept",
            "orb",
            {"model": "ray-flash-2"},
            ["orbit_left", "orbit_right"],
        ),
        ("text_to_video", "concept", "orb", {"model": "ray-3.2"}, []),
        ("text_to_video", "idea", "", {}, []),
        ("text_to_video", "resolution", "", {}, []),  # the tool's, not the prompt's
        ("text_to_video", "duration", "", {"model": "ray-9"}, []),
        ("nothing", "model", "", {}, []),
    ],
)
async def test_a_value_fits_the_prompt_and_the_model(
    prompt: str, argument: str, typed: str, given: dict[str, str], found: list[str]
) -> None:
    async with client_of(Upstream(LUMA)) as client:
        assert await proposed(client, prompt, argument, typed, **given) == found


@pytest.mark.parametrize("plan", PLANS)
async def test_what_is_proposed_can_be_filled_in(plan: type) -> None:
    examples = {"idea": "A boat", "story": "A day at sea", "style": "Clay", "clip": JOB_ID}
    needed = {
        name: examples.get(name, JOB_ID)
        for name, one in plan.model_fields.items()
        if one.is_required()
    }
    async with client_of(Upstream(LUMA)) as client:
        for name in plan.model_fields:
            for value in await proposed(client, plan.name, name):
                assert await client.get_prompt(plan.name, {**needed, name: value})


async def test_other_addresses_have_nothing_to_complete() -> None:
    upstream = Upstream(LUMA)
    async with client_of(upstream) as client:
        assert await ids(client, uri="luma://models") == []
        assert await ids(client, uri="other://{id}") == []
        assert await ids(client, argument="name") == []
    assert upstream.asked == []


async def test_no_more_is_proposed_than_the_protocol_allows() -> None:
    concepts = [f"concept_{number}" for number in range(150)]
    async with client_of(Upstream({CONCEPTS: concepts})) as client:
        assert await proposed(client, "text_to_video", "concept") == concepts[:100]


# --- Nothing where there is nothing --------------------------------------------------------------


@pytest.mark.parametrize(
    "answer", [JSONResponse({"detail": "no"}, 401), Response("<html>", 500), {"nonsense": 1}]
)
async def test_trouble_at_luma_proposes_nothing(answer: Response | Json) -> None:
    async with client_of(Upstream({LIST: answer, CONCEPTS: answer})) as client:
        assert await ids(client) == []
        assert await proposed(client, "text_to_video", "concept") == []


async def test_a_fault_proposes_nothing() -> None:
    with capture_logs() as logs:
        async with client_over(Broken(ZeroDivisionError())) as client:
            assert await ids(client) == []
    assert [one["event"] for one in logs] == ["fault", "completion"]


async def test_without_a_key_what_luma_knows_is_not_proposed() -> None:
    upstream = Upstream(LUMA)
    async with client_of(upstream, access=None) as client:
        assert await ids(client) == []
        assert await proposed(client, "text_to_video", "concept") == []
        assert await proposed(client, "text_to_video", "duration") == ["5s", "9s"]
    assert upstream.asked == []


async def test_nobody_who_types_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completions, "PATIENCE_SECONDS", 0)
    with capture_logs([merge_contextvars]) as logs:
        async with client_of(Upstream({LIST: Silent(asyncio.Event())})) as client:
            assert await ids(client) == []
    assert [one["outcome"] for one in logs] == ["timed_out"]


@pytest.mark.parametrize(
    ("access", "has_ids", "has_concepts", "has_models"),
    [
        (OWN, True, True, True),
        (access_with(KEY, toolsets="videos"), False, False, True),
        (access_with(KEY, toolsets="videos,account"), False, True, True),
        (access_with(KEY, toolsets="generations"), True, False, False),
        (access_with(KEY, readonly=True), True, False, False),
    ],
)
async def test_only_what_is_on_offer_is_completed(
    access: Access, *, has_ids: bool, has_concepts: bool, has_models: bool
) -> None:
    async with client_of(Upstream(LUMA), access) as client:
        assert bool(await ids(client)) == has_ids
        assert bool(await proposed(client, "text_to_video", "concept")) == has_concepts
        assert bool(await proposed(client, "text_to_video", "model")) == has_models


async def test_every_completion_writes_one_line_without_the_callers_words() -> None:
    with capture_logs([merge_contextvars]) as logs:
        async with client_of(Upstream(LUMA)) as client:
            await ids(client, "secret")
            await proposed(client, "secret", "secret", "secret")
    lines = [(one["event"], one["ref"], one["outcome"]) for one in logs]
    assert lines == [("completion", "ref/resource", "ok"), ("completion", "ref/prompt", "ok")]
    assert "secret" not in repr(logs)


# --- Over HTTP -----------------------------------------------------------------------------------


async def test_over_http_nobody_hears_of_the_ids_of_another_in_either_era() -> None:
    async with product() as url:
        async with over_http(url, "auto", "luma-ada") as ada, over_http(url, "auto") as other:
            for _ in range(2):
                await data(ada, "create_generation", prompt="A secret garden")
            job = await data(other, "create_generation", prompt="A boat")
        for era in ERAS:
            async with (
                over_http(url, era, "luma-ada") as ada,
                over_http(url, era) as other,
                asyncio.TaskGroup() as group,
            ):
                asked = [group.create_task(ids(one)) for one in [ada, other] * 8]
            heard = [set(one.result()) for one in asked]
            assert all(len(one) == 2 and job["id"] not in one for one in heard[::2])
            assert all(one == {job["id"]} for one in heard[1::2])
