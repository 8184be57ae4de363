"""What is no message is refused in plain words, before the framework reads it."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.web.conftest import PING

KEY = {"X-API-Key": "luma-ada", "Content-Type": "application/json"}
SECRET = "a-secret-in-the-wrong-place"


def call(**changes: object) -> dict[str, Any]:
    return {**PING, **changes}


@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        ([PING], -32600, "Batches are not supported"),
        (17, -32600, "A message is an object"),
        (SECRET, -32600, "A message is an object"),
        ({}, -32600, "A message is an object"),
        (call(jsonrpc="1.0"), -32600, "A message is an object"),
        ({"jsonrpc": "2.0", "id": 1}, -32600, "has no method"),
        ({"jsonrpc": "2.0", "result": {}}, -32600, "has no method"),
        ({"jsonrpc": "2.0", "id": 1, "result": SECRET}, -32600, "has no method"),
        ({"jsonrpc": "2.0", "id": 1, "error": {"message": SECRET}}, -32600, "has no method"),
        ({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": 2}}, -32600, "has no method"),
        ({"jsonrpc": "2.0", "id": 1, "result": {}, "error": {}}, -32600, "has no method"),
        (
            {"jsonrpc": "2.0", "id": 1, "result": {}, "error": {"code": 1, "message": "No."}},
            -32600,
            "has no method",
        ),
        (call(method=5), -32600, "method must be a text"),
        (call(id={"a": SECRET}), -32600, "id must be"),
        (call(id=True), -32600, "id must be"),
        (call(id=None), -32600, "id must be"),
        (call(params=SECRET), -32602, "params must be an object"),
        (call(params=[SECRET]), -32602, "params must be an object"),
        (call(params={"arguments": {}}), -32602, "params.name must be"),
        (call(params={"name": "ping", "arguments": [SECRET]}), -32602, "arguments must be"),
    ],
)
async def test_what_is_no_message_is_refused_and_not_repeated(
    browser: httpx.AsyncClient,
    message: Any,  # noqa: ANN401 - any JSON
    code: int,
    text: str,
) -> None:
    response = await browser.post("/mcp", content=json.dumps(message), headers=KEY)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == code
    assert text in error["message"]
    assert SECRET not in response.text
    assert "pydantic" not in response.text


async def test_a_refusal_has_the_id_of_the_message(browser: httpx.AsyncClient) -> None:
    response = await browser.post("/mcp", json=call(id="seven", params=7), headers=KEY)
    assert response.json()["id"] == "seven"


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"\xff\xfe",
        b"",
        b"[" * 100_000,
        json.dumps(PING).encode("utf-16"),
        json.dumps(PING).encode("utf-8-sig"),
        json.dumps(PING | {"id": "\ud800"}).encode(),
    ],
)
async def test_what_is_no_json_is_refused(browser: httpx.AsyncClient, body: bytes) -> None:
    response = await browser.post("/mcp", content=body, headers=KEY)
    assert response.status_code == 400
    assert response.json()["error"] == {"code": -32700, "message": "The body is not JSON."}


async def test_a_notification_and_an_answer_of_the_client_pass(browser: httpx.AsyncClient) -> None:
    for message in (
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "No."}},
    ):
        response = await browser.post("/mcp", json=message, headers=KEY)
        assert response.status_code == 202


@pytest.mark.parametrize("declared", [True, False])
async def test_a_message_of_more_than_256_kib_is_refused(
    browser: httpx.AsyncClient,
    declared: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async def parts() -> Any:  # noqa: ANN401 - what httpx takes
        for _ in range(5):
            yield b"x" * 64 * 1024

    content = b"x" * (256 * 1024 + 1) if declared else parts()
    response = await browser.post("/mcp", content=content, headers=KEY)
    assert response.status_code == 413
    assert response.json()["code"] == "invalid_request"
    assert "256 KiB" in response.json()["message"]


async def test_a_client_that_hangs_up_within_its_message_does_no_harm(
    browser: httpx.AsyncClient,
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", browser.base_url.port)
    head = (
        "POST /mcp HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{browser.base_url.port}\r\n"
        "X-API-Key: luma-ada\r\nContent-Length: 1000\r\n\r\n{"
    )
    writer.write(head.encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await browser.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("method", "headers", "status", "advice"),
    [
        ("POST", {"Accept": "text/html"}, 406, "Accept: application/json, text/event-stream"),
        ("DELETE", {}, 405, "as a POST"),
        ("GET", {}, 405, "as a POST"),
    ],
)
@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_what_the_framework_refuses_without_a_word_is_explained(
    browser: httpx.AsyncClient,
    method: str,
    headers: dict[str, str],
    status: int,
    advice: str,
    version: str,
) -> None:
    asking = KEY | {"MCP-Protocol-Version": version} | headers
    content = json.dumps(PING) if method == "POST" else None
    response = await browser.request(method, "/mcp", content=content, headers=asking)
    assert response.status_code == status
    said = response.json()
    if "error" in said:  # the SDK says it itself
        return
    assert advice in said["advice"]
    assert ("allow" in response.headers) == (status == 405)
