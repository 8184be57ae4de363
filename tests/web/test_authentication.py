"""Who calls over HTTP: every header that may carry a key, and what is refused."""

from typing import Any

import httpx
import pytest
from mcp.types import LATEST_PROTOCOL_VERSION

from luma_mcp.errors import InvalidRequest
from luma_mcp.orders import Allowance
from luma_mcp.settings import load_settings
from luma_mcp.web.authentication import KeyVerifier
from tests.web.conftest import PING, answer_in

AGENTS_KEY = "luma-api-0123456789"
BOUNDS = ("X-Luma-Max-Cost-USD", "X-Luma-Daily-Budget-USD")
NO_AMOUNTS = (
    *("cheap", "-1", "+1", "1e3", "nan", "inf", "$1", "1,5", "1, 1", ".5", "1.", "0x1"),
    *("0.0000001", "1234567890", "1 2"),
)


async def credits_of(browser: httpx.AsyncClient, headers: dict[str, str]) -> dict[str, Any]:
    call = {**PING, "params": {"name": "get_credits", "arguments": {}}}
    response = await browser.post("/mcp", json=call, headers=headers)
    assert response.status_code == 200, response.text
    return answer_in(response)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_without_a_key_every_method_gets_a_401_that_says_how_to_connect(
    browser: httpx.AsyncClient, method: str
) -> None:
    response = await browser.request(method, "/mcp", json=PING)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["code"] == "missing_key"
    assert "Authorization: Bearer <key>" in response.json()["advice"]
    fields = "code message advice retryable retry_after_seconds request_id generation_id"
    assert set(response.json()) == {*fields.split(), "jsonrpc", "id", "error"}
    text = f"{response.json()['message']} {response.json()['advice']}"
    assert response.json()["error"] == {"code": -32000, "message": text}


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
        "/mcp/.well-known/openid-configuration",
        "/authorize",
        "/token",
        "/register",
    ],
)
async def test_nothing_looks_like_oauth(browser: httpx.AsyncClient, path: str) -> None:
    assert (await browser.get(path)).status_code == 404
    assert (await browser.post(path)).status_code == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer luma-ada"),
        ("authorization", "bearer   luma-ada"),
        ("Authorization", "Bearer\tluma-ada"),
        ("X-API-Key", "luma-ada"),
        ("X-API-Key", "Bearer luma-ada"),
        ("X-Auth-Token", "luma-ada"),
        ("X-Luma-API-Key", "luma-ada"),
    ],
)
async def test_each_header_carries_a_key(browser: httpx.AsyncClient, name: str, value: str) -> None:
    answer = await credits_of(browser, {name: value})
    assert answer["structuredContent"]["credit_balance_usd"] == 100


@pytest.mark.parametrize("value", ["luma-ada", "Basic bHVtYTpsdW1h", "Bearer"])
async def test_an_authorization_that_holds_no_bearer_key_is_no_key(
    browser: httpx.AsyncClient, value: str
) -> None:
    response = await browser.post("/mcp", json=PING, headers={"Authorization": value})
    assert response.status_code == 401


async def test_two_different_keys_for_one_api_are_refused(browser: httpx.AsyncClient) -> None:
    headers = {"Authorization": "Bearer luma-ada", "X-API-Key": "luma-bob"}
    response = await browser.post("/mcp", json=PING, headers=headers)
    assert response.status_code == 400
    assert "two different keys" in response.json()["message"]
    assert "luma-" not in response.text


async def test_the_same_key_in_two_headers_is_one_key(browser: httpx.AsyncClient) -> None:
    headers = {"Authorization": "Bearer luma-ada", "X-API-Key": "luma-ada"}
    assert (await credits_of(browser, headers))["isError"] is False


async def test_with_an_agents_key_alone_a_tool_names_the_header_to_add(
    browser: httpx.AsyncClient,
) -> None:
    answer = await credits_of(browser, {"Authorization": f"Bearer {AGENTS_KEY}"})
    assert answer["structuredContent"]["code"] == "missing_key"
    assert "X-Luma-API-Key" in answer["structuredContent"]["advice"]


async def test_keys_for_both_apis_go_together(browser: httpx.AsyncClient) -> None:
    headers = {"X-API-Key": "luma-ada", "X-Luma-Agents-API-Key": AGENTS_KEY}
    assert (await credits_of(browser, headers))["isError"] is False


async def test_a_value_that_cannot_be_a_key_is_refused_without_repeating_it(
    browser: httpx.AsyncClient,
) -> None:
    response = await browser.post("/mcp", json=PING, headers={"X-API-Key": "k" * 600})
    assert response.status_code == 400
    assert "kkk" not in response.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-MCP-Toolsets", "videos,movies"),
        ("X-MCP-Readonly", "perhaps"),
        ("X-Luma-Previews", "perhaps"),
        *((name, value) for name in BOUNDS for value in NO_AMOUNTS),
    ],
)
async def test_a_switch_with_an_unknown_value_is_refused(
    browser: httpx.AsyncClient, name: str, value: str
) -> None:
    headers = {"X-API-Key": "luma-ada", name: value}
    response = await browser.post("/mcp", json=PING, headers=headers)
    assert response.status_code == 400
    assert name in response.json()["message"]


async def listed(browser: httpx.AsyncClient, **switches: str) -> set[str]:
    headers = {"X-API-Key": "luma-ada", **switches}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    response = await browser.post("/mcp", json=call, headers=headers)
    return {tool["name"] for tool in answer_in(response)["tools"]}


