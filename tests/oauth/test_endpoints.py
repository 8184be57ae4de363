"""What clients call: who proves what, what is announced where, and forms that make no sense."""

import base64
import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_mcp.settings import load_settings
from luma_mcp.web.app import build_app
from tests.e2e.sign_in import (
    PATH,
    SECRET_METHODS,
    App,
    SignedIn,
    call,
    discover,
    exchange,
    refresh,
    registered,
    revoke,
    sign_in,
)
from tests.oauth.conftest import MODEST, Site, error_of
from tests.servers import serving
from tests.tools.calls import Upstream

CLIENT = (401, "invalid_client")
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(params=SECRET_METHODS)
async def proving(site: Site, http: httpx.AsyncClient, request: pytest.FixtureRequest) -> SignedIn:
    """A client with a secret, that Ada signed in to."""
    server = await discover(http, site.endpoint)
    app = await registered(http, server, token_endpoint_auth_method=request.param)
    return await sign_in(http, site.endpoint, app)


async def both(http: httpx.AsyncClient, signed_in: SignedIn, app: App) -> list[httpx.Response]:
    """Refresh, then revoke something that is nothing, as this client."""
    return [
        await refresh(http, signed_in.server, app, signed_in.refresh_token),
        await revoke(http, signed_in.server, app, "nothing"),
    ]


async def test_a_client_with_a_secret_must_know_it(
    http: httpx.AsyncClient, proving: SignedIn
) -> None:
    other = await registered(http, proving.server, token_endpoint_auth_method=proving.app.method)
    for secret in ("", "x", other.secret, (proving.app.secret or "").upper(), "\u00e9"):
        for answer in await both(http, proving, replace(proving.app, secret=secret)):
            assert error_of(answer) == CLIENT
            assert answer.headers["cache-control"] == "no-store"
    for method in {"none", *SECRET_METHODS} - {proving.app.method}:
        for answer in await both(http, proving, replace(proving.app, method=method)):
            assert error_of(answer) == CLIENT
    assert [one.status_code for one in await both(http, proving, proving.app)] == [200, 200]


async def test_a_code_is_given_out_to_who_knows_the_secret(
    http: httpx.AsyncClient, proving: SignedIn
) -> None:
    nobody = replace(proving.app, secret="x")
    verifier = proving.pkce.verifier
    answer = await exchange(http, proving.server, nobody, proving.code, verifier)
    assert error_of(answer) == CLIENT
    # Had it counted as used again, the sign-in had ended.
    assert (await both(http, proving, proving.app))[0].status_code == 200


def basic(user: str, password: str) -> dict[str, str]:
    value = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {value}"}


async def test_the_header_alone_names_a_client(site: Site, http: httpx.AsyncClient) -> None:
    server = await discover(http, site.endpoint)
    app = await registered(http, server, token_endpoint_auth_method="client_secret_basic")
    other = await registered(http, server)
    assert app.secret
    cases: list[tuple[dict[str, str], dict[str, str], int]] = [
        (basic(app.id, app.secret), {}, 200),
        (basic(quote(app.id, safe=""), app.secret), {"client_id": app.id}, 200),
        (basic(app.id, app.secret), {"client_id": other.id}, 200),  # it need prove nothing
        (basic(other.id, app.secret), {"client_id": app.id}, 401),
        (basic(app.id, app.secret), {"client_id": ""}, 401),
        (basic(app.id, ""), {}, 401),
        ({"Authorization": "Basic"}, {}, 401),
        ({"Authorization": "Basic !"}, {}, 401),
        ({"Authorization": "Basic \u00ff"}, {}, 401),
        ({"Authorization": "Basic /w=="}, {}, 401),
        ({"Authorization": "Basic eA=="}, {}, 401),
        ({"Authorization": f"Bearer {app.secret}"}, {}, 401),
        ({}, {}, 401),
    ]
    for headers, form, status in cases:
        raw = {name: value.encode("latin-1") for name, value in headers.items()}
        answer = await http.post("/oauth/revoke", data={"token": "x", **form}, headers=raw)
        assert answer.status_code == status, (headers, form, answer.text)


