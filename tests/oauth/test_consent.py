"""The page that asks for keys: whose it is, who may answer it, and what it lets in."""

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from structlog.testing import capture_logs

from luma_mcp.oauth.requests import REQUEST_SECONDS
from tests.e2e.sign_in import (
    App,
    Page,
    SignedIn,
    authorize_url,
    call,
    consent,
    discover,
    exchange,
    new_pkce,
    open_page,
    refresh,
    registered,
    revoke,
    sign_in,
    submit,
)
from tests.oauth.conftest import Site, open_site
from tests.pages.markup import Markup, faults
from tests.servers import serving
from tests.tools.calls import Upstream

NASTY = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</title><meta http-equiv=refresh content='0;url=//evil.example'>",
    "{{ 7*7 }}{% raw %}",
    "&lt;b&gt;",
    "javascript:alert(1)",
]
POLICY = {
    "default-src 'none'",
    "style-src 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "form-action 'self'",
}


def assert_strict(answer: httpx.Response) -> None:
    """Check what every page of a sign-in must have, and must not."""
    assert set(answer.headers["content-security-policy"].split("; ")) == POLICY
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "set-cookie" not in answer.headers
    assert faults(answer.text) == []
    markup = Markup(answer.text)
    assert not any(markup.all(tag) for tag in ("script", "img", "iframe", "object", "style"))


async def new_page(http: httpx.AsyncClient, ada: SignedIn, **changes: str | None) -> Page:
    return await open_page(http, authorize_url(ada.server, ada.app, new_pkce(), **changes))


async def test_every_page_is_strict(http: httpx.AsyncClient, ada: SignedIn) -> None:
    page = await new_page(http, ada)
    pages = [
        page.answer,
        (await submit(http, page)).answer,
        (await submit(http, page, agents_key="luma-api-revoked")).answer,
        (await submit(http, page, dream_machine_key="luma-ada")).answer,
        (await submit(http, page, action="cancel")).answer,
        await http.get("/oauth/authorize"),
        await http.get(authorize_url(ada.server, ada.app, new_pkce(), redirect_uri="https://e.e")),
        await http.get("/oauth/connect"),
        await http.post("/oauth/connect"),
    ]
    http.cookies.clear()
    pages.append(await http.get("/oauth/connect", params=page.fields))
    assert [one.status_code for one in pages] == [200, 422, 422, 200, 200, 400, 400, 400, 400, 403]
    for one in pages:
        assert_strict(one)


@pytest.mark.parametrize("text", NASTY)
async def test_nothing_foreign_is_more_than_text(
    http: httpx.AsyncClient, ada: SignedIn, text: str
) -> None:
    app = await registered(
        http, ada.server, client_name=text, redirect_uris=[f"cursor:x?y={text}", f"cursor:{text}"]
    )
    for uri in (f"cursor:x?y={text}", f"cursor:{text}"):
        url = authorize_url(ada.server, app, new_pkce(), state=text, redirect_uri=uri)
        page = await open_page(http, url)
        assert_strict(page.answer)
        assert len(page.links) == 2  # where keys are made
        key = "luma-" + text.replace(" ", "")
        wrong = await submit(http, page, dream_machine_key=f"wrong{key}", agents_key=text)
        assert wrong.answer.status_code == 422
        assert_strict(wrong.answer)
        assert "<" not in text or text not in wrong.answer.text
        done = await submit(http, page, dream_machine_key="luma-ada")
        assert_strict(done.answer)
        assert Markup(done.answer.text).values("http-equiv") == ["refresh"]
        assert done.links == [done.onward]
        assert done.onward
        assert done.onward.startswith("cursor:")
        assert "\n" not in done.onward
        assert done.answer_to_client["state"] == text


@pytest.mark.parametrize("action", ["connect", "cancel", "", None])
@pytest.mark.parametrize("cookie", [None, "x" * 22, ""])
async def test_a_page_is_answered_only_from_the_browser_that_began(
    site: Site, http: httpx.AsyncClient, ada: SignedIn, action: str | None, cookie: str | None
) -> None:
    page = await new_page(http, ada)
    async with site.visitor() as other:
        if cookie is not None:
            other.cookies.set("luma-mcp-sign-in", cookie)
        shown = await other.get("/oauth/connect", params=page.fields)
        sent = await submit(other, page, action=action, dream_machine_key="luma-ada")
    for answer in (shown, sent.answer):
        assert answer.status_code == 403
        assert "http-equiv" not in answer.text
        assert "lmcp_" not in answer.text