async def test_switches_narrow_the_list_of_tools(browser: httpx.AsyncClient) -> None:
    narrow = {"X-MCP-Toolsets": "generations", "X-MCP-Readonly": "true"}
    reading = {
        "get_generation",
        "wait_for_generation",
        "refresh_generation",
        "list_generations",
    }
    assert await listed(browser, **narrow) == reading
    wide = {"X-MCP-Toolsets": "", "X-MCP-Readonly": "false"}
    assert len(await listed(browser, **wide)) == 22


@pytest.mark.parametrize(
    "switch", [{"X-MCP-Readonly": "true"}, {"X-MCP-Toolsets": "images, account"}]
)
async def test_a_hidden_tool_is_refused_when_it_is_called_all_the_same(
    browser: httpx.AsyncClient, switch: dict[str, str]
) -> None:
    arguments = {"prompt": "A paper boat"}
    call = {**PING, "params": {"name": "create_generation", "arguments": arguments}}
    headers = {"X-API-Key": "luma-ada", **switch}
    response = await browser.post("/mcp", json=call, headers=headers)
    assert answer_in(response)["structuredContent"]["code"] == "refused_by_policy"
    balance = await credits_of(browser, {"X-API-Key": "luma-ada"})
    assert balance["structuredContent"]["credit_balance_usd"] == 100


async def test_each_request_of_one_connection_counts_with_its_own_key(
    browser: httpx.AsyncClient,
) -> None:
    arguments = {"prompt": "A paper boat"}
    create = {**PING, "params": {"name": "create_generation", "arguments": arguments}}
    await browser.post("/mcp", json=create, headers={"X-API-Key": "luma-eve"})
    eve = await credits_of(browser, {"X-API-Key": "luma-eve"})
    bob = await credits_of(browser, {"X-API-Key": "luma-bob"})
    assert eve["structuredContent"]["credit_balance_usd"] < 100
    assert bob["structuredContent"]["credit_balance_usd"] == 100


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_every_earlier_protocol_takes_the_key_by_header(
    browser: httpx.AsyncClient, version: str
) -> None:
    handshake = {
        "protocolVersion": version,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    call = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": handshake}
    response = await browser.post("/mcp", json=call, headers={"X-API-Key": "luma-ada"})
    assert answer_in(response)["protocolVersion"] == version
    headers = {"X-API-Key": "luma-ada", "MCP-Protocol-Version": version}
    assert (await credits_of(browser, headers))["isError"] is False


async def test_the_newest_protocol_takes_the_key_by_header(browser: httpx.AsyncClient) -> None:
    modern = {
        "MCP-Protocol-Version": LATEST_PROTOCOL_VERSION,
        "Mcp-Method": "server/discover",
        "X-API-Key": "luma-ada",
    }
    meta = {
        "io.modelcontextprotocol/protocolVersion": LATEST_PROTOCOL_VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    call = {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}}
    response = await browser.post("/mcp", json=call, headers=modern)
    assert LATEST_PROTOCOL_VERSION in answer_in(response)["supportedVersions"]


async def test_the_principal_is_a_hash_and_the_token_holds_no_key() -> None:
    token = await KeyVerifier(load_settings()).verify_token("luma-ada-secret")
    assert token is not None
    assert token.client_id == token.token == token.access.credentials.principal
    assert "luma-ada-secret" not in f"{token!r} {token.model_dump()} {token.model_dump_json()}"


async def test_the_verifier_takes_nothing_for_a_token_without_a_key() -> None:
    assert await KeyVerifier(load_settings()).verify_token("  ") is None


def allowance_in(*headers: tuple[str, str]) -> Allowance:
    token = KeyVerifier(load_settings()).verify_headers([("x-api-key", "luma-ada"), *headers])
    assert token is not None
    return token.access.allowance


@pytest.mark.parametrize(
    ("value", "usd"),
    [("0", 0), ("0.5", 0.5), (" 20 ", 20), ("0.000001", 0.000001), ("999999999", 999999999)],
)
def test_a_caller_says_in_headers_what_jobs_may_cost(value: str, usd: float) -> None:
    cost, budget = (name.lower() for name in BOUNDS)
    assert allowance_in((cost, value)) == Allowance(max_cost_usd=usd)
    assert allowance_in((budget, value)) == Allowance(daily_budget_usd=usd)
    assert allowance_in((cost, value), (cost, value)) == Allowance(max_cost_usd=usd)


def test_an_empty_bound_is_none() -> None:
    assert allowance_in(*((name.lower(), "") for name in BOUNDS)) == Allowance()


@pytest.mark.parametrize("name", BOUNDS)
def test_two_bounds_or_what_only_looks_like_one_are_refused(name: str) -> None:
    for values in (("1", "2"), ("1", "two"), ("²",)):
        headers = ((name.lower(), value) for value in values)
        with pytest.raises(InvalidRequest, match=f"{name} holds no amount in US dollars, or more"):
            allowance_in(*headers)


@pytest.mark.parametrize("name", BOUNDS)
async def test_what_a_header_says_holds_for_its_request_alone(
    browser: httpx.AsyncClient, name: str
) -> None:
    call = {**PING, "params": {"name": "create_generation", "arguments": {"prompt": "A boat"}}}
    headers = {"X-API-Key": f"luma-{name}"}
    for bound, is_error in (("0.5", True), ("0.71", False), ("", False)):
        response = await browser.post("/mcp", json=call, headers={**headers, name: bound})
        answer = answer_in(response)
        assert answer["isError"] is is_error
        if is_error:
            assert answer["structuredContent"]["code"] == "refused_by_policy"
            assert name in answer["structuredContent"]["message"]
