"""Every path that the server answers."""

import asyncio

import httpx
import pytest
from fastmcp import Client
from fastmcp.client.transports import SSETransport
from sse_starlette.sse import AppStatus

from luma_mcp.settings import load_settings
from luma_mcp.web.app import build_app
from tests.engines import redis_server
from tests.servers import misbehaving, product, serving
from tests.web.conftest import PING

KEY = {"X-API-Key": "luma-ada"}


async def test_the_server_is_alive_and_ready(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/healthz")).json() == {"status": "alive"}
    ready = await browser.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"status": "ready", "luma_reachable": True}


async def test_the_server_is_not_ready_while_luma_is_out_of_reach() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with misbehaving(hang_up) as luma:
        app = build_app(load_settings(dream_machine_url=luma))
        async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
            response = await client.get("/readyz")
            without_luma = await client.get("/readyz?exclude=luma")
            alive = await client.get("/healthz")
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "luma_reachable": False}
    assert without_luma.status_code == 200
    assert without_luma.json() == {"status": "ready"}
    assert alive.status_code == 200


async def test_a_server_whose_shared_store_is_out_of_reach_is_ready_and_says_so() -> None:
    async with (
        redis_server() as engine,
        product(redis_url=engine) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        whole = await client.get("/readyz")
    async with product(redis_url=engine) as url, httpx.AsyncClient(base_url=url) as client:
        alone = await client.get("/readyz")
    assert (whole.status_code, alone.status_code) == (200, 200)
    assert whole.json() == {"status": "ready", "luma_reachable": True, "shared_store": "ok"}
    assert alone.json() == {
        "status": "degraded",
        "luma_reachable": True,
        "shared_store": "unreachable",
    }


async def test_a_callback_that_was_never_asked_for_is_answered_too(
    browser: httpx.AsyncClient,
) -> None:
    answer = await browser.post("/callbacks/anything", json={"state": "completed"})
    assert (answer.status_code, answer.content) == (200, b"")


async def test_readiness_asks_luma_once_however_often_it_is_asked_for() -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with misbehaving(answer) as luma:
        app = build_app(load_settings(dream_machine_url=luma))
        async with (
            serving(app) as url,
            httpx.AsyncClient(base_url=url) as client,
            asyncio.TaskGroup() as tasks,
        ):
            asking = [tasks.create_task(client.get("/readyz")) for _ in range(20)]
    assert {task.result().status_code for task in asking} == {200}
    assert len(asked) == 1
    assert b"authorization" not in asked[0].lower()


async def test_streams_are_left_to_the_server_to_end_when_it_stops() -> None:
    async with serving(build_app(load_settings())):
        assert AppStatus.enable_automatic_graceful_drain is False


async def test_the_endpoint_answers_with_a_slash_without_a_redirect(
    browser: httpx.AsyncClient,
) -> None:
    response = await browser.post("/mcp/", json=PING, headers=KEY)
    assert response.status_code == 200
    assert "pong" in response.text


async def test_a_stateless_endpoint_has_no_stream_to_open(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/mcp", headers=KEY)).status_code == 405


async def test_an_unknown_path_is_not_found(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/nowhere", headers=KEY)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/sse"), ("POST", "/messages"), ("POST", "/messages/")]
)
async def test_the_transport_of_2024_is_gone_with_advice(
    browser: httpx.AsyncClient, method: str, path: str
) -> None:
    response = await browser.request(method, path)
    assert response.status_code == 410
    assert f"{browser.base_url}/mcp".replace("//mcp", "/mcp") in response.json()["advice"]


async def test_the_advice_names_the_public_address() -> None:
    async with (
        product(public_url="https://luma.example.com") as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        response = await client.get("/sse")
    assert "https://luma.example.com/mcp." in response.json()["advice"]


async def test_the_transport_of_2024_works_when_it_is_switched_on() -> None:
    async with product(legacy_sse=True) as url:
        transport = SSETransport(f"{url}/sse", headers=KEY)
        async with Client(transport, mode="legacy") as client:
            answer = await client.call_tool("get_credits")
    assert answer.structured_content is not None
    assert answer.structured_content["credit_balance_usd"] == 100


async def test_a_stream_of_2024_takes_no_message_with_another_key() -> None:
    async with (
        product(legacy_sse=True) as url,
        httpx.AsyncClient(base_url=url) as client,
        client.stream("GET", "/sse", headers=KEY) as stream,
    ):
        lines = stream.aiter_lines()
        path = ""
        while not path.startswith("/messages/"):
            path = (await anext(lines)).removeprefix("data: ")
        foreign = await client.post(path, json=PING, headers={"X-API-Key": "luma-bob"})
        keyless = await client.post(path, json=PING)
        own = await client.post(path, json=PING, headers=KEY)
    assert (foreign.status_code, keyless.status_code, own.status_code) == (404, 401, 202)


async def test_the_transport_of_2024_asks_for_a_key_too() -> None:
    async with product(legacy_sse=True) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/sse")).status_code == 401