async def test_another_browser_that_began_a_sign_in_too_is_still_another(
    site: Site, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    page = await new_page(http, ada)
    async with site.visitor() as other:
        own = await new_page(other, ada)
        assert (await submit(other, page, dream_machine_key="luma-ada")).answer.status_code == 403
        assert (await submit(other, own, dream_machine_key="luma-ada")).onward


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://claude.ai", "http://127.0.0.1:1"]
)
async def test_no_other_site_sends_the_form(
    http: httpx.AsyncClient, ada: SignedIn, origin: str
) -> None:
    page = await new_page(http, ada)
    data = {**page.fields, "action": "connect", "dream_machine_key": "luma-ada"}
    answer = await http.post("/oauth/connect", data=data, headers={"Origin": origin})
    assert answer.status_code == 403
    assert "lmcp_code" not in answer.text


async def test_a_request_lasts_ten_minutes(
    site: Site, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    page = await new_page(http, ada)
    claims = site.tokens().read("request", page.fields["request"])
    assert claims is not None
    for age, status in ((REQUEST_SECONDS - 30, 200), (REQUEST_SECONDS + 1, 400)):
        token = site.tokens(age).make("request", claims, REQUEST_SECONDS)
        answer = await http.get("/oauth/connect", params={"request": token})
        assert answer.status_code == status


@pytest.mark.parametrize(
    "fields",
    [
        {"dream_machine_key": ""},
        {"dream_machine_key": " \t "},
        {"dream_machine_key": "no-key-of-luma"},
        {"agents_key": "luma-api-revoked"},
        {"agents_key": "luma-api-suspended"},
        {"dream_machine_key": "luma-api-0123456789"},  # of the other API
        {"dream_machine_key": "luma-ada", "agents_key": "luma-api-revoked"},
        {"dream_machine_key": "no-key-of-luma", "agents_key": "luma-api-0123456789"},
        {"dream_machine_key": "luma-\r\nX-Evil: 1"},
        {"dream_machine_key": "luma-\u00e9"},
        {"dream_machine_key": "luma-\x00"},
        {"dream_machine_key": "luma-" + "x" * 512},
        {"agents_key": "luma- ada"},
    ],
)
async def test_only_keys_that_luma_takes_let_anybody_in(
    http: httpx.AsyncClient, ada: SignedIn, fields: dict[str, Any]
) -> None:
    answer = await submit(http, await new_page(http, ada), **fields)
    assert answer.answer.status_code == 422
    assert not answer.onward
    assert any(name.endswith("_key-error") for name in answer.texts)
    for value in fields.values():
        assert len(value.strip()) < 3 or f'"{value}"' not in answer.answer.text


async def test_a_key_may_have_blanks_around_it(http: httpx.AsyncClient, ada: SignedIn) -> None:
    answer = await submit(http, await new_page(http, ada), dream_machine_key=" luma-ada\r\n")
    assert answer.onward


async def test_whoever_cancels_gives_nothing_away(http: httpx.AsyncClient, ada: SignedIn) -> None:
    page = await new_page(http, ada)
    answer = await submit(http, page, action="cancel", dream_machine_key="luma-ada")
    assert set(answer.answer_to_client) == {"error", "state", "iss"}
    assert answer.answer_to_client["error"] == "access_denied"


async def test_a_key_that_was_sent_is_on_no_page(http: httpx.AsyncClient, ada: SignedIn) -> None:
    page = await new_page(http, ada)
    for fields in ({"dream_machine_key": "canary"}, {"agents_key": "luma-api-revoked-canary"}):
        assert "canary" not in (await submit(http, page, **fields)).answer.text


async def test_a_token_of_ours_is_no_key_and_luma_never_sees_it() -> None:
    answers = {"GET /credits": {"credit_balance": 100.0}, "GET /files": {"data": []}}
    upstream = Upstream(answers)
    async with (
        serving(upstream) as luma,
        open_site(sandbox=False, dream_machine_url=luma, agents_url=luma) as site,
        site.visitor() as http,
    ):
        ada = await sign_in(http, site.endpoint)
        page = await new_page(http, ada)
        for token in (ada.access_token, ada.refresh_token, "lmcp_x", page.fields["request"]):
            for field in ("dream_machine_key", "agents_key"):
                assert (await submit(http, page, **{field: token})).answer.status_code == 422
        for header in (
            "Authorization",
            "X-API-Key",
            "X-Auth-Token",
            "X-Luma-API-Key",
            "X-Luma-Agents-API-Key",
        ):
            for token in (ada.refresh_token, ada.code, ada.app.id, "lmcp_access_x", "lmcp_"):
                for value in (token, f"Bearer {token}"):
                    answer = await call(http, site.endpoint, **{header: value})
                    assert answer.status_code == 401
    assert set(upstream.keys) == {"Bearer luma-ada"}


async def test_both_keys_or_one_go_to_their_own_apis() -> None:
    answers = {"GET /credits": {"credit_balance": 100.0}, "GET /files": {"data": []}}
    upstream = Upstream(answers)
    async with (
        serving(upstream) as luma,
        open_site(sandbox=False, dream_machine_url=luma, agents_url=luma) as site,
        site.visitor() as http,
    ):
        for fields in ({"agents_key": "luma-api-x"}, {"agents_key": "k", "dream_machine_key": "d"}):
            await sign_in(http, site.endpoint, **{"dream_machine_key": "", **fields})
    pairs = dict.fromkeys(zip(upstream.asked, upstream.keys, strict=True))
    assert set(pairs) == {
        ("GET /files", "Bearer luma-api-x"),
        ("GET /files", "Bearer k"),
        ("GET /credits", "Bearer d"),
    }


async def test_a_user_who_lets_it_look_only_is_obeyed(
    site: Site, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    looking = await sign_in(http, site.endpoint, ada.app, read_only="yes")
    renewed = await refresh(http, ada.server, ada.app, looking.refresh_token)
    for token in (looking.access_token, renewed.json()["access_token"]):
        claims = site.tokens().read("access", token)
        assert claims is not None
        assert claims["ro"] is True
    claims = site.tokens().read("access", ada.access_token)
    assert claims is not None
    assert claims["ro"] is False


async def test_a_sign_in_leaves_no_secret_in_the_logs(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    keys = {"dream_machine_key": "luma-canary-1", "agents_key": "luma-api-canary-2"}
    with capture_logs() as lines:
        async with site.visitor() as http:
            app = await registered(
                http,
                await discover(http, site.endpoint),
                token_endpoint_auth_method="client_secret_post",
            )
            ada = await sign_in(http, site.endpoint, app, **keys)
            page = await new_page(http, ada)
            await submit(http, page, agents_key="luma-api-revoked-canary-3")
            renewed = (await refresh(http, ada.server, app, ada.refresh_token)).json()
            await call(http, site.endpoint, ada.access_token)
            await exchange(http, ada.server, app, ada.code, ada.pkce.verifier)
            await call(http, site.endpoint, ada.access_token)
            await refresh(http, ada.server, app, renewed["refresh_token"])
            await revoke(http, ada.server, app, ada.access_token)
            cookie = http.cookies["luma-mcp-sign-in"]
    ours = [one for one in caplog.records if not one.name.startswith(("httpx", "httpcore"))]
    text = f"{lines} {[one.getMessage() for one in ours]}"
    assert "signed in" in text
    assert "sign-in ended" in text
    secrets = [ada.code, ada.pkce.verifier, app.secret, app.id, cookie, *page.fields.values()]
    secrets += [ada.access_token, ada.refresh_token, *renewed.values()]
    for secret in secrets:
        assert str(secret) == "luma" or str(secret) not in text or str(secret).isdigit(), secret
    assert "canary" not in text
    assert "lmcp_" not in text


async def test_a_stranger_is_called_what_it_is(
    site: Site, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    app = await registered(http, ada.server, client_name="Claude")
    page = await open_page(http, authorize_url(ada.server, app, new_pkce()))
    assert "nobody vouches for that name" in page.answer.text
    assert urlsplit(app.redirect_uri).netloc in page.answer.text
    assert urlsplit(site.url).netloc in page.answer.text


async def test_a_link_to_the_end_is_the_client_that_asked(
    http: httpx.AsyncClient, ada: SignedIn
) -> None:
    app: App = await registered(http, ada.server, redirect_uris=["https://claude.ai/cb"])
    onward = await consent(
        http, authorize_url(ada.server, app, new_pkce()), dream_machine_key="luma-ada"
    )
    assert onward.startswith("https://claude.ai/cb?code=lmcp_code_")
