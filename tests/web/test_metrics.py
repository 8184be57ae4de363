"""The page of metrics on the server's own port: for who knows the token, in both formats."""

from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as read_plain

from luma_mcp import __version__
from luma_mcp.metrics import FAMILIES
from tests.servers import product

TOKEN = "metrics-token-of-the-operator"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[str]:
    async with product(metrics_token=TOKEN) as url:
        yield url


async def scrape(browser: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await browser.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}", **headers})


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", TOKEN, "Bearer luma-sandbox", "é"],
)
async def test_without_the_token_there_are_none(
    browser: httpx.AsyncClient, authorization: str
) -> None:
    given = {"Authorization": authorization.encode()} if authorization else {}
    answer = await browser.get("/metrics", headers=given)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    fields = answer.json()
    assert fields["code"] == "invalid_token"
    assert "LUMA_MCP_METRICS_TOKEN" in fields["advice"]
    assert TOKEN not in answer.text


async def test_with_the_token_they_can_be_read(browser: httpx.AsyncClient) -> None:
    answer = await scrape(browser)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name: family for family in read_plain(answer.text)}
    assert families["luma_mcp_build_info"].samples[0].labels == {"version": __version__}
    found = {name.removesuffix("_total") for name in families}
    assert {name.removesuffix("_total") for name in FAMILIES} - found == {
        "luma_mcp_shared_store_up"
    }
    assert {"process_resident_memory_bytes", "python_gc_collections"} <= found
    names = {sample.name for family in families.values() for sample in family.samples}
    assert not [name for name in names if name.endswith("_created")]


async def test_openmetrics_is_spoken_to_who_asks_for_it(browser: httpx.AsyncClient) -> None:
    answer = await scrape(browser, Accept=f"{OPENMETRICS},text/plain;q=0.5")
    assert answer.headers["content-type"].startswith(OPENMETRICS)
    assert "luma_mcp_calls" in {family.name for family in read_openmetrics(answer.text)}


async def test_a_call_is_counted_while_it_runs_and_when_it_is_answered(
    browser: httpx.AsyncClient,
) -> None:
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "get_credits", "arguments": {}},
    }
    answer = await browser.post("/mcp", json=message, headers={"X-API-Key": "luma-ada"})
    assert answer.status_code == 200
    text = (await scrape(browser)).text
    assert 'luma_mcp_calls_total{outcome="ok",tool="get_credits"} 1.0' in text
    assert "luma_mcp_calls_in_progress 0.0" in text
    asked = 'luma_mcp_upstream_requests_total{api="dream_machine",operation="GET /credits",'
    assert f'{asked}status="200"}} 1.0' in text


async def test_where_there_is_no_token_the_page_says_what_to_set() -> None:
    async with product() as url, httpx.AsyncClient(base_url=url) as browser:
        answer = await scrape(browser)
    assert answer.status_code == 404
    assert answer.json()["advice"] == (
        "Operators can set LUMA_MCP_METRICS_TOKEN, or LUMA_MCP_METRICS_PORT for a port of their "
        "own."
    )