async def test_a_public_client_revokes_without_a_secret(
    http: httpx.AsyncClient, ada: SignedIn
) -> None:
    answer = await revoke(http, ada.server, ada.app, ada.refresh_token, token_type_hint="nonsense")
    assert (answer.status_code, answer.content) == (200, b"")
    assert (await call(http, ada.server.resource, ada.access_token)).status_code == 401


@pytest.mark.parametrize("token", ["", "x", "lmcp_access_x", "luma-ada", "\x00", "\u00e9" * 99])
async def test_to_revoke_what_is_no_token_is_no_error(
    http: httpx.AsyncClient, ada: SignedIn, token: str
) -> None:
    assert (await revoke(http, ada.server, ada.app, token)).status_code == 200


async def test_nobody_ends_the_sign_ins_of_another(http: httpx.AsyncClient, ada: SignedIn) -> None:
    other = await registered(http, ada.server)
    for token in (ada.access_token, ada.refresh_token, ada.code, ada.app.id):
        assert (await revoke(http, ada.server, other, token)).status_code == 200
    for token in (ada.code, ada.app.id):
        assert (await revoke(http, ada.server, ada.app, token)).status_code == 200
    assert (await call(http, ada.server.resource, ada.access_token)).status_code == 200
    assert (await refresh(http, ada.server, ada.app, ada.refresh_token)).status_code == 200


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
async def test_only_forms_are_read_and_nothing_in_them_twice(
    http: httpx.AsyncClient, ada: SignedIn, path: str
) -> None:
    fields = {"client_id": ada.app.id, "token": "x", "grant_type": "refresh_token"}
    wrong = [
        await http.post(path, json=fields),
        await http.post(path, params=fields),
        await http.post(path, content=urlencode(fields)),
        await http.post(path, files={name: (None, value) for name, value in fields.items()}),
        await http.post(
            path,
            content=urlencode([*fields.items(), ("client_id", ada.app.id)]),
            headers={"Content-Type": FORM},
        ),
        await http.post(
            path, content="a=b&" * 1_200, headers={"Content-Type": FORM + "; charset=utf-8"}
        ),
    ]
    for answer in wrong:
        assert answer.status_code == 400
        assert "access_token" not in answer.text


# --- What is announced -------------------------------------------------------------------------

ROOT = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-protected-resource",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-authorization-server/mcp",
    "/.well-known/openid-configuration/mcp",
    "/.well-known/openid-configuration/oauth",
    "/mcp/.well-known/oauth-protected-resource",
    "/mcp/.well-known/openid-configuration",
    "/.well-known/oauth-protected-resource/sse",
    "/authorize",
    "/token",
    "/register",
    "/revoke",
    "/oauth",
    "/oauth/",
    "/oauth/register/",
    "/oauth/token/",
    "/oauth//token",
]
OAUTH = ["authorize", "connect", "register", "revoke", "token", "mcp", "mcp/", "x"]
ANNOUNCED = [
    "/.well-known/oauth-authorization-server/oauth",
    f"/.well-known/oauth-protected-resource{PATH}",
]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


async def test_the_raw_endpoint_never_looks_like_oauth(http: httpx.AsyncClient) -> None:
    for path in ROOT:
        for one in (path, path + "/"):
            for method in METHODS:
                assert (await http.request(method, one)).status_code == 404, one


