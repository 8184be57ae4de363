"""What a client asks for: everything checked, and no way out but to the client's own address."""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from luma_mcp.oauth.requests import BrowserCookie, answer_url
from tests.e2e.sign_in import (
    REDIRECT,
    STATE,
    SignedIn,
    authorize_url,
    consent,
    new_pkce,
    open_page,
    registered,
    sign_in,
)
from tests.oauth.conftest import MODEST, Site, open_site


def answered(answer: httpx.Response) -> dict[str, str]:
    """Give the parameters of a redirect to the client; each comes once."""
    assert answer.status_code == 302, answer.text
    assert answer.headers["cache-control"] == "no-store"
    url = answer.headers["location"]
    assert url.startswith(REDIRECT + "?")
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    assert len(pairs) == len(dict(pairs))
    return dict(pairs)


def is_stopped(answer: httpx.Response) -> bool:
    """Tell whether the person was told, and nobody else."""
    return answer.status_code == 400 and "location" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": "x" * 42}, "invalid_request"),
        ({"code_challenge": "x" * 44}, "invalid_request"),
        ({"code_challenge": "x" * 42 + "="}, "invalid_request"),
        ({"code_challenge": "x" * 43 + "\n"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"resource": "https://other.example/oauth/mcp"}, "invalid_target"),
        ({"resource": ""}, "invalid_target"),
    ],
)
async def test_a_client_hears_what_is_wrong_with_its_request(
    http: httpx.AsyncClient, ada: SignedIn, changes: dict[str, Any], error: str
) -> None:
    answer = answered(await http.get(authorize_url(ada.server, ada.app, new_pkce(), **changes)))
    assert answer.pop("error_description")
    assert answer == {"error": error, "state": STATE, "iss": ada.server.issuer}


@pytest.mark.parametrize("resource", ["/mcp", "/oauth", "/oauth/mcp/x", "/oauth/mcp?a", ""])
async def test_only_the_one_resource_is_signed_in_for(
    site: Site, http: httpx.AsyncClient, ada: SignedIn, resource: str
) -> None:
    url = authorize_url(ada.server, ada.app, new_pkce(), resource=site.url + resource)
    assert answered(await http.get(url))["error"] == "invalid_target"


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/cb",
        "https://claude.ai/cb",  # allowed, but not this client's
        REDIRECT + "/",
        REDIRECT + "?a=b",
        REDIRECT + "#x",
        REDIRECT + "?code=x",
        REDIRECT.replace("127.0.0.1", "localhost"),
        REDIRECT.replace("127.0.0.1", "user@127.0.0.1"),
        REDIRECT.replace("127.0.0.1", "127.0.0.1@evil.example"),
        REDIRECT.replace("callback", "%63allback"),
        REDIRECT.replace("http:", "https:"),
        "javascript:alert(1)",
        "//evil.example",
        "",
        "\x00",
    ],
)
async def test_nobody_is_led_to_where_a_client_is_not(
    http: httpx.AsyncClient, ada: SignedIn, uri: str
) -> None:
    for wrong in ({}, {"response_type": "token"}, {"state": "x" * 9_999}):
        url = authorize_url(ada.server, ada.app, new_pkce(), redirect_uri=uri, **wrong)
        assert is_stopped(await http.get(url))


async def test_a_port_of_its_own_is_answered_at(http: httpx.AsyncClient, ada: SignedIn) -> None:
    uri = REDIRECT.replace("7777", "54321")
    url = authorize_url(ada.server, ada.app, new_pkce(), redirect_uri=uri)
    onward = await consent(http, url, dream_machine_key="luma-ada")
    assert onward.startswith(uri + "?code=")


async def test_a_place_that_is_allowed_no_more_is_not_answered() -> None:
    async with open_site() as site, site.visitor() as http:
        ada = await sign_in(http, site.endpoint)
        claims = site.tokens().read("client", ada.app.id)
    assert claims is not None
    async with open_site(oauth_redirects="claude.ai") as site, site.visitor() as http:
        app_id = site.tokens().make("client", claims)
        url = f"/oauth/authorize?{urlencode({'client_id': app_id, 'redirect_uri': REDIRECT})}"
        assert is_stopped(await http.get(url))


async def test_which_of_several_places_is_meant_must_be_said(
    http: httpx.AsyncClient, ada: SignedIn
) -> None:
    app = await registered(http, ada.server, redirect_uris=[REDIRECT, "https://claude.ai/cb"])
    for uri, is_led in ((None, False), (REDIRECT, True), ("https://claude.ai/cb", True)):
        answer = await http.get(authorize_url(ada.server, app, new_pkce(), redirect_uri=uri))
        assert is_stopped(answer) is not is_led


