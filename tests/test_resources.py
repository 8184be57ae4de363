"""The resources: read without a tool and without Luma, over every transport."""

import json
import sys
from collections.abc import Sequence

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from mcp.types import BlobResourceContents, TextResourceContents

from luma_mcp.luma.catalogue import describe
from tests.conftest import KEY
from tests.e2e.processes import ROOT
from tests.servers import product
from tests.tools.calls import Json, Upstream, client_of

MODELS = "luma://models"


def read(contents: Sequence[TextResourceContents | BlobResourceContents]) -> Json:
    (content,) = contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"
    return json.loads(content.text)


async def test_the_models_are_read_without_asking_luma() -> None:
    upstream = Upstream()
    async with client_of(upstream) as client:
        assert read(await client.read_resource(MODELS)) == describe()
    assert upstream.asked == []


async def test_a_client_is_told_what_the_resource_holds() -> None:
    async with client_of(Upstream()) as client:
        (listed,) = await client.list_resources()
        templates = await client.list_resource_templates()
    assert (str(listed.uri), listed.name, listed.title) == (MODELS, "models", "Luma's models")
    assert listed.mime_type == "application/json"
    assert (listed.description or "").startswith("What each model can do")
    assert templates == []


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_the_models_are_read_over_http_in_both_eras(era: str) -> None:
    async with product() as url:
        headers = {"Authorization": f"Bearer {KEY}"}
        transport = StreamableHttpTransport(f"{url}/mcp", headers=headers)
        async with Client(transport, mode=era) as client:
            assert read(await client.read_resource(MODELS)) == describe()


async def test_the_models_are_read_over_stdio() -> None:
    nowhere = {"LUMA_API_KEY": KEY, "LUMA_MCP_DREAM_MACHINE_URL": "http://127.0.0.1:9"}
    transport = StdioTransport(
        sys.executable, ["server.py", "stdio"], env=nowhere, cwd=str(ROOT), keep_alive=False
    )
    async with Client(transport) as client:
        assert read(await client.read_resource(MODELS)) == describe()
