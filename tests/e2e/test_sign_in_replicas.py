"""Sign-ins over several processes of one server, and what these write down about them."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
from redis.asyncio import Redis

from tests.e2e.processes import UNTRACED
from tests.e2e.sign_in import (
    PATH,
    SECRET_KEY,
    SignedIn,
    authorize_url,
    call,
    discover,
    exchange,
    new_pkce,
    open_page,
    public_process,
    refresh,
    registered,
    revoke,
    sign_in,
    submit,
    visitor,
)
from tests.engines import redis_server
from tests.servers import product

PUBLIC = "http://127.0.0.1:7778"
ENDPOINT = PUBLIC + PATH
KEY, AGENTS_KEY = "luma-5ec2e7aa-b077", "luma-api-5ec2e7aa-b077"
WRONG_KEY = "luma-api-revoked-5ec2e7aa-b077"
# What a process shares about sign-ins, and how often somebody may ask.
NAME = re.compile(r"luma-mcp:(highest:[0-9a-f]{64}|\{[a-z_]+/[0-9a-f]{64}/[0-9]+/1/minute\}(/-1)?)")
BOTH = {"dream_machine_key": KEY, "agents_key": AGENTS_KEY}


@asynccontextmanager
async def replicas(redis_url: str | None = None) -> AsyncGenerator[tuple[str, str]]:
    """Serve one public server from this process and another; gives where each listens."""
    options = {"redis_url": redis_url} if redis_url else {}
    variables = {"LUMA_MCP_REDIS_URL": redis_url} if redis_url else {}
    async with (
        product(public_url=PUBLIC, secret_key=SECRET_KEY, **options) as first,
        public_process(PUBLIC, **variables, **UNTRACED) as (_, second),
    ):
        yield first, second


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("error", "")


async def test_a_sign_in_may_go_to_another_process_at_every_step() -> None:
    async with replicas() as urls:
        for order in (urls, urls[::-1]):
            async with visitor(*order) as http:
                signed_in = await sign_in(http, ENDPOINT, **BOTH)
                renewed = await refresh(
                    http, signed_in.server, signed_in.app, signed_in.refresh_token
                )
                assert renewed.status_code == 200, renewed.text
                for token in (signed_in.access_token, renewed.json()["access_token"]):
                    for _ in urls:
                        assert (await call(http, ENDPOINT, token)).status_code == 200


async def test_what_one_process_has_seen_no_other_takes_again() -> None:
    async with (
        redis_server() as engine,
        replicas(engine) as (first, second),
        visitor(first) as one,
        visitor(second) as other,
    ):
        used = await sign_in(one, ENDPOINT, **BOTH)
        assert (await call(other, ENDPOINT, used.access_token)).status_code == 200
        again = await exchange(other, used.server, used.app, used.code, used.pkce.verifier)
        assert error_of(again) == (400, "invalid_grant")
        await _has_ended(used, one, other)

        revoked = await sign_in(one, ENDPOINT, used.app, **BOTH)
        assert (await call(other, ENDPOINT, revoked.access_token)).status_code == 200
        answer = await revoke(one, revoked.server, revoked.app, revoked.access_token)
        assert answer.status_code == 200
        await _has_ended(revoked, one, other)
        assert await _kept_in(engine)


async def _kept_in(engine: str) -> int:
    """Count what processes share: numbers under hashes, each for a time."""
    async with Redis.from_url(engine, decode_responses=True) as shared:
        names = [name async for name in shared.scan_iter()]
        for name in names:
            assert NAME.fullmatch(name), name
            assert re.fullmatch("[0-9]{1,16}", await shared.get(name))
            assert await shared.ttl(name) > 0
    return len(names)


async def _has_ended(signed_in: SignedIn, *processes: httpx.AsyncClient) -> None:
    for http in processes:
        refused = await call(http, ENDPOINT, signed_in.access_token)
        assert refused.status_code == 401
        assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
        renewed = await refresh(http, signed_in.server, signed_in.app, signed_in.refresh_token)
        assert error_of(renewed) == (400, "invalid_grant")


async def test_behind_a_proxy_that_ends_tls_the_cookie_is_the_servers_alone() -> None:
    public_url = "https://luma.example.com"
    async with (
        product(public_url=public_url, secret_key=SECRET_KEY) as url,
        visitor(url) as http,
    ):
        signed_in = await sign_in(http, public_url + PATH)
        answer = await call(http, public_url + PATH, signed_in.access_token)
        (cookie,) = http.cookies.jar
    assert answer.status_code == 200
    assert cookie.name.startswith("__Host-")  # browsers hold it to the three that follow
    assert (cookie.secure, cookie.path, cookie.domain_specified) == (True, "/", False)
    assert cookie.has_nonstandard_attr("HttpOnly")


async def test_nothing_secret_of_a_sign_in_is_logged() -> None:
    variables = {"LUMA_MCP_LOG_LEVEL": "debug", **UNTRACED}
    async with public_process(**variables) as (running, url), visitor() as http:
        secrets = await _all_that_can_happen(http, url + PATH)
        await running.stop()
        assert running.process.stdout is not None
        written = "".join(running.log) + (await running.process.stdout.read()).decode()
    assert "signed in" in written  # it was heard at all
    assert [name for name, secret in secrets.items() if secret in written] == []
    # Nor any part of a sealed token: what follows its beginning is nobody's but its own.
    assert [name for name, secret in secrets.items() if secret[-24:] in written] == []


async def _all_that_can_happen(http: httpx.AsyncClient, endpoint: str) -> dict[str, str]:
    """Walk all the way with every mistake on it; gives what must be kept secret."""
    server = await discover(http, endpoint)
    method = "client_secret_post"
    app = await registered(http, server, token_endpoint_auth_method=method)
    pkce = new_pkce()
    page = await open_page(http, authorize_url(server, app, pkce))
    refused = await submit(http, page, agents_key=WRONG_KEY)
    assert refused.answer.status_code == 422
    async with visitor() as stranger:
        for answer in (await stranger.get(page.answer.url), (await submit(stranger, page)).answer):
            assert answer.status_code in {400, 403}
    code = (await submit(http, refused, **BOTH)).answer_to_client["code"]
    for wrong in ({"code_verifier": pkce.verifier[::-1]}, {"redirect_uri": "http://127.0.0.1/x"}):
        assert (await exchange(http, server, app, code, pkce.verifier, **wrong)).is_client_error
    tokens = (await exchange(http, server, app, code, pkce.verifier)).json()
    assert (await call(http, endpoint, tokens["access_token"])).status_code == 200
    renewed = (await refresh(http, server, app, tokens["refresh_token"])).json()
    assert (await exchange(http, server, app, code, pkce.verifier)).is_client_error
    assert (await call(http, endpoint, renewed["access_token"])).status_code == 401
    assert (await revoke(http, server, app, renewed["refresh_token"])).status_code == 200
    assert (await refresh(http, server, app, renewed["refresh_token"])).is_client_error
    (cookie,) = http.cookies.jar
    assert cookie.value is not None
    assert app.secret is not None
    return {
        "the key": KEY,
        "the key for the Agents API": AGENTS_KEY,
        "the wrong key": WRONG_KEY,
        "the client": app.id,
        "its secret": app.secret,
        "the request": page.fields["request"],
        "the cookie": cookie.value,
        "the code": code,
        "the verifier": pkce.verifier,
        "the access token": tokens["access_token"],
        "the refresh token": tokens["refresh_token"],
        "the new access token": renewed["access_token"],
        "the new refresh token": renewed["refresh_token"],
    }
