"""A call from its arguments to its answer: errors made into answers."""

import asyncio

import httpx
import pytest
from fastmcp import Client
from starlette.responses import JSONResponse, Response
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from luma_mcp import stopping
from luma_mcp.calls import ToolCalls
from luma_mcp.errors import InvalidRequest
from luma_mcp.services import Caller, open_services
from luma_mcp.settings import load_settings
from luma_mcp.tools import build_tools
from tests.clocks import settle
from tests.conftest import KEY
from tests.luma.test_leaving import Slow
from tests.luma.upstream import playing
from tests.messages import MAY_EXIST
from tests.services import access_with
from tests.tools.calls import (
    JOB_ID,
    Broken,
    Upstream,
    call,
    client_of,
    client_over,
    data,
    lines_of,
    refusal,
    text_of,
)

BASE = "/dream-machine/v1"
PING = f"GET {BASE}/ping"
POST = f"POST {BASE}/generations/video"


async def test_an_error_is_an_answer_with_fields_and_lines(mcp_client: Client) -> None:
    result = await call(
        mcp_client, "create_generation", prompt="A boat [sandbox:http=429,retry-after=7]"
    )
    assert result.is_error
    fields = dict(result.structured_content or {})
    request_id = fields.pop("request_id")
    assert fields == {
        "code": "rate_limited",
        "message": ('Luma takes no more requests from this key just now: "Rate limit exceeded"'),
        "advice": "Wait, then make the same call again.",
        "retryable": True,
        "retry_after_seconds": 7,
        "generation_id": None,
    }
    assert lines_of(result) == [
        fields["message"],
        fields["advice"],
        "Try again in 7 seconds.",
        f"Request id: {request_id}",
    ]


@pytest.mark.parametrize(
    ("word", "code", "advice"),
    [
        ("http=400", "invalid_request", "Change the arguments as the text says"),
        ("http=401", "key_rejected", "Check the key in your client's settings"),
        ("http=402", "insufficient_credits", "See the balance with get_credits"),
        ("http=403", "key_rejected", "Check the key in your client's settings"),
        ("http=404", "not_found", "Check the id with list_generations"),
        ("http=408", "unavailable", MAY_EXIST),
        ("http=422", "invalid_request", "Change the arguments as the text says"),
        ("http=429", "rate_limited", "Wait, then make the same call again."),
        ("http=500", "unavailable", MAY_EXIST),
        ("http=503", "unavailable", MAY_EXIST),
        ("html", "unavailable", MAY_EXIST),
        ("redirect", "bad_response", MAY_EXIST),
        ("garbage", "bad_response", MAY_EXIST),
        ("empty", "bad_response", MAY_EXIST),
        ("nonsense", "invalid_request", "Change the arguments as the text says"),
    ],
)
async def test_each_refusal_of_a_paid_call_has_its_code_and_its_advice(
    mcp_client: Client, word: str, code: str, advice: str
) -> None:
    error = await refusal(mcp_client, "create_generation", prompt=f"A boat [sandbox:{word}]")
    assert error["code"] == code
    assert error["advice"].startswith(advice)
    assert error["retryable"] == (code == "rate_limited")


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (httpx.ReadError("reset by peer"), "unavailable"),
        (TimeoutError(), "timed_out"),
        (ZeroDivisionError("deep inside"), "internal"),
    ],
)
async def test_a_free_call_that_got_no_answer_may_be_made_again(
    fault: Exception, code: str
) -> None:
    async with client_over(Broken(fault)) as client:
        error = await refusal(client, "ping")
    assert error["code"] == code
    assert error["retryable"] == (code != "internal")
    assert "list_generations" not in error["advice"]


async def test_after_a_paid_call_in_doubt_the_id_is_given_when_it_is_known() -> None:
    torn = Response(f'{{"id": "{JOB_ID}", "state": "que', 201)
    async with client_of(Upstream({POST: torn})) as client:
        result = await call(client, "create_generation", prompt="A boat")
    assert result.structured_content is not None
    assert result.structured_content["generation_id"] == JOB_ID
    assert lines_of(result)[:-1] == [
        "Luma's answer (201) is not what its API promises.",
        MAY_EXIST,
        f"The id of the job is {JOB_ID}.",
    ]


async def test_after_a_paid_call_in_doubt_without_an_id_none_is_made_up() -> None:
    async with client_of(Upstream({POST: {"state": "queued"}})) as client:
        error = await refusal(client, "create_generation", prompt="A boat")
    assert (error["advice"], error["generation_id"]) == (MAY_EXIST, None)


async def test_a_failed_look_at_an_old_job_does_not_name_it_as_a_new_one(
    mcp_client: Client,
) -> None:
    job = await data(mcp_client, "create_generation", prompt="A boat [sandbox:get=500]")
    error = await refusal(mcp_client, "get_generation", generation_id=job["id"])
    assert (error["code"], error["generation_id"]) == ("unavailable", None)


async def test_an_error_without_advice_is_its_sentence() -> None:
    async with client_over(Broken(InvalidRequest("Not today."))) as client:
        result = await call(client, "ping")
    assert result.structured_content is not None
    assert result.structured_content["advice"] is None
    assert lines_of(result)[:-1] == ["Not today."]


async def test_nothing_of_an_unexpected_exception_is_in_the_answer() -> None:
    with capture_logs([merge_contextvars]) as logs:
        async with client_over(Broken(ZeroDivisionError(f"{KEY} deep inside"))) as client:
            result = await call(client, "ping")
    assert result.structured_content is not None
    request_id = result.structured_content["request_id"]
    assert lines_of(result) == [
        "This server has a fault; nothing is known to be wrong with your call.",
        "Report it with the request id.",
        f"Request id: {request_id}",
    ]
    (fault,) = [log for log in logs if log["event"] == "fault"]
    assert fault["request_id"] == request_id
    assert isinstance(fault["exc_info"], ZeroDivisionError)


@pytest.mark.parametrize("key", [KEY, "a-key-of-another-shape"])
async def test_a_key_in_the_words_of_luma_is_hidden_from_its_owner_too(key: str) -> None:
    echo = JSONResponse({"detail": f"No such key: {key}"}, 401)
    async with client_of(Upstream({PING: echo}), access_with(key)) as client:
        result = await call(client, "ping")
    assert text_of(result).startswith('Luma does not accept the API key: "No such key: [hidden]"\n')
    assert key not in repr(result)


async def test_a_key_in_an_advice_is_hidden() -> None:
    refused = InvalidRequest("Not today.", advice=f"Do not send {KEY}.")
    async with client_over(Broken(refused)) as client:
        error = await refusal(client, "ping")
    assert error["advice"] == "Do not send [hidden]."


async def test_a_call_is_under_way_until_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "FAREWELL_SECONDS", 0)
    slow = Slow(200, {"message": "pong"})
    tools = ToolCalls(build_tools())
    async with (
        playing(slow) as upstream,
        open_services(load_settings(dream_machine_url=upstream.url)) as services,
    ):
        calling = asyncio.create_task(tools.answer("ping", {}, Caller(services, access_with(KEY))))
        await slow.asked.wait()
        services.under_way.end()
        ending = asyncio.create_task(services.under_way.answered())
        await settle()
        assert not ending.done()
        slow.release.set()
        assert not (await calling).is_error
        await ending