@pytest.mark.parametrize(
    "name", ["client_id", "redirect_uri", "state", "code_challenge", "scope", "other"]
)
@pytest.mark.parametrize("second", ["https://evil.example/cb", REDIRECT, "", None])
async def test_no_parameter_counts_twice(
    http: httpx.AsyncClient, ada: SignedIn, name: str, second: str | None
) -> None:
    url = authorize_url(ada.server, ada.app, new_pkce(), other="x")
    value = dict(parse_qsl(urlsplit(url).query))[name] if second is None else second
    for both in (f"{url}&{urlencode({name: value})}", url.replace("?", f"?{name}={value}&", 1)):
        answer = await http.get(both)
        assert is_stopped(answer) or answered(answer)["error"] == "invalid_request"


async def test_a_resource_may_be_named_twice_if_it_is_the_same(
    http: httpx.AsyncClient, ada: SignedIn
) -> None:
    url = authorize_url(ada.server, ada.app, new_pkce())
    same = urlencode({"resource": ada.server.resource})
    other = urlencode({"resource": "https://other.example/mcp"})
    assert (await http.get(f"{url}&{same}")).headers["location"].startswith(ada.server.issuer)
    for wrong in (f"{url}&{other}", url.replace("?", f"?{other}&", 1)):
        assert answered(await http.get(wrong))["error"] == "invalid_target"


STATES = ["x", "", " ", "a b+c%20&d=e#f", "\"'<>`;", "</script><script>alert(1)</script>"]


@pytest.mark.parametrize("state", [*STATES, "x" * 2_048, "%0d%0aSet-Cookie: a=b"])
async def test_a_state_comes_back_as_it_was(
    http: httpx.AsyncClient, ada: SignedIn, state: str
) -> None:
    url = authorize_url(ada.server, ada.app, new_pkce(), state=state)
    onward = await consent(http, url, dream_machine_key="luma-ada")
    pairs = dict(parse_qsl(urlsplit(onward).query, keep_blank_values=True))
    assert pairs["state"] == state
    refused = authorize_url(ada.server, ada.app, new_pkce(), state=state, response_type="x")
    assert answered(await http.get(refused))["state"] == state


@pytest.mark.parametrize("state", ["x" * 2_049, "\r\nSet-Cookie: a=b", "\x00", "\u00e9", "\u202e"])
async def test_a_state_that_is_none_is_refused(
    http: httpx.AsyncClient, ada: SignedIn, state: str
) -> None:
    answer = await http.get(authorize_url(ada.server, ada.app, new_pkce(), state=state))
    assert answered(answer)["error"] == "invalid_request"
    assert "set-cookie" not in answer.headers


async def test_no_state_is_made_up(http: httpx.AsyncClient, ada: SignedIn) -> None:
    url = authorize_url(ada.server, ada.app, new_pkce(), state=None)
    onward = await consent(http, url, dream_machine_key="luma-ada")
    assert set(dict(parse_qsl(urlsplit(onward).query))) == {"code", "iss"}
    url = authorize_url(ada.server, ada.app, new_pkce(), state=None, response_type="x")
    assert "state" not in answered(await http.get(url))


async def test_what_is_sent_as_a_form_is_checked_alike(
    http: httpx.AsyncClient, ada: SignedIn
) -> None:
    good = dict(parse_qsl(urlsplit(authorize_url(ada.server, ada.app, new_pkce())).query))
    led = await http.post("/oauth/authorize", data=good)
    assert "/oauth/connect?request=" in led.headers["location"]
    for wrong in ({"redirect_uri": "https://evil.example"}, {"client_id": "x"}):
        assert is_stopped(await http.post("/oauth/authorize", data={**good, **wrong}))
    mixed = await http.post("/oauth/authorize", params=good, data={})
    assert is_stopped(mixed)