async def test_what_is_announced_is_what_there_is(site: Site, http: httpx.AsyncClient) -> None:
    server, resource = [(await http.get(path)).raise_for_status().json() for path in ANNOUNCED]
    issuer = f"{site.url}/oauth"
    appended = await http.get("/oauth/.well-known/oauth-authorization-server")
    assert appended.json() == server
    assert resource["resource"] == site.endpoint
    assert resource["authorization_servers"] == [issuer]
    assert resource["scopes_supported"] == ["luma"]
    assert server["issuer"] == issuer
    for name in ("authorization", "token", "registration", "revocation"):
        assert server[f"{name}_endpoint"].startswith(issuer + "/")
    assert server["code_challenge_methods_supported"] == ["S256"]
    assert server["response_types_supported"] == ["code"]
    assert set(server["grant_types_supported"]) == {"authorization_code", "refresh_token"}
    assert "none" in server["token_endpoint_auth_methods_supported"]
    assert server["client_id_metadata_document_supported"] is True
    assert server["authorization_response_iss_parameter_supported"] is True


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("/oauth/authorize", {"GET", "HEAD", "POST"}),
        ("/oauth/connect", {"GET", "HEAD", "POST"}),
        ("/oauth/token", {"POST"}),
        ("/oauth/register", {"POST"}),
        ("/oauth/revoke", {"POST"}),
        (ANNOUNCED[0], {"GET", "HEAD", "OPTIONS"}),
        (ANNOUNCED[1], {"GET", "HEAD", "OPTIONS"}),
    ],
)
async def test_other_methods_are_refused(
    http: httpx.AsyncClient, path: str, taken: set[str]
) -> None:
    for method in METHODS:
        status = (await http.request(method, path)).status_code
        if method not in taken:
            assert status == 405
        elif method != "OPTIONS":
            assert status in ({200} if path in ANNOUNCED else {400})


async def test_where_nobody_can_sign_in_nothing_of_it_is_there() -> None:
    upstream = Upstream()
    async with serving(upstream) as luma:
        options = {"dream_machine_url": luma, "agents_url": luma}
        app = build_app(load_settings(public_url="http://127.0.0.1:8000", **options))
        async with serving(app) as url, httpx.AsyncClient(base_url=url) as http:
            for path in [*ROOT, *ANNOUNCED, *(f"/oauth/{name}" for name in OAUTH)]:
                for method in ("GET", "POST"):
                    assert (await http.request(method, path)).status_code == 404, path
            for header in ("Authorization", "X-API-Key", "X-Luma-Agents-API-Key"):
                refused = await call(http, "/mcp", **{header: "Bearer lmcp_access_x"})
                assert refused.status_code == 401
                assert refused.headers["www-authenticate"].startswith(
                    'Bearer error="invalid_token"'
                )
                assert "resource_metadata" not in refused.headers["www-authenticate"]
    assert upstream.keys == []


# --- Made up -----------------------------------------------------------------------------------

NAMES = st.sampled_from(
    [
        "grant_type",
        "code",
        "code_verifier",
        "redirect_uri",
        "client_id",
        "client_secret",
        "refresh_token",
        "resource",
        "scope",
        "token",
        "client_assertion",
        "client_assertion_type",
    ]
)
VALUES = st.text(max_size=20) | st.sampled_from(
    [
        "authorization_code",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "a.b.c",
        "e30.e30.e30",
        "lmcp_refresh_x",
        "lmcp_code_x",
        "https://127.0.0.1/client.json",
    ]
)
HEADERS = st.sampled_from(
    [{}, {"Authorization": "Basic eDp5"}, {"Authorization": "Basic " + "x" * 99}, basic("", "")]
)


@given(
    fields=st.lists(st.tuples(NAMES, VALUES), max_size=6),
    path=st.sampled_from(["token", "revoke"]),
    headers=HEADERS,
    is_known=st.booleans(),
)
@MODEST
async def test_whatever_is_sent_is_answered_as_the_error_that_it_is(
    site: Site,
    app_id: str,
    fields: list[tuple[str, str]],
    path: str,
    headers: dict[str, str],
    *,
    is_known: bool,
) -> None:
    if is_known:
        fields = [("client_id", app_id), *(one for one in fields if one[0] != "client_id")]
    async with site.visitor() as http:
        answer = await http.post(
            f"/oauth/{path}", content=urlencode(fields), headers={**headers, "Content-Type": FORM}
        )
    assert answer.status_code in {400, 401} or (path == "revoke" and answer.status_code == 200)
    if answer.status_code != 200:
        body: dict[str, Any] = json.loads(answer.text)
        assert set(body) <= {"error", "error_description"}
        assert "Traceback" not in answer.text


@pytest.fixture(scope="module")
async def app_id(site: Site) -> str:
    async with site.visitor() as http:
        return (await registered(http, await discover(http, site.endpoint))).id
