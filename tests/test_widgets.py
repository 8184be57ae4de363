"""The pages for chats, as the server announces them and hands them out."""

import re

import httpx
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from mcp import MCPError
from mcp.types import Resource, TextResourceContents, Tool

from luma_mcp.mcp_server import build_mcp
from luma_mcp.settings import load_settings
from luma_mcp.tools import build_tools
from luma_mcp.tools.results import Generation, GenerationList
from luma_mcp.widgets import Widget, build_widgets
from tests.conftest import KEY
from tests.servers import product
from tests.services import open_services_over
from tests.tools.calls import Json, Upstream, client_of
from tests.tools.test_catalogue import CREATES

MIME_TYPE = "text/html;profile=mcp-app"
SOURCES = ("https://*.cdn-luma.com", "https://luma.example")
ADDRESS = re.compile(r"ui://luma/(player|gallery)-[0-9a-f]{16}\.html")
PLAYER, GALLERY = build_widgets(SOURCES)[Generation], build_widgets(SOURCES)[GenerationList]
PLAYED = CREATES | {"get_generation", "wait_for_generation"}


def meta_of(one: Tool | Resource | TextResourceContents) -> Json:
    assert one.meta is not None
    return one.meta


async def tools_of(client: Client) -> dict[str, Tool]:
    return {tool.name: tool for tool in await client.list_tools()}


async def pages_of(client: Client) -> dict[str, tuple[Resource, TextResourceContents]]:
    """Each page as it is listed, and as it is read."""
    pages = {}
    for resource in await client.list_resources():
        if str(resource.uri).startswith("ui://"):
            (content,) = await client.read_resource(resource.uri)
            assert isinstance(content, TextResourceContents)
            pages[resource.name] = resource, content
    return pages


async def test_whatever_answers_a_job_has_the_player_and_the_list_has_the_gallery() -> None:
    async with client_of(Upstream()) as client:
        tools, pages = await tools_of(client), await pages_of(client)
    shown = {
        name: meta_of(tool)["ui"]["resourceUri"]
        for name, tool in tools.items()
        if "resourceUri" in meta_of(tool).get("ui", {})
    }
    addresses = {name: str(resource.uri) for name, (resource, _) in pages.items()}
    assert shown == {
        **dict.fromkeys(PLAYED, addresses["player"]),
        "list_generations": addresses["gallery"],
    }


async def test_chatgpt_finds_the_same_under_its_own_names() -> None:
    async with client_of(Upstream()) as client:
        tools = await tools_of(client)
    for tool in tools.values():
        meta = meta_of(tool)
        page = meta.get("ui", {}).get("resourceUri")
        assert meta.get("openai/outputTemplate") == page
        if page:
            assert meta["openai/widgetAccessible"] is tool.annotations.read_only_hint
            assert 0 < len(meta["openai/toolInvocation/invoking"]) <= 64
            assert 0 < len(meta["openai/toolInvocation/invoked"]) <= 64


async def test_the_tool_of_the_pages_is_for_them_alone() -> None:
    async with client_of(Upstream()) as client:
        tools = await tools_of(client)
    private = {name for name, tool in tools.items() if "openai/visibility" in meta_of(tool)}
    assert private == {"refresh_generation"}
    meta = meta_of(tools["refresh_generation"])
    assert meta["ui"] == {"visibility": ["app"]}
    assert (meta["openai/visibility"], meta["openai/widgetAccessible"]) == ("private", True)
    assert {name for name, tool in build_tools().items() if tool.is_for_pages} == private


async def test_a_page_may_load_media_from_where_they_are_and_nothing_else() -> None:
    nowhere = httpx.ASGITransport(Upstream())
    server = build_mcp(lambda: open_services_over(nowhere, load_settings()), page_sources=SOURCES)
    async with Client(server) as client:
        pages = await pages_of(client)
    assert set(pages) == {"player", "gallery"}
    for resource, content in pages.values():
        assert resource.mime_type == content.mime_type == MIME_TYPE
        for meta in (meta_of(resource), meta_of(content)):
            assert meta["ui"] == {
                "csp": {"resourceDomains": list(SOURCES)},
                "permissions": {"clipboardWrite": {}},
                "prefersBorder": False,
            }
            assert meta["openai/widgetCSP"] == {
                "resource_domains": list(SOURCES),
                "connect_domains": [],
                "redirect_domains": list(SOURCES),
            }


@pytest.mark.parametrize("widget", [PLAYER, GALLERY], ids=lambda widget: widget.name)
def test_a_page_is_whole_by_itself(widget: Widget) -> None:
    head, _, _ = widget.html.partition("<script")
    assert head.startswith("<!doctype html>")
    loads = re.findall(r"<(?:script|link|iframe|img|video|object|embed)\b[^>]*>", widget.html)
    assert [tag for tag in loads if re.search(r"\b(?:src|href)=", tag)] == []
    assert len(widget.html) < 500_000  # clients refuse answers of a megabyte


def test_the_address_of_a_page_changes_with_what_it_may_load() -> None:
    assert PLAYER.uri == build_widgets(SOURCES)[Generation].uri
    assert PLAYER.uri != build_widgets(SOURCES[:1])[Generation].uri
    assert ADDRESS.fullmatch(PLAYER.uri)
    assert ADDRESS.fullmatch(GALLERY.uri)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_pages_are_read_over_http_with_the_servers_own_origin_in_their_policy(
    mode: str,
) -> None:
    async with product() as url:
        transport = StreamableHttpTransport(f"{url}/mcp", headers={"X-API-Key": KEY})
        async with Client(transport, mode=mode) as client:
            pages = await pages_of(client)
    _, content = pages["player"]
    assert content.text == PLAYER.html
    domains = meta_of(content)["ui"]["csp"]["resourceDomains"]
    assert domains == ["https://*.cdn-luma.com", url]


async def test_no_page_can_call_what_changes_or_spends_something() -> None:
    async with client_of(Upstream()) as client:
        tools = await tools_of(client)
    changing = {name for name, tool in tools.items() if not tool.annotations.read_only_hint}
    kept = {
        name
        for name, tool in tools.items()
        if meta_of(tool).get("ui", {}).get("visibility") == ["model"]
    }
    assert kept == changing
    assert CREATES | {"delete_generation"} <= kept


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_who_knows_an_earlier_address_of_a_page_gets_the_present_one(mode: str) -> None:
    earlier = f"ui://luma/player-{'0' * 16}.html"
    async with product() as url:
        transport = StreamableHttpTransport(f"{url}/mcp", headers={"X-API-Key": KEY})
        async with Client(transport, mode=mode) as client:
            (content,) = await client.read_resource(earlier)
            _, present = (await pages_of(client))["player"]
            with pytest.raises(MCPError):
                await client.read_resource(earlier.replace("player", "stranger"))
    assert str(content.uri) == earlier
    assert isinstance(content, TextResourceContents)
    assert (content.text, content.meta) == (present.text, present.meta)
