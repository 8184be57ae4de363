"""Tokens of sign-ins at the gate: what they let in, and what is said to those that are no good."""

import asyncio

import httpx
import pytest

from luma_mcp.credentials import TOKEN_MARK, ApiKey, Credentials, credentials_from_headers
from luma_mcp.oauth.grants import Grant
from luma_mcp.settings import load_settings
from luma_mcp.web.authentication import KeyVerifier
from tests.e2e.sign_in import PATH, SignedIn, call, refresh, revoke, sign_in
from tests.oauth.conftest import Site
from tests.web.conftest import ACCEPT, PING, answer_in

AGENTS_KEY = "luma-api-0123456789"
PATHS = ["/mcp", PATH]
ALL_HEADERS = [
    "Authorization",
    "X-API-Key",
    "X-Auth-Token",
    "X-Luma-API-Key",
    "X-Luma-Agents-API-Key",
]
EXPIRED = "The token is not valid: it has expired, or was revoked."


@pytest.fixture
def http(http: httpx.AsyncClient) -> httpx.AsyncClient:
    """The same client, which takes what MCP answers."""
    http.headers.update(ACCEPT)
    return http


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


@pytest.mark.parametrize("path", [*PATHS, "/oauth/register", "/oauth/token"])
async def test_a_site_whose_users_may_sign_in_may_call_and_no_other(
    http: httpx.AsyncClient, path: str
) -> None:
    """Claude's desktop app names its site as the origin."""
    for origin, is_let_in in (("https://claude.ai", True), ("https://evil.example", False)):
        answer = await http.post(path, headers={"Origin": origin})
        assert (answer.status_code != 403) is is_let_in
        assert (answer.headers.get("access-control-allow-origin") == origin) is is_let_in
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        assert (await http.options(path, headers=asked)).is_success is is_let_in
