"""Callers with one key, with both or with none: what works, and what the others are told."""

import pytest

from luma_mcp.credentials import ApiKey, Credentials
from luma_mcp.luma import catalogue
from luma_mcp.luma.apis import AGENTS, APIS, DREAM_MACHINE, Api
from luma_mcp.services import Access
from luma_mcp.settings import TOOLSETS
from tests.conftest import AGENTS_KEY, KEY
from tests.tools.calls import Json, Upstream, client_of, data, refusal, text_of
from tests.tools.test_creating import (
    FILE_ID,
    ON_CLIPS,
    USES,
    least,
    upstream_for,
    where,
)
from tests.tools.test_creating import JOB_ID as ID
from tests.tools.test_creating import OF_AGENTS as AGENTS_ID

KEYS = {DREAM_MACHINE: KEY, AGENTS: AGENTS_KEY}
ALONE = {
    DREAM_MACHINE: Credentials(ApiKey(KEY)),
    AGENTS: Credentials(agents=ApiKey(AGENTS_KEY)),
}
# What comes nearest where no model of the other API does the same.
NEAREST = {"edit_image": ["generate_image with modify_image_ref and photon-1"]}


def other_than(api: Api) -> Api:
    (other,) = (one for one in APIS if one is not api)
    return other


def alone(api: Api) -> Access:
    """A caller with the key of one API only."""
    return Access(ALONE[api], frozenset(TOOLSETS), readonly=False)


@pytest.mark.parametrize(("tool", "model"), USES)
async def test_a_tool_works_with_the_key_of_its_model_alone(tool: str, model: str) -> None:
    upstream, api = upstream_for(tool, model), catalogue.api_of(model)
    async with client_of(upstream, alone(api)) as client:
        await data(client, tool, **least(tool, model), wait_seconds=0)
    assert upstream.asked == [where(tool, model)]
    assert upstream.keys == [f"Bearer {KEYS[api]}"]


@pytest.mark.parametrize(("tool", "model"), USES)
async def test_who_has_the_other_key_is_told_what_is_missing_and_what_works_instead(
    tool: str, model: str
) -> None:
    upstream, api = Upstream(), catalogue.api_of(model)
    other = other_than(api)
    async with client_of(upstream, alone(other)) as client:
        error = await refusal(client, tool, **least(tool, model))
    assert (error["code"], error["retryable"]) == ("missing_key", False)
    who = "This tool" if tool in ON_CLIPS else model
    assert error["message"] == (
        f"{who} needs a key for Luma's {api.title}; the key that came is for its {other.title}."
    )
    same = catalogue.models_for(tool, other.name)  # ty: ignore[invalid-argument-type]
    instead = same or NEAREST.get(tool, [])
    ways = f", or use {' or '.join(instead)}, which works with the key that came" if instead else ""
    assert error["advice"] == (
        f"Add the header '{api.key_header}: <key>' (over stdio, the variable {api.variable}), "
        f"with a key made at {api.keys_page}{ways}."
    )
    assert upstream.asked == []


async def test_the_advice_reads_well_where_there_is_one_model_or_there_are_two() -> None:
    async with client_of(Upstream(), alone(AGENTS)) as client:
        video = await refusal(client, "create_generation", prompt="A boat")
        sound = await refusal(client, "add_audio", generation_id=ID, prompt="Waves")
    async with client_of(Upstream(), alone(DREAM_MACHINE)) as client:
        picture = await refusal(client, "generate_image", prompt="A boat", model="uni-1")
    assert video["advice"] == (
        "Add the header 'X-Luma-API-Key: <key>' (over stdio, the variable LUMA_API_KEY), with a "
        "key made at https://lumalabs.ai/dream-machine/api/keys, or use ray-3.2, which works with "
        "the key that came."
    )
    assert sound["advice"].endswith("made at https://lumalabs.ai/dream-machine/api/keys.")
    assert picture["advice"] == (
        "Add the header 'X-Luma-Agents-API-Key: <key>' (over stdio, the variable "
        "LUMA_AGENTS_API_KEY), with a key made at https://platform.lumalabs.ai, or use photon-1 or "
        "photon-flash-1, which works with the key that came."
    )


@pytest.mark.parametrize(("tool", "model"), USES)
async def test_who_has_no_key_is_told_which_one_and_how_to_send_it(tool: str, model: str) -> None:
    upstream, api = Upstream(), catalogue.api_of(model)
    async with client_of(upstream, access=None) as client:
        error = await refusal(client, tool, **least(tool, model))
    assert error["code"] == "missing_key"
    needs = "your Luma API key" if api is DREAM_MACHINE else "a key for Luma's Agents API"
    who = "This tool" if tool in ON_CLIPS else model
    assert error["message"] == f"{who} needs {needs}."
    assert api.key_header in error["advice"]
    assert api.keys_page in error["advice"]
    assert "which works" not in error["advice"]  # without a key nothing does
    assert upstream.asked == []


# What is not about a model, by whose key it needs.
OTHERS: list[tuple[Api, str, Json]] = [
    (DREAM_MACHINE, "list_generations", {}),
    (DREAM_MACHINE, "get_credits", {}),
    (DREAM_MACHINE, "list_concepts", {}),
    (DREAM_MACHINE, "get_generation", {"generation_id": ID}),
    (DREAM_MACHINE, "wait_for_generation", {"generation_id": ID}),
    (DREAM_MACHINE, "delete_generation", {"generation_id": ID}),
    (AGENTS, "get_generation", {"generation_id": AGENTS_ID}),
    (AGENTS, "wait_for_generation", {"generation_id": AGENTS_ID}),
    (AGENTS, "upload_file", {"size_bytes": 1, "mime_type": "image/png"}),
    (AGENTS, "upload_file", {"data": "Ym9hdA==", "mime_type": "image/png"}),
    (AGENTS, "upload_file", {"file_id": FILE_ID}),
    (AGENTS, "list_files", {}),
    (AGENTS, "delete_file", {"file_id": FILE_ID}),
]


@pytest.mark.parametrize(("api", "tool", "arguments"), OTHERS)
async def test_what_needs_no_model_names_the_key_that_it_needs(
    api: Api, tool: str, arguments: Json
) -> None:
    upstream = Upstream()
    async with client_of(upstream, alone(other_than(api))) as client:
        result = await client.call_tool(tool, arguments, raise_on_error=False)
    assert result.structured_content is not None
    assert result.structured_content["code"] == "missing_key"
    assert text_of(result).startswith(f"This tool needs a key for Luma's {api.title};")
    for word in (api.key_header, api.variable, api.keys_page):
        assert word in result.structured_content["advice"]
    assert upstream.asked == []


async def test_who_deletes_a_job_of_the_agents_api_is_asked_for_no_key() -> None:
    async with client_of(Upstream(), alone(AGENTS)) as client:
        error = await refusal(client, "delete_generation", generation_id=AGENTS_ID)
    assert error["code"] == "invalid_request"
    assert "belongs to Luma's Agents API" in error["message"]


async def test_a_link_needs_no_upload_and_so_no_key() -> None:
    upstream = Upstream()
    async with client_of(upstream, access=None) as client:
        answer = await data(client, "upload_file", url="https://example.com/boat.png")
    assert answer["source"] == {"url": "https://example.com/boat.png"}
    assert upstream.asked == []
