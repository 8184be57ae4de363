"""Codes and tokens in the hands of somebody else, too late, twice, or all at once."""

import asyncio
from dataclasses import replace
from itertools import permutations
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse

from luma_mcp.credentials import ApiKey, Credentials
from luma_mcp.oauth.grants import Grant
from luma_mcp.oauth.history import AGAIN_SECONDS, REFRESH_SECONDS
from luma_mcp.oauth.provider import ACCESS_SECONDS, CODE_SECONDS
from luma_mcp.oauth.tokens import Kind
from tests.e2e.sign_in import (
    REDIRECT,
    SECRET_KEY,
    App,
    Pkce,
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
)
from tests.oauth.conftest import Site, error_of, open_site
from tests.servers import serving
from tests.tools.calls import Upstream

GRANT = (400, "invalid_grant")


async def code_for(
    http: httpx.AsyncClient, signed_in: SignedIn, app: App | None = None, **changes: str | None
) -> tuple[str, Pkce]:
    """Let Ada agree once more; gives the code, not used yet."""
    pkce = new_pkce()
    url = authorize_url(signed_in.server, app or signed_in.app, pkce, **changes)
    back = httpx.URL(await consent(http, url, dream_machine_key="luma-ada"))
    return back.params["code"], pkce


async def works(http: httpx.AsyncClient, site: Site, token: str) -> bool:
    answer = await call(http, site.endpoint, token)
    assert answer.status_code in {200, 401}
    return answer.status_code == 200


# --- Codes -------------------------------------------------------------------------------------


async def test_a_code_that_comes_back_ends_what_came_of_it(
    site: Site, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    assert await works(http, site, ada.access_token)
    again = await exchange(http, ada.server, ada.app, ada.code, ada.pkce.verifier)
    assert error_of(again) == GRANT
    assert not await works(http, site, ada.access_token)
    assert error_of(await refresh(http, ada.server, ada.app, ada.refresh_token)) == GRANT


async def test_who_has_a_code_but_not_its_secret_can_end_nothing(
    site: Site, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    thief = await registered(http, ada.server)
    for app, verifier in ((ada.app, new_pkce().verifier), (thief, ada.pkce.verifier)):
        assert error_of(await exchange(http, ada.server, app, ada.code, verifier)) == GRANT
    assert await works(http, site, ada.access_token)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": new_pkce().verifier}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"redirect_uri": REDIRECT + "/"}, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1:7778/callback"}, "invalid_request"),
        ({"resource": "https://other.example/mcp"}, "invalid_target"),
        ({"resource": ""}, "invalid_target"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": None}, "invalid_request"),
    ],
)
async def test_a_code_is_good_only_with_all_that_belongs_to_it(
    http: httpx.AsyncClient, ada: SignedIn, changes: dict[str, Any], error: str
) -> None:
    code, pkce = await code_for(http, ada)
    refused = await exchange(http, ada.server, ada.app, code, pkce.verifier, **changes)
    assert error_of(refused) == (400, error)
    assert refused.headers["cache-control"] == "no-store"
    taken = await exchange(http, ada.server, ada.app, code, pkce.verifier)
    assert taken.status_code == 200
    assert taken.headers["cache-control"] == "no-store"


async def test_the_verifier_is_not_its_challenge(http: httpx.AsyncClient, ada: SignedIn) -> None:
    code, pkce = await code_for(http, ada)
    assert error_of(await exchange(http, ada.server, ada.app, code, pkce.challenge)) == GRANT


async def test_a_resource_may_be_left_out_or_end_with_a_slash(
    http: httpx.AsyncClient, ada: SignedIn
) -> None:
    for resource in (None, f"{ada.server.resource}/"):
        code, pkce = await code_for(http, ada, resource=resource)
        answer = await exchange(http, ada.server, ada.app, code, pkce.verifier, resource=resource)
        assert answer.status_code == 200


@pytest.mark.parametrize("before", [REDIRECT, None])
@pytest.mark.parametrize("again", [REDIRECT, None])
async def test_the_place_need_not_be_named_again(
    http: httpx.AsyncClient, ada: SignedIn, before: str | None, again: str | None
) -> None:
    code, pkce = await code_for(http, ada, redirect_uri=before)
    answer = await exchange(http, ada.server, ada.app, code, pkce.verifier, redirect_uri=again)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:7777",
        "http://localhost/cb",
        "HTTP://LOCALHOST:1/a/../b%20c?d=é",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "cursor:x\"><script>alert('1')</script>",
    ],
)
async def test_a_place_is_the_same_however_it_is_written(
    http: httpx.AsyncClient, ada: SignedIn, uri: str
) -> None:
    app = replace(await registered(http, ada.server, redirect_uris=[uri]), redirect_uri=uri)
    code, pkce = await code_for(http, ada, app)
    assert (await exchange(http, ada.server, app, code, pkce.verifier)).status_code == 200


