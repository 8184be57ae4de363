"""Who calls over HTTP: every header that may carry a key, and what is refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from mcp.types import LATEST_PROTOCOL_VERSION

from luma_mcp.credentials import TOKEN_MARK, ApiKey, Credentials, credentials_from_headers
from luma_mcp.oauth.grants import Grant
from luma_mcp.settings import load_settings
from luma_mcp.web.authentication import KeyVerifier
from tests.e2e.sign_in import PATH, SignedIn, call, refresh, revoke, sign_in
from tests.oauth.conftest import Site, open_site
from tests.web.conftest import ACCEPT, PING

AGENTS_KEY = "luma-api-0123456789"


def answer_in(response: httpx.Response) -> dict[str, Any]:
    """Find the JSON-RPC result, alone or in an event stream."""
    if response.headers["content-type"].startswith("text/event-stream"):
        (line,) = [one for one in response.text.splitlines() if one.startswith("data: ")]
        return json.loads(line.removeprefix("data: "))["result"]
    return response.json()["result"]


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
    assert set(response.json()) == set(fields.split())


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
    ("name", "value"), [("X-MCP-Toolsets", "videos,movies"), ("X-MCP-Readonly", "perhaps")]
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
    reading = {"get_generation", "wait_for_generation", "list_generations"}
    assert await listed(browser, **narrow) == reading
    wide = {"X-MCP-Toolsets": "", "X-MCP-Readonly": "false"}
    assert len(await listed(browser, **wide)) == 21


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
    await browser.post("/mcp", json=create, headers={"X-API-Key": "luma-ada"})
    ada = await credits_of(browser, {"X-API-Key": "luma-ada"})
    bob = await credits_of(browser, {"X-API-Key": "luma-bob"})
    assert ada["structuredContent"]["credit_balance_usd"] < 100
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


# --- Tokens of sign-ins ------------------------------------------------------------------------

PATHS = ["/mcp", PATH]
ALL_HEADERS = [
    "Authorization",
    "X-API-Key",
    "X-Auth-Token",
    "X-Luma-API-Key",
    "X-Luma-Agents-API-Key",
]
EXPIRED = "The token is not valid: it has expired, or was revoked."


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def site() -> AsyncIterator[Site]:
    async with open_site() as opened:
        yield opened


@pytest.fixture
async def http(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with site.visitor() as client:
        client.headers.update(ACCEPT)
        yield client


@pytest.fixture
async def ada(site: Site, http: httpx.AsyncClient) -> SignedIn:
    return await sign_in(http, site.endpoint)


def challenge(site: Site, path: str, *members: str) -> str:
    metadata = f"{site.url}/.well-known/oauth-protected-resource{PATH}"
    own = [f'resource_metadata="{metadata}"', 'scope="luma"'] if path == PATH else []
    return f"Bearer {', '.join([*own, *members])}".strip()


@pytest.mark.parametrize("path", PATHS)
async def test_a_token_that_is_good_no_more_is_told_so_and_where_to_sign_in(
    site: Site, http: httpx.AsyncClient, ada: SignedIn, path: str
) -> None:
    claims = site.tokens().read("access", ada.access_token)
    assert claims is not None
    expired = site.tokens(3601).make("access", claims, 3600)
    foreign = site.tokens(audience="https://other.example/oauth/mcp").make("access", claims)
    await revoke(http, ada.server, ada.app, ada.refresh_token)
    invalid = ('error="invalid_token"', f'error_description="{EXPIRED}"')
    for token in (ada.access_token, expired, foreign, ada.refresh_token, "lmcp_", "lmcp_access_x"):
        for method in ("POST", "GET", "DELETE"):
            headers = {"Authorization": f"Bearer {token}"}
            refused = await http.request(method, path, json=PING, headers=headers)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == challenge(site, path, *invalid)
            assert refused.json()["code"] == "invalid_token"
            assert "lmcp_" not in refused.text
    for path_with_slash in (path, f"{path}/"):
        keyless = await http.post(path_with_slash, json=PING)
        assert keyless.headers["www-authenticate"] == challenge(site, path)
        assert keyless.json()["code"] == "missing_key"


@pytest.mark.parametrize("path", PATHS)
async def test_a_token_is_taken_from_any_header_that_may_carry_a_key(
    http: httpx.AsyncClient, ada: SignedIn, path: str
) -> None:
    for name in ALL_HEADERS:
        for value in (f"Bearer {ada.access_token}", f"bearer  {ada.access_token}"):
            assert (await call(http, path, **{name: value})).status_code == 200
    for value in (ada.access_token, f"Basic {ada.access_token}", f"DPoP {ada.access_token}"):
        assert (await call(http, path, Authorization=value)).status_code == 401


async def test_a_token_and_a_key_of_the_other_api_go_together(
    site: Site, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    bearer = {"Authorization": f"Bearer {ada.access_token}"}
    listing = {**PING, "params": {"name": "list_files", "arguments": {}}}
    alone = answer_in(await http.post(PATH, json=listing, headers=bearer))
    assert alone["structuredContent"]["code"] == "missing_key"
    for more in ({"X-Luma-Agents-API-Key": AGENTS_KEY}, {"X-API-Key": AGENTS_KEY}):
        both = answer_in(await http.post(PATH, json=listing, headers=bearer | more))
        assert both["isError"] is False, both
    same = await call(http, site.endpoint, ada.access_token, **{"X-API-Key": "luma-ada"})
    assert same.status_code == 200


async def test_two_credentials_that_contradict_each_other_are_refused(
    http: httpx.AsyncClient, site: Site, ada: SignedIn
) -> None:
    bob = await sign_in(http, site.endpoint, ada.app, dream_machine_key="luma-bob")
    for name in ALL_HEADERS[1:]:
        for second in ("luma-bob", bob.access_token, "lmcp_access_x", ada.refresh_token):
            if name == ALL_HEADERS[-1] and second == "luma-bob":
                continue  # for the other API
            refused = await call(http, PATH, ada.access_token, **{name: second})
            assert refused.status_code in {400, 401}, (name, second)
            assert "luma-bob" not in refused.text


def test_no_header_makes_a_key_of_a_token() -> None:
    signed_in = Credentials(ApiKey("luma-ada"))
    for name in map(str.lower, ALL_HEADERS):
        for value in (f"Bearer {TOKEN_MARK}access_x", f"bearer {TOKEN_MARK}"):
            assert credentials_from_headers([(name, value)]) is None
            assert credentials_from_headers([(name, value)], signed_in) == signed_in


async def switched(http: httpx.AsyncClient, token: str, **headers: str) -> set[str]:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    bearer = {"Authorization": f"Bearer {token}"}
    answer = await http.post(PATH, json=message, headers=bearer | headers)
    return {tool["name"] for tool in answer_in(answer)["tools"]}


async def test_a_sign_in_to_look_is_no_wider_whatever_is_sent_along(
    site: Site, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    looking = await sign_in(http, site.endpoint, ada.app, read_only="yes")
    renewed = await refresh(http, ada.server, ada.app, looking.refresh_token)
    create = {**PING, "params": {"name": "create_generation", "arguments": {"prompt": "A boat"}}}
    assert "create_generation" in await switched(http, ada.access_token)
    for token in (looking.access_token, renewed.json()["access_token"]):
        for headers in (
            {},
            {"X-MCP-Readonly": "false"},
            {"X-MCP-Toolsets": "videos"},
            {"X-Luma-Agents-API-Key": AGENTS_KEY},
        ):
            assert "create_generation" not in await switched(http, token, **headers)
            for path in PATHS:
                bearer = {"Authorization": f"Bearer {token}", **headers}
                answer = answer_in(await http.post(path, json=create, headers=bearer))
                assert answer["structuredContent"]["code"] == "refused_by_policy"
    balance = answer_in(await call(http, PATH, ada.access_token))
    assert balance["structuredContent"]["credit_balance_usd"] == 100


async def test_twenty_users_with_tokens_never_mix(site: Site) -> None:
    """Each spends another amount at the same time, and sees what it has left."""

    async def left_after(number: int) -> float:
        create = {
            **PING,
            "params": {"name": "create_generation", "arguments": {"prompt": "A boat"}},
        }
        async with site.visitor() as http:
            http.headers.update(ACCEPT)
            own = await sign_in(http, site.endpoint, dream_machine_key=f"luma-user-{number}")
            bearer = {"Authorization": f"Bearer {own.access_token}"}
            for turn in range(number % 4):
                path = PATHS[(turn + number) % 2]
                made = answer_in(await http.post(path, json=create, headers=bearer))
                assert made["isError"] is False, made
            by_token = answer_in(await call(http, PATH, own.access_token))
            by_key = answer_in(await call(http, PATH, f"luma-user-{number}"))
            balances = [
                one["structuredContent"]["credit_balance_usd"] for one in (by_token, by_key)
            ]
            assert balances[0] == balances[1]
            return balances[0]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(left_after(number)) for number in range(20)]
    by_turns = [{task.result() for task in tasks[turns::4]} for turns in range(4)]
    assert [len(one) for one in by_turns] == [1] * 4
    assert by_turns[0] == {100}
    assert len(set.union(*by_turns)) == 4


async def test_a_key_and_its_token_are_the_same_caller(site: Site, ada: SignedIn) -> None:
    claims = site.tokens().read("access", ada.access_token)
    assert claims is not None
    verifier = KeyVerifier(load_settings())
    grant = Grant.of(claims)
    (key,) = grant.credentials.keys
    raw = await verifier.verify_token(key.secret)
    oauth = verifier.verify_headers([("authorization", f"Bearer {ada.access_token}")], grant)
    assert raw is not None
    assert oauth is not None
    assert raw.client_id == oauth.client_id == raw.token == oauth.token
