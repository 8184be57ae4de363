"""Clients that register: whatever they say of themselves, and however much of it."""

import json
import unicodedata
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_mcp.oauth.clients import MAX_CLIENT_ID_LENGTH, MAX_NAME, MAX_REDIRECTS
from luma_mcp.oauth.server import MAX_BODY_BYTES
from tests.e2e.sign_in import (
    REDIRECT,
    App,
    Server,
    authorize_url,
    discover,
    new_pkce,
    open_page,
    register,
    registered,
)
from tests.oauth.conftest import MODEST, Site, error_of

FORMATTING = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
USUAL = {"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none"}


@pytest.fixture
async def server(site: Site, http: httpx.AsyncClient) -> Server:
    return await discover(http, site.endpoint)


async def post(http: httpx.AsyncClient, content: bytes | str) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return await http.post("/oauth/register", content=content, headers=headers)


async def test_a_registration_tells_what_it_is_and_is_stored_nowhere(
    http: httpx.AsyncClient, server: Server
) -> None:
    answers = [await register(http, server, client_name="Ada's own") for _ in range(2)]
    first, second = (answer.json() for answer in answers)
    assert first["client_id"] != second["client_id"]
    for answer in answers:
        assert answer.status_code == 201
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json()["client_name"] == "Ada's own"
        assert answer.json()["redirect_uris"] == [REDIRECT]
        assert answer.json().get("client_secret") is None
        assert "Ada" not in answer.json()["client_id"]


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic", None])
async def test_a_secret_is_shown_once_and_not_cached(
    http: httpx.AsyncClient, server: Server, method: str | None
) -> None:
    answer = await register(http, server, token_endpoint_auth_method=method)
    client = answer.json()
    assert len(client["client_secret"]) == 64
    assert client["client_secret_expires_at"] == 0
    assert client["client_secret"] not in client["client_id"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uris": ["https://evil.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://claude.ai@evil.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://claude.ai/cb?code=x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [f"{REDIRECT}/{n}" for n in range(11)]}, "invalid_redirect_uri"),
        (
            {"redirect_uris": [f"{REDIRECT}/{'x' * 400}{n}" for n in range(5)]},
            "invalid_redirect_uri",
        ),
        ({"redirect_uris": ["https://claude.ai/" + "x" * 500]}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_client_metadata"),
        ({"redirect_uris": "https://claude.ai/cb"}, "invalid_client_metadata"),
        ({"redirect_uris": [1]}, "invalid_client_metadata"),
        ({"redirect_uris": [None]}, "invalid_client_metadata"),
        ({"redirect_uris": {}}, "invalid_client_metadata"),
        ({"redirect_uris": None}, "invalid_client_metadata"),  # left out
        ({"client_name": 1}, "invalid_client_metadata"),
        ({"client_name": ["Claude"]}, "invalid_client_metadata"),
        ({"grant_types": ["password"]}, "invalid_client_metadata"),
        ({"grant_types": ["refresh_token"]}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "invalid_client_metadata"),
    ],
)
async def test_what_cannot_be_is_refused(
    http: httpx.AsyncClient, server: Server, changes: dict[str, Any], error: str
) -> None:
    answer = await register(http, server, **changes)
    assert error_of(answer) == (400, error)
    assert "traceback" not in answer.text.lower()


CURSOR = [
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "https://www.cursor.com/agents/mcp/oauth/callback",
    "http://localhost:8787/callback",
]


@pytest.mark.parametrize(
    ("uris", "kept"),
    [
        (CURSOR, CURSOR),
        ([REDIRECT, "https://evil.example/cb"], [REDIRECT]),
        (
            ["javascript:alert(1)", REDIRECT, "https://claude.ai/cb"],
            [REDIRECT, "https://claude.ai/cb"],
        ),
        ([REDIRECT] * 400, [REDIRECT]),
    ],
)
async def test_a_client_that_names_several_places_is_answered_at_those_that_are_allowed(
    http: httpx.AsyncClient, server: Server, uris: list[str], kept: list[str]
) -> None:
    answer = await register(http, server, redirect_uris=uris)
    assert (answer.status_code, answer.json()["redirect_uris"]) == (201, kept)
    app = App(answer.json()["client_id"])
    for uri in set(uris):
        url = authorize_url(server, app, new_pkce(), redirect_uri=uri)
        assert (await http.get(url)).status_code == (302 if uri in kept else 400)


@pytest.mark.parametrize("scope", ["luma", "luma admin", "admin", "", None])
async def test_there_is_one_scope_whatever_is_asked_for(
    http: httpx.AsyncClient, server: Server, scope: str | None
) -> None:
    answer = await register(http, server, scope=scope)
    assert (answer.status_code, answer.json()["scope"]) == (201, "luma")


async def test_a_client_that_can_be_answered_nowhere_is_none(http: httpx.AsyncClient) -> None:
    answer = await post(http, json.dumps({**USUAL, "redirect_uris": None}))
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        b'"x"',
        b"{",
        b"{}",
        b"[" * 16_000,
        b'{"a":' * 3_000,
        b"\xff\xfe",
        b'{"redirect_uris": ["\\ud800"]}',
        b'{"client_name": "\\ud800", "redirect_uris": ["http://localhost/"]}',
        b"{" + b" " * 16_000 + b"}",
        b'{"redirect_uris": ["http://localhost/"], "jwks": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    ],
)
async def test_no_body_breaks_it(http: httpx.AsyncClient, body: bytes) -> None:
    assert error_of(await post(http, body)) == (400, "invalid_client_metadata")