SECONDS: dict[Kind, int] = {
    "access": ACCESS_SECONDS,
    "code": CODE_SECONDS,
    "refresh": REFRESH_SECONDS,
}


def minted(site: Site, ada: SignedIn, kind: Kind, **how: Any) -> str:  # noqa: ANN401
    """Make a token of another sign-in of Ada's, as the server did or as another one does."""
    good = {"access": ada.access_token, "refresh": ada.refresh_token, "code": ada.code}[kind]
    claims = site.tokens().read(kind, good)
    assert claims is not None
    claims["sub"] += "-other"
    return site.tokens(**how).make(kind, claims, SECONDS[kind])


FOREIGN = {
    "of another secret": {"secret": "another-secret-of-enough-characters"},
    "of another server": {"audience": "https://other.example/oauth/mcp"},
    "of the same server without TLS": {"audience": "http://127.0.0.1/oauth/mcp"},
}


@pytest.mark.parametrize("how", [{}, *FOREIGN.values(), {"seconds": REFRESH_SECONDS + 1}])
async def test_tokens_of_another_secret_server_or_time_are_none(
    site: Site, http: httpx.AsyncClient, ada: SignedIn, how: dict[str, Any]
) -> None:
    access = minted(site, ada, "access", **how)
    code = minted(site, ada, "code", **how)
    renewing = minted(site, ada, "refresh", **how)
    assert await works(http, site, access) is (how == {})
    refreshed = await refresh(http, ada.server, ada.app, renewing)
    exchanged = await exchange(http, ada.server, ada.app, code, ada.pkce.verifier)
    if how:
        assert error_of(refreshed) == error_of(exchanged) == GRANT
    else:
        assert refreshed.status_code == 200
        assert error_of(exchanged) == GRANT  # after its refresh token it comes back


@pytest.mark.parametrize("kind", list(SECONDS))
async def test_what_is_given_out_ends_in_time(
    site: Site, http: httpx.AsyncClient, ada: SignedIn, kind: Kind
) -> None:
    for age, good in ((SECONDS[kind] + 1, False), (SECONDS[kind] - 30, True)):
        token = minted(site, ada, kind, seconds=age)
        assert await is_refused(site, http, ada, kind, token, ada.pkce.verifier) is not good


async def test_a_client_and_its_sign_ins_survive_a_new_secret_but_not_the_end_of_the_old() -> None:
    old, new = SECRET_KEY, "a-new-secret-of-these-tests-of-enough-characters"
    async with open_site(secret_key=f"{new}, {old}") as site, site.visitor() as http:
        signed_in = await sign_in(http, site.endpoint)
        before = replace(signed_in.app, id="")
        claims = site.tokens(secret=new).read("client", signed_in.app.id)
        assert claims is not None
        assert site.tokens(secret=old).read("client", signed_in.app.id) is None
        old_app = replace(before, id=site.tokens(secret=old).make("client", claims))
        assert (await sign_in(http, site.endpoint, old_app)).access_token
        gone = site.tokens(secret="a-secret-that-was-rotated-out-before").make("client", claims)
        answer = await http.get(
            authorize_url(signed_in.server, replace(before, id=gone), new_pkce())
        )
        assert answer.status_code == 400


# --- Each kind as every other ------------------------------------------------------------------


