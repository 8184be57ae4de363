"""The tool of our own pages: what it gives, how long it stays, and whom it refuses."""

import httpx
import pytest
from fastmcp import Client
from starlette.responses import JSONResponse

from tests.conftest import KEY
from tests.services import access_with
from tests.tools.calls import JOB_ID, Json, Upstream, client_of, client_over, data, refusal
from tests.tools.test_waiting import DONE, GET, QUEUED

REFRESH = "refresh_generation"


async def test_it_gives_what_a_look_at_the_job_gives(
    mcp_client: Client, completed_clip: str
) -> None:
    looked = await data(mcp_client, "get_generation", generation_id=completed_clip)
    refreshed = await data(mcp_client, REFRESH, generation_id=completed_clip)
    assert refreshed.pop("poster") is None
    for answer in (looked, refreshed):
        del answer["as_of"]
    assert refreshed == looked
    assert looked["state"] == "completed"


async def test_it_looks_once_and_at_once_unless_it_is_to_wait() -> None:
    upstream = Upstream({GET: QUEUED})
    async with client_of(upstream) as client:
        job = await data(client, REFRESH, generation_id=JOB_ID, known_state="queued")
    assert job["state"] == "queued"
    assert upstream.asked == [GET]


@pytest.mark.parametrize(
    ("job", "known"),
    [
        (QUEUED, None),
        ({**QUEUED, "state": "dreaming"}, "queued"),
        (DONE, "dreaming"),
        (DONE, "completed"),
    ],
)
async def test_it_stays_no_longer_than_until_there_is_news(job: Json, known: str | None) -> None:
    upstream = Upstream({GET: job})
    async with client_of(upstream) as client:
        answer = await data(
            client, REFRESH, generation_id=JOB_ID, known_state=known, timeout_seconds=30
        )
    assert answer["state"] == job["state"]
    assert upstream.asked == [GET]


@pytest.mark.parametrize("state", [None, "archived"])
async def test_a_state_that_luma_does_not_explain_is_news_once(state: str | None) -> None:
    upstream = Upstream({GET: {**QUEUED, "state": state}})
    async with client_of(upstream) as client:
        job = {"generation_id": JOB_ID, "timeout_seconds": 10}
        first = await data(client, REFRESH, **job)
        assert len(upstream.asked) == 1
        await data(client, REFRESH, **job, known_state=first["state"])
    assert len(upstream.asked) > 3


async def test_without_news_it_stays_as_long_as_it_is_told_to() -> None:
    upstream = Upstream({GET: QUEUED})
    async with client_of(upstream) as client:
        answer = await data(
            client, REFRESH, generation_id=JOB_ID, known_state="queued", timeout_seconds=10
        )
    assert answer["state"] == "queued"
    assert len(upstream.asked) > 2


async def test_it_refuses_a_job_that_the_key_does_not_see(
    mcp_client: Client, completed_clip: str, sandbox_transport: httpx.ASGITransport
) -> None:
    assert (await data(mcp_client, REFRESH, generation_id=completed_clip))["assets"]
    async with client_over(sandbox_transport, access_with("luma-eve")) as eve:
        for seconds in (0, 5):
            error = await refusal(
                eve, REFRESH, generation_id=completed_clip, timeout_seconds=seconds
            )
            assert (error["code"], error["retryable"]) == ("not_found", False)


async def test_without_a_key_it_gives_nothing() -> None:
    upstream = Upstream({GET: DONE})
    async with client_of(upstream, access=None) as client:
        error = await refusal(client, REFRESH, generation_id=JOB_ID)
    assert error["code"] == "missing_key"
    assert upstream.asked == []


async def test_trouble_is_an_error_that_says_when_to_try_again() -> None:
    limited = JSONResponse({"detail": "Slow down"}, 429, {"Retry-After": "7"})
    async with client_of(Upstream({GET: limited})) as client:
        error = await refusal(client, REFRESH, generation_id=JOB_ID)
    assert (error["code"], error["retry_after_seconds"]) == ("rate_limited", 7)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"timeout_seconds": 31}, "at most 30"),
        ({"timeout_seconds": -1}, "at least 0"),
        ({"generation_id": "../credits"}, "id of a generation"),
    ],
)
async def test_what_it_is_told_is_checked_before_anything_is_sent(wrong: Json, text: str) -> None:
    upstream = Upstream()
    async with client_of(upstream) as client:
        error = await refusal(client, REFRESH, **{"generation_id": JOB_ID, **wrong})
    assert error["code"] == "invalid_request"
    assert text in error["message"]
    assert upstream.asked == []


async def test_advice_about_a_misspelt_tool_does_not_lead_a_model_to_it() -> None:
    async with client_of(Upstream(), access_with(KEY)) as client:
        error = await refusal(client, "refresh_video")
    assert "get_generation" in error["advice"]
    assert REFRESH not in error["advice"]
