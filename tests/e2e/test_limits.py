"""Limits as clients meet them: real ones, of both eras, over a socket."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from mcp.types import TextContent

from luma_mcp.credentials import ApiKey
from luma_mcp.settings import load_settings
from luma_mcp.tools.generations import MAX_NEWS_SECONDS
from tests.e2e.processes import serving_process
from tests.e2e.sign_in import ACCEPT, CALL
from tests.e2e.test_two_apis import ERAS, Json, call
from tests.engines import redis_server
from tests.servers import application_and_url

ADA, GRACE = {"X-API-Key": "luma-ada"}, {"X-API-Key": "luma-grace"}


@asynccontextmanager
async def client_of(url: str, era: str, headers: dict[str, str]) -> AsyncGenerator[Client]:
    transport = StreamableHttpTransport(f"{url}/mcp", headers=headers)
    async with Client(transport, mode=era) as client:
        yield client


async def codes_of(url: str, era: str, headers: dict[str, str], times: int) -> list[str | None]:
    """Make calls one after another; gives the code of each error."""
    async with client_of(url, era, headers) as client:
        return [(await call(client, "get_credits")).get("code") for _ in range(times)]


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_too_many_is_told_when_to_come_back(era: str) -> None:
    async with application_and_url(calls_per_minute=3) as (app, url):
        assert await codes_of(url, era, ADA, 3) == [None] * 3
        async with client_of(url, era, ADA) as ada:
            result = await ada.call_tool("get_credits", {}, raise_on_error=False)
            assert result.is_error
            said: Json = result.structured_content or {}
            assert said["code"] == "rate_limited"
            assert said["retryable"]
            assert 0 < said["retry_after_seconds"] <= 61
            (block,) = result.content
            assert isinstance(block, TextContent)
            assert block.text.startswith(
                "This server takes at most 3 calls in a minute with one key.\n"
                "Wait, then make the same call again.\n"
                f"Try again in {said['retry_after_seconds']} second"
            )
            # Neither what fails counts less, nor what the framework would have answered.
            assert (await call(ada, "create_video"))["code"] == "rate_limited"
            with pytest.raises(Exception, match="at most 3 calls"):
                await ada.read_resource("luma://models")
            assert await ada.list_tools()
        assert await codes_of(url, era, GRACE, 4) == [None] * 3 + ["rate_limited"]
        # A second key makes no new caller.
        made_up = {**ADA, "X-Luma-Agents-API-Key": "luma-api-made-up"}
        assert await codes_of(url, era, made_up, 1) == ["rate_limited"]
        registry = app.state.services.metrics.registry
        hits = registry.get_sample_value("luma_mcp_limits_hit_total", {"limit": "calls_per_minute"})
        assert hits == 5


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_beside_too_many_others_is_told_to_wait(era: str) -> None:
    async with application_and_url(concurrent_calls=1) as (app, url):
        limits = app.state.services.limits
        async with client_of(url, era, ADA) as ada:
            assert (await call(ada, "get_credits")).get("code") is None
            async with limits.call_of((ApiKey("luma-ada").fingerprint,)):
                said = await call(ada, "get_credits")
                assert (said["code"], said["retry_after_seconds"]) == ("rate_limited", 1)
            assert (await call(ada, "get_credits")).get("code") is None


async def test_processes_limit_together_whom_they_see_through_trusted_proxies() -> None:
    async with (
        redis_server() as redis,
        serving_process(
            "--sandbox", LUMA_MCP_REDIS_URL=redis, LUMA_MCP_REQUESTS_PER_MINUTE="4"
        ) as stranger,
        # In the test's own process uvicorn trusts 127.0.0.1, as it does unless told otherwise.
        application_and_url(redis_url=redis, requests_per_minute=4) as (_, trusting),
        httpx.AsyncClient(headers={**ACCEPT, **ADA}, timeout=60) as http,
    ):

        async def status(url: str, client: str | None = None) -> int:
            headers = {"X-Forwarded-For": client} if client else {}
            return (await http.post(f"{url}/mcp", json=CALL, headers=headers)).status_code

        for number in range(3):  # made up, by somebody who is no proxy
            assert await status(stranger.url, f"203.0.113.{number}") == 200
        assert await status(trusting) == 200
        for _ in range(4):
            assert await status(trusting, "203.0.113.7") == 200
        assert await status(trusting, "203.0.113.7") == 429
        assert await status(trusting, "203.0.113.8") == 200
        assert await status(trusting) == 429
        for client in (None, "203.0.113.8"):
            assert await status(stranger.url, client) == 429


def test_a_page_that_follows_a_job_stays_far_below_the_limit() -> None:
    """Pages wait by long polls, which count like any call."""
    polls_in_a_minute = 60 / MAX_NEWS_SECONDS
    assert load_settings().calls_per_minute >= 100 * polls_in_a_minute