async def test_each_kind_of_token_is_refused_as_every_other_kind(
    site: Site, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    code, pkce = await code_for(http, ada)
    page = await open_page(http, authorize_url(ada.server, ada.app, pkce))
    tokens = {
        "access": ada.access_token,
        "refresh": ada.refresh_token,
        "code": code,
        "client": ada.app.id,
        "request": page.fields["request"],
    }
    bodies = {kind: token.split("_", 2)[2] for kind, token in tokens.items()}
    for is_kind, as_kind in permutations(tokens, 2):
        for wrong in (tokens[is_kind], f"lmcp_{as_kind}_{bodies[is_kind]}"):
            assert await is_refused(site, http, ada, as_kind, wrong), (is_kind, as_kind)
    for kind, token in tokens.items():
        assert not await is_refused(site, http, ada, kind, token, pkce.verifier), kind


async def is_refused(
    site: Site, http: httpx.AsyncClient, ada: SignedIn, kind: str, token: str, verifier: str = "v"
) -> bool:
    """Try a token as one of a kind, from an address that has not asked yet."""
    async with site.visitor() as fresh:
        fresh.cookies = http.cookies
        if kind == "access":
            return not await works(fresh, site, token)
        if kind == "refresh":
            answer = await refresh(fresh, ada.server, ada.app, token)
        elif kind == "code":
            answer = await exchange(fresh, ada.server, ada.app, token, verifier)
        elif kind == "client":
            app = replace(ada.app, id=token)
            answer = await fresh.get(authorize_url(ada.server, app, new_pkce()))
            return answer.status_code == 400
        else:
            answer = await fresh.get("/oauth/connect", params={"request": token})
    assert answer.status_code in {200, 400}
    return answer.status_code == 400


# --- Refresh tokens ----------------------------------------------------------------------------


async def test_a_refresh_token_is_followed_by_the_next(
    site: Site, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    token, seen = ada.refresh_token, {ada.refresh_token, ada.access_token}
    for _ in range(4):
        tokens = (await refresh(http, ada.server, ada.app, token)).raise_for_status().json()
        assert tokens["expires_in"] == ACCESS_SECONDS
        assert await works(http, site, tokens["access_token"])
        token = tokens["refresh_token"]
        seen |= {token, tokens["access_token"]}
    assert len(seen) == 10


async def test_a_refresh_token_whose_answer_was_lost_is_taken_again(
    site: Site, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    for _ in range(3):
        answer = await refresh(http, ada.server, ada.app, ada.refresh_token)
        assert answer.status_code == 200
        assert await works(http, site, answer.json()["access_token"])
    following = await refresh(http, ada.server, ada.app, answer.json()["refresh_token"])
    assert following.status_code == 200


async def name_of(site: Site, ada: SignedIn) -> str:
    claims = site.tokens().read("refresh", ada.refresh_token)
    assert claims is not None
    return claims["sub"]


async def test_a_refresh_token_that_comes_back_late_ends_everything(
    site: Site, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    name = await name_of(site, ada)
    assert await site.history(AGAIN_SECONDS + 1).take(name, 2)  # somebody refreshed then
    assert await works(http, site, ada.access_token)
    late = await refresh(http, ada.server, ada.app, ada.refresh_token)
    assert error_of(late) == GRANT
    assert not await works(http, site, ada.access_token)


async def test_a_refresh_token_from_before_the_last_ends_everything(
    site: Site, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    second = (await refresh(http, ada.server, ada.app, ada.refresh_token)).json()
    third = (await refresh(http, ada.server, ada.app, second["refresh_token"])).json()
    assert error_of(await refresh(http, ada.server, ada.app, ada.refresh_token)) == GRANT
    for token in (ada.access_token, second["access_token"], third["access_token"]):
        assert not await works(http, site, token)
    assert error_of(await refresh(http, ada.server, ada.app, third["refresh_token"])) == GRANT


async def test_a_client_that_asks_twenty_times_at_once_keeps_its_sign_in(
    site: Site, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(refresh(http, ada.server, ada.app, ada.refresh_token))
            for _ in range(20)
        ]
    answers = [task.result() for task in tasks]
    assert [answer.status_code for answer in answers] == [200] * 20
    assert await works(http, site, answers[0].json()["access_token"])


async def test_a_code_that_comes_twenty_times_at_once_is_taken_once_at_most(
    site: Site, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    code, pkce = await code_for(http, ada)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(exchange(http, ada.server, ada.app, code, pkce.verifier))
            for _ in range(20)
        ]
    answers = [task.result() for task in tasks]
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19
    (taken,) = [answer for answer in answers if answer.status_code == 200]
    assert not await works(http, site, taken.json()["access_token"])


async def test_another_client_cannot_refresh(http: httpx.AsyncClient, ada: SignedIn) -> None:
    other = await registered(http, ada.server)
    assert error_of(await refresh(http, ada.server, other, ada.refresh_token)) == GRANT
    assert (await refresh(http, ada.server, ada.app, ada.refresh_token)).status_code == 200


async def test_no_more_is_allowed_by_a_refresh(http: httpx.AsyncClient, ada: SignedIn) -> None:
    wide = await refresh(http, ada.server, ada.app, ada.refresh_token, scope="luma admin")
    assert wide.json()["scope"] == "luma"
    target = await refresh(
        http, ada.server, ada.app, ada.refresh_token, resource="https://o.example"
    )
    assert error_of(target) == (400, "invalid_target")


async def test_a_client_that_did_not_ask_for_refresh_tokens_gets_none(
    http: httpx.AsyncClient, ada: SignedIn
) -> None:
    app = await registered(http, ada.server, grant_types=["authorization_code"])
    code, pkce = await code_for(http, ada, app)
    tokens = (await exchange(http, ada.server, app, code, pkce.verifier)).json()
    assert "refresh_token" not in tokens
    answer = await refresh(http, ada.server, app, ada.refresh_token)
    assert error_of(answer) == (400, "unsupported_grant_type")


async def test_after_its_end_nothing_of_a_sign_in_is_good(
    site: Site, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    renewed = (await refresh(http, ada.server, ada.app, ada.refresh_token)).json()
    other = await sign_in(http, site.endpoint, ada.app)
    answer = await revoke(http, ada.server, ada.app, ada.access_token)
    assert (answer.status_code, answer.content) == (200, b"")
    for token in (ada.access_token, renewed["access_token"]):
        assert not await works(http, site, token)
    for token in (ada.refresh_token, renewed["refresh_token"]):
        assert error_of(await refresh(http, ada.server, ada.app, token)) == GRANT
    assert await works(http, site, other.access_token)


# --- What Luma says to a refresh -----------------------------------------------------------------

CREDITS = "GET /credits"
ALIVE = {"credit_balance": 100.0}


@pytest.mark.parametrize(
    ("answer", "is_refreshed"),
    [
        (JSONResponse(ALIVE), True),
        (JSONResponse({"detail": "Invalid API key"}, 401), False),
        (JSONResponse({"detail": "Suspended"}, 403), False),
        (JSONResponse({"detail": "Try later"}, 429, headers={"Retry-After": "3600"}), True),
        (JSONResponse({"detail": "Broken"}, 500), True),
        (JSONResponse({"detail": "No money"}, 402), True),
        (JSONResponse(["nonsense"]), True),
    ],
)
async def test_a_refresh_asks_luma_and_only_its_no_is_one(
    answer: JSONResponse, *, is_refreshed: bool
) -> None:
    answers = {CREDITS: JSONResponse(ALIVE)}
    upstream = Upstream(answers)
    async with (
        serving(upstream) as luma,
        open_site(
            sandbox=False, dream_machine_url=luma, agents_url=luma, upstream_timeout_seconds=0.5
        ) as site,
        site.visitor() as http,
    ):
        ada = await sign_in(http, site.endpoint)
        answers[CREDITS] = answer
        refreshed = await refresh(http, ada.server, ada.app, ada.refresh_token)
        assert (refreshed.status_code == 200) is is_refreshed
        if not is_refreshed:
            assert error_of(refreshed) == GRANT
            answers[CREDITS] = JSONResponse(ALIVE)
            again = await refresh(http, ada.server, ada.app, ada.refresh_token)
            assert again.status_code == 200  # the sign-in did not end by that
    assert set(upstream.keys) == {"Bearer luma-ada"}


async def test_a_refresh_does_not_need_luma(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its client gives up sooner than we would on Luma."""
    monkeypatch.setattr("luma_mcp.oauth.keys.PATIENCE_SECONDS", 0)
    answers = {CREDITS: JSONResponse(ALIVE)}
    async with (
        serving(Upstream(answers)) as luma,
        open_site(
            sandbox=False, dream_machine_url=luma, agents_url=luma, upstream_timeout_seconds=300
        ) as site,
        site.visitor() as http,
    ):
        ada = await sign_in(http, site.endpoint)
        answers[CREDITS] = Never()
        refreshed = await refresh(http, ada.server, ada.app, ada.refresh_token)
        assert refreshed.status_code == 200


class Never(JSONResponse):
    """An answer that does not come."""

    def __init__(self) -> None:
        super().__init__({})

    async def __call__(self, *_: object) -> None:
        await asyncio.Event().wait()


async def test_twenty_users_never_meet(site: Site, http: httpx.AsyncClient) -> None:
    server = await discover(http, site.endpoint)
    app = await registered(http, server)

    async def one(number: int) -> None:
        key = f"luma-user-{number}"
        async with site.visitor() as own:
            signed_in = await sign_in(own, site.endpoint, app, dream_machine_key=key)
            token = signed_in.access_token
            for _ in range(3):
                tokens = await refresh(own, server, app, signed_in.refresh_token)
                for one in (token, tokens.json()["access_token"]):
                    claims = site.tokens().read("access", one)
                    assert claims is not None
                    assert Grant.of(claims).credentials == Credentials(ApiKey(key))
                    assert await works(own, site, one)

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(one(number))
