"""Other people's own code for OAuth, from a 401 to tools, and past the end of an access token."""

import asyncio
import json
import os
import webbrowser
from collections.abc import AsyncIterator

import httpx
import httpx2
import pytest
from fastmcp import Client as FastMcpClient
from fastmcp.client.auth import OAuth
from fastmcp.client.transports import StreamableHttpTransport
from mcp import Client as PythonSdkClient
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

from tests.e2e.clients.signing_in import LONG_AGO, METADATA, Json, Storage, parameters_of
from tests.e2e.processes import ROOT
from tests.e2e.requirements import need_node_clients, need_python_clients
from tests.e2e.sign_in import (
    PATH,
    SECRET_KEY,
    consent,
    discover,
    registered,
    sign_in,
    visitor,
)
from tests.servers import product

PROGRAMS = "tests/e2e/clients/programs"
MINE = {"dream_machine_key": "luma-ada"}
OLD, NEW = "legacy", "2026-07-28"


@pytest.fixture
async def endpoint() -> AsyncIterator[str]:
    async with product(is_public=True, secret_key=SECRET_KEY) as url:
        yield url + PATH


def expect_all_well(report: Json) -> None:
    """See that a client registered, got in, and got in again by its refresh token."""
    assert report["client_id"].startswith("lmcp_client_")
    assert {"create_generation", "get_credits"} <= set(report["tools"])
    first, second = report["answers"]
    assert first == second
    assert first["credit_balance_usd"] > 0
    before, after = report["refresh_tokens"]
    assert before.startswith("lmcp_refresh_")
    assert after.startswith("lmcp_refresh_")
    assert before != after


@pytest.mark.parametrize("scope", ["claudeai", "openid profile offline_access", "", None])
async def test_a_client_that_asks_for_other_scopes_gets_the_one_that_there_is(
    endpoint: str, scope: str | None
) -> None:
    async with visitor() as http:
        server = await discover(http, endpoint)
        app = await registered(http, server, scope=scope)
        signed_in = await sign_in(http, endpoint, app)
    assert signed_in.tokens["scope"] == "luma"


async def converse(*command: str, **variables: str) -> Json:
    """Run a program that prints where its user is to go, and reads where that leads."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**os.environ, **variables},  # noqa: TID251 - for a child
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    onward = ""
    if url:
        async with visitor() as browser:
            onward = await consent(browser, url, **MINE)
    out, err = await process.communicate(f"{onward}\n".encode())
    assert process.returncode == 0, err.decode()
    return json.loads(out)


async def test_the_python_sdk_1_signs_in(endpoint: str) -> None:
    module = f"{PROGRAMS.replace('/', '.')}.sign_in_python_1"
    expect_all_well(await converse(need_python_clients(), "-m", module, endpoint))


@pytest.mark.parametrize("era", [OLD, NEW])
async def test_the_python_sdk_2_signs_in(endpoint: str, era: str) -> None:
    storage, onward = Storage(), asyncio.Queue[str]()

    async def show(url: str) -> None:
        async with visitor() as browser:
            onward.put_nowait(await consent(browser, url, **MINE))

    async def back() -> AuthorizationCodeResult:
        return AuthorizationCodeResult.model_validate(parameters_of(await onward.get()))

    metadata = OAuthClientMetadata.model_validate(METADATA)
    provider = OAuthClientProvider(endpoint, metadata, storage, show, back)
    async with (
        httpx2.AsyncClient(auth=provider, timeout=60) as http,
        PythonSdkClient(streamable_http_client(endpoint, http_client=http), mode=era) as client,
    ):
        tools = [tool.name for tool in (await client.list_tools()).tools]
        first = await client.call_tool("get_credits", {})
        provider.context.token_expiry_time = LONG_AGO
        second = await client.call_tool("get_credits", {})
    expect_all_well(storage.report(tools, first.structured_content, second.structured_content))


@pytest.mark.parametrize(("version", "era"), [(1, OLD), (2, OLD), (2, NEW)])
async def test_the_typescript_sdk_signs_in(endpoint: str, version: int, era: str) -> None:
    variables = need_node_clients()
    program = f"{PROGRAMS}/sign_in_typescript_{version}.mjs"
    report = await converse("node", program, endpoint, era, **variables)
    assert report["state"] == "state-of-node"
    expect_all_well(report)


class Browser:
    """What opens when a program opens a browser."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks

    def open(self, url: str) -> bool:
        self._tasks.create_task(self._walk(url))
        return True

    async def _walk(self, url: str) -> None:
        # The program may not listen yet when its user is back.
        transport = httpx.AsyncHTTPTransport(retries=5)
        async with httpx.AsyncClient(transport=transport, timeout=60) as browser:
            answer = await browser.get(await consent(browser, url, **MINE))
        assert answer.status_code == 200, answer.text


async def test_fastmcp_signs_in(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(UserWarning, match="in-memory token storage"):
        transport = StreamableHttpTransport(endpoint, auth="oauth")
    provider = transport.auth
    assert isinstance(provider, OAuth)
    storage = Storage()
    async with asyncio.TaskGroup() as tasks:
        monkeypatch.setattr(webbrowser, "open", Browser(tasks).open)
        async with FastMcpClient(transport) as client:
            tools = [tool.name for tool in await client.list_tools()]
            first = await client.call_tool("get_credits")
            storage.client = provider.context.client_info
            await storage.set_tokens(provider.context.current_tokens)
            provider.context.token_expiry_time = LONG_AGO
            second = await client.call_tool("get_credits")
            await storage.set_tokens(provider.context.current_tokens)
    expect_all_well(storage.report(tools, first.structured_content, second.structured_content))
