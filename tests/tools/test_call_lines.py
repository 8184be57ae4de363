"""The one log line of every call."""

import asyncio
import hashlib

import httpx
import pytest
from starlette.types import Receive, Scope, Send
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from tests.conftest import KEY
from tests.tools.calls import Upstream, call, client_of, client_over, data, refusal

PING = "GET /dream-machine/v1/ping"


async def test_every_call_writes_one_line() -> None:
    with capture_logs([merge_contextvars]) as logs:
        async with client_of(Upstream({PING: {"message": "pong"}})) as client:
            await data(client, "ping")
    (line,) = logs
    assert line.pop("ms") >= 0
    assert len(line.pop("request_id")) == 16
    assert line == {
        "event": "call",
        "log_level": "info",
        "tool": "ping",
        "outcome": "ok",
        "key": hashlib.sha256(KEY.encode()).hexdigest()[:12],
    }


async def test_a_call_that_fails_has_its_code_and_the_answers_request_id_in_its_line() -> None:
    with capture_logs([merge_contextvars]) as logs:
        async with client_of(Upstream()) as client:
            first = await refusal(client, "ping")
            second = await refusal(client, "get_generation", generation_id="x")
    assert [(line["outcome"], line["request_id"]) for line in logs] == [
        ("not_found", first["request_id"]),
        ("invalid_request", second["request_id"]),
    ]
    assert first["request_id"] != second["request_id"]


async def test_the_name_of_an_unknown_tool_does_not_get_into_the_log() -> None:
    with capture_logs([merge_contextvars]) as logs:
        async with client_of(Upstream()) as client:
            await refusal(client, "made_up_by_the_caller")
    assert [line["tool"] for line in logs] == ["unknown"]


async def test_a_call_that_its_client_gives_up_has_a_line_too() -> None:
    waiting = asyncio.Event()

    async def never_answer(_scope: Scope, _receive: Receive, _send: Send) -> None:
        waiting.set()
        await asyncio.Event().wait()

    with capture_logs([merge_contextvars]) as logs:
        async with client_over(httpx.ASGITransport(never_answer)) as client:
            running = asyncio.create_task(call(client, "ping"))
            await waiting.wait()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
    assert [line["outcome"] for line in logs] == ["cancelled"]
