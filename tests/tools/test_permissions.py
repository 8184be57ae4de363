"""The switches that narrow the tools on offer: hidden from the list, and refused all the same."""

import pytest
from fastmcp import Client

from luma_mcp.credentials import ApiKey, Credentials
from luma_mcp.services import Access
from luma_mcp.settings import TOOLSETS
from luma_mcp.tools import build_tools
from tests.conftest import KEY
from tests.services import access_with
from tests.tools.calls import JOB_ID, Upstream, call, client_of, refusal, text_of
from tests.tools.test_catalogue import READS

ALL = {name: tool.toolsets for name, tool in build_tools().items()}
READONLY = access_with(KEY, readonly=True)
NARROW = access_with(KEY, toolsets="images,account")


async def names(client: Client) -> set[str]:
    return {tool.name for tool in await client.list_tools()}


async def test_without_switches_everything_is_on_offer() -> None:
    async with client_of(Upstream()) as client:
        assert await names(client) == set(ALL)


async def test_a_readonly_caller_sees_only_what_changes_and_spends_nothing() -> None:
    async with client_of(Upstream(), READONLY) as client:
        assert await names(client) == READS


async def test_a_caller_sees_only_the_toolsets_of_its_choice() -> None:
    async with client_of(Upstream(), NARROW) as client:
        assert await names(client) == {
            name for name, toolsets in ALL.items() if {"images", "account"} & {*toolsets}
        }


@pytest.mark.parametrize("toolset", ["videos", "images"])
async def test_who_may_create_may_also_wait_for_the_result(toolset: str) -> None:
    async with client_of(Upstream(), access_with(KEY, toolsets=toolset)) as client:
        assert {"get_generation", "wait_for_generation"} < await names(client)


async def test_both_switches_narrow_together() -> None:
    access = access_with(KEY, readonly=True, toolsets="videos,generations")
    async with client_of(Upstream(), access) as client:
        assert await names(client) == {
            "get_generation",
            "wait_for_generation",
            "refresh_generation",
            "list_generations",
            "estimate_cost",
        }


@pytest.mark.parametrize("tool", sorted(set(ALL) - READS))
async def test_a_readonly_caller_is_refused_before_anything_is_sent(tool: str) -> None:
    upstream = Upstream()
    async with client_of(upstream, READONLY) as client:
        error = await refusal(client, tool, generation_id=JOB_ID, prompt="A boat")
    assert error["code"] == "refused_by_policy"
    assert error["message"] == (
        f"{tool} changes or spends something, and this connection is read-only."
    )
    assert "X-MCP-Readonly" in error["advice"]
    assert upstream.asked == []


@pytest.mark.parametrize(
    "tool", sorted(n for n, toolsets in ALL.items() if not {"images", "account"} & {*toolsets})
)
async def test_a_tool_of_another_toolset_is_refused_before_anything_is_sent(tool: str) -> None:
    upstream = Upstream()
    async with client_of(upstream, NARROW) as client:
        error = await refusal(client, tool, generation_id=JOB_ID, prompt="A boat")
    assert error["code"] == "refused_by_policy"
    assert f"'{ALL[tool][-1]}', which is switched off here" in error["message"]
    assert "X-MCP-Toolsets" in error["advice"]
    assert upstream.asked == []


async def test_the_advice_about_an_unknown_tool_names_only_what_is_on_offer() -> None:
    async with client_of(Upstream(), access_with(KEY, toolsets="images")) as client:
        error = await refusal(client, "create_video")
    assert error["advice"] == (
        "The tools are: generate_image, reframe_image, edit_image, extract_layers, "
        "get_generation, wait_for_generation, estimate_cost."
    )


async def test_a_caller_without_a_key_is_told_how_to_send_one() -> None:
    upstream = Upstream()
    async with client_of(upstream, access=None) as client:
        assert await names(client) == set(ALL)
        error = await refusal(client, "ping")
    assert error["code"] == "missing_key"
    assert "'Authorization: Bearer <key>'" in error["advice"]
    assert upstream.asked == []


async def test_a_caller_with_the_key_of_another_api_is_told_which_one_is_needed() -> None:
    credentials = Credentials(agents=ApiKey("luma-api-0123456789"))
    access = Access(credentials, frozenset(TOOLSETS), readonly=False)
    async with client_of(Upstream(), access) as client:
        result = await call(client, "get_credits")
    assert result.is_error
    assert text_of(result).startswith("This tool needs a key for Luma's Dream Machine API;")
    assert "'X-Luma-API-Key: <key>'" in text_of(result)