async def test_a_body_may_have_16_kilobytes(http: httpx.AsyncClient) -> None:
    text = json.dumps(USUAL)
    full = text + " " * (MAX_BODY_BYTES - len(text))
    assert (await post(http, full)).status_code == 201
    assert (await post(http, full + " ")).status_code == 413


@pytest.mark.parametrize("path", ["authorize", "connect", "token", "revoke"])
async def test_no_endpoint_reads_more_than_16_kilobytes(http: httpx.AsyncClient, path: str) -> None:
    for text, is_too_much in (("x" * MAX_BODY_BYTES, True), ("x" * 9_000, False)):
        answer = await http.post(f"/oauth/{path}", data={"x": text})
        assert (answer.status_code == 413) is is_too_much


@pytest.mark.parametrize(
    "fullest",
    [
        {"client_name": "\U0001f600" * MAX_NAME},
        {"client_name": '"\\' * MAX_NAME},
        {"client_name": "\u00e9" * 5_000},
        {"redirect_uris": [f"{REDIRECT}/{'x' * 115}{n}" for n in range(MAX_REDIRECTS)]},
        {"redirect_uris": ["cursor:" + '"' * 500] * 2},
        {"grant_types": ["authorization_code", "refresh_token", "x" * 9_000]},
        {"grant_types": ["authorization_code"] + ["x"] * 1_000},
        {
            "client_name": "\U0001f600" * MAX_NAME,
            "redirect_uris": [f"{REDIRECT}/{'x' * 115}{n}" for n in range(MAX_REDIRECTS)],
            "token_endpoint_auth_method": "client_secret_post",
        },
    ],
)
async def test_whoever_is_registered_is_known_afterwards_with_any_state(
    http: httpx.AsyncClient, server: Server, fullest: dict[str, Any]
) -> None:
    app = await registered(http, server, **fullest)
    assert len(app.id) <= MAX_CLIENT_ID_LENGTH
    for state in ("x" * 2_048, '"' * 2_048, "\\" * 2_048):
        page = await open_page(http, authorize_url(server, app, new_pkce(), state=state))
        assert page.answer.status_code == 200
        assert page.action


@pytest.mark.parametrize(
    "name",
    [
        "Claude\u202egnp.exe",
        "\u2066Claude\u2069",
        "\u061cClaude",
        "Claude\n\nvouched for by Luma",
        "\x00Claude\x1b[31m",
        "Cl\u200baude\ufeff",
        "\u00ad\u2060\ufeff",
        "\U000e0041\U000e0042",
        "\u2028\u2029",
        " \t ",
        "\ufff9x\ufffa",
    ],
)
async def test_a_name_is_one_line_that_can_be_seen(
    http: httpx.AsyncClient, server: Server, name: str
) -> None:
    app = await registered(http, server, client_name=name)
    page = await open_page(http, authorize_url(server, app, new_pkce()))
    assert page.action
    shown = page.answer.text.partition("<h1>Connect ")[2].partition(" to Luma</h1>")[0]
    assert shown.strip()
    assert not {unicodedata.category(one) for one in shown} & FORMATTING


async def test_a_name_is_not_longer_than_a_line(http: httpx.AsyncClient, server: Server) -> None:
    app = await registered(http, server, client_name="Claude " * 1_000)
    page = await open_page(http, authorize_url(server, app, new_pkce()))
    assert "Claude " * 20 not in page.answer.text


@pytest.mark.parametrize(
    "client_id",
    [
        "",
        "x",
        "lmcp_client_",
        "lmcp_client_x",
        "lmcp_client_" + "x" * 5_000,
        "\x00",
        "\u00e9" * 100,
        "https://evil.example",
        "http://evil.example/client.json",
        "ftp://evil.example/client.json",
        "https://[/client.json",
        "https://evil.example:99999/client.json",
        "https://" + "a" * 70 + ".example/client.json",
        "https://a..b/client.json",
        "https://\x00.example/client.json",
        "https:///client.json",
    ],
)
async def test_nobody_else_is_a_client(
    http: httpx.AsyncClient, server: Server, client_id: str
) -> None:
    page = await http.get(authorize_url(server, App(client_id), new_pkce()))
    assert page.status_code == 400
    assert "location" not in page.headers
    form = {"client_id": client_id, "grant_type": "refresh_token", "refresh_token": "x"}
    for path in ("token", "revoke"):
        assert error_of(await http.post(f"/oauth/{path}", data=form)) == (401, "invalid_client")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        "client_name",
        "redirect_uris",
        "grant_types",
        "response_types",
        "scope",
        "token_endpoint_auth_method",
        "jwks",
        "jwks_uri",
        "contacts",
        "client_uri",
        "application_type",
        "software_statement",
    ]
)
PLACES = st.lists(st.sampled_from([REDIRECT, "https://claude.ai/cb"]) | st.text(max_size=30))


@given(body=JSON | st.dictionaries(NAMES, JSON | PLACES), is_usual=st.booleans())
@MODEST
async def test_whatever_is_sent_is_registered_or_refused(
    site: Site, body: object, *, is_usual: bool
) -> None:
    if isinstance(body, dict) and is_usual:
        body = {**USUAL, **body}
    async with site.visitor() as http:
        answer = await post(http, json.dumps(body))
    assert answer.status_code in {201, 400}
    for uri in answer.json().get("redirect_uris", []):
        assert uri.startswith(("http://127.0.0.1:7777/", "https://claude.ai/", "http://localhost"))