async def test_files_are_no_form(http: httpx.AsyncClient, ada: SignedIn) -> None:
    good = dict(parse_qsl(urlsplit(authorize_url(ada.server, ada.app, new_pkce())).query))
    files = {name: ("x.txt", value) for name, value in good.items()}
    answer = await http.post("/oauth/authorize", files=files)
    assert 400 <= answer.status_code < 500
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("redirect", "expected"),
    [
        ("https://claude.ai/cb", "https://claude.ai/cb?code=c&state=s&iss=https%3A%2F%2Fi"),
        ("https://claude.ai/cb?a=b", "https://claude.ai/cb?a=b&code=c&state=s&iss=https%3A%2F%2Fi"),
        ("https://claude.ai/cb?iss=x", "https://claude.ai/cb?iss=https%3A%2F%2Fi&code=c&state=s"),
        ("cursor:x", "cursor:x?code=c&state=s&iss=https%3A%2F%2Fi"),
    ],
)
def test_an_answer_says_whose_it_is_once(redirect: str, expected: str) -> None:
    assert answer_url(redirect, "s", "https://i", code="c") == expected


# --- The cookie --------------------------------------------------------------------------------


async def cookie_of(http: httpx.AsyncClient, ada: SignedIn) -> str:
    answer = await http.get(authorize_url(ada.server, ada.app, new_pkce()))
    return answer.headers["set-cookie"]


async def test_the_cookie_on_loopback(http: httpx.AsyncClient, ada: SignedIn) -> None:
    value, *attributes = (await cookie_of(http, ada)).split("; ")
    assert value.startswith("luma-mcp-sign-in=")
    assert {one.lower() for one in attributes} == {
        "httponly",
        "samesite=lax",
        "path=/",
        "max-age=600",
    }


def test_the_cookie_with_tls_is_this_hosts_alone() -> None:
    answer = Response()
    BrowserCookie("https://luma.example/oauth").put(answer, "x" * 22)
    value, *attributes = answer.headers["set-cookie"].split("; ")
    assert value == f"__Host-luma-mcp-sign-in={'x' * 22}"
    assert {"secure", "httponly", "path=/"} <= {one.lower() for one in attributes}
    assert not any(one.lower().startswith("domain") for one in attributes)


async def test_two_sign_ins_of_one_browser_do_not_disturb_each_other(
    http: httpx.AsyncClient, ada: SignedIn
) -> None:
    first = await open_page(http, authorize_url(ada.server, ada.app, new_pkce(), state="1"))
    second = await open_page(http, authorize_url(ada.server, ada.app, new_pkce(), state="2"))
    for page in (first, second):
        assert (await http.get("/oauth/connect", params=page.fields)).status_code == 200
    assert len(http.cookies) == 1


@pytest.mark.parametrize("value", ["", "x", "x" * 21, "x" * 23, "x" * 21 + "\u00e9", '"' * 22])
async def test_a_cookie_that_is_none_of_ours_is_replaced(
    site: Site, ada: SignedIn, value: str
) -> None:
    async with site.visitor() as http:
        cookie = f"luma-mcp-sign-in={value}".encode("latin-1")
        url = authorize_url(ada.server, ada.app, new_pkce())
        answer = await http.get(url, headers=[(b"Cookie", cookie)])
    assert answer.status_code == 302
    assert len(answer.headers["set-cookie"].split(";")[0]) == len("luma-mcp-sign-in=") + 22


# --- Made up -----------------------------------------------------------------------------------

NAMES = st.sampled_from(
    [
        "response_type",
        "redirect_uri",
        "state",
        "code_challenge",
        "code_challenge_method",
        "resource",
        "scope",
        "client_id",
        "request",
        "request_uri",
        "response_mode",
    ]
)
VALUES = st.text(max_size=30) | st.sampled_from(
    ["code", "S256", REDIRECT, "https://claude.ai/cb", "https://evil.example", "x" * 43, "\r\n"]
)


@given(changes=st.lists(st.tuples(NAMES, VALUES), max_size=5), as_form=st.booleans())
@MODEST
async def test_whatever_is_asked_leads_to_the_page_the_client_or_nowhere(
    site: Site, app_id: str, changes: list[tuple[str, str]], *, as_form: bool
) -> None:
    usual = {
        "client_id": app_id,
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
    }
    text = urlencode([*(one for one in usual.items() if one[0] not in dict(changes)), *changes])
    async with site.visitor() as http:
        if as_form:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = await http.post("/oauth/authorize", content=text, headers=headers)
        else:
            answer = await http.get(f"/oauth/authorize?{text}")
    assert answer.status_code in {302, 400}
    if answer.status_code == 302:
        url = urlsplit(answer.headers["location"])
        places = {urlsplit(site.url).netloc: "/oauth/connect", "127.0.0.1:7777": "/callback"}
        assert places[url.netloc] == url.path
    else:
        assert "location" not in answer.headers


@pytest.fixture(scope="module")
async def app_id(site: Site) -> str:
    async with site.visitor() as http:
        return (await sign_in(http, site.endpoint)).app.id
