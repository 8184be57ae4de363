"""How often one address may ask, and what happens while the shared memory is away."""

import httpx
import pytest

from luma_mcp.limiting import WINDOW_SECONDS
from luma_mcp.oauth.limits import PER_MINUTE
from tests.e2e.sign_in import (
    PATH,
    authorize_url,
    call,
    consent,
    discover,
    exchange,
    new_pkce,
    registered,
    sign_in,
)
from tests.oauth.conftest import Site, an_address, error_of, open_site
from tests.servers import bound_socket


async def ask(http: httpx.AsyncClient, name: str, **headers: str) -> httpx.Response:
    """Ask an endpoint for nothing that it would give."""
    return await http.post(f"/oauth/{name}", data={"client_id": "x"}, headers=headers)


@pytest.mark.parametrize("name", list(PER_MINUTE))
async def test_an_address_that_asks_too_often_is_told_when_to_come_back(
    site: Site, name: str
) -> None:
    address = an_address()
    async with site.visitor(address) as http, site.visitor() as other:
        for _ in range(PER_MINUTE[name]):
            assert (await ask(http, name)).status_code in {400, 401}
        refused = await ask(http, name, **{"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=x"})
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= WINDOW_SECONDS
        assert refused.headers["cache-control"] == "no-store"
        if name in {"register", "token", "revoke"}:
            assert error_of(refused) == (429, "temporarily_unavailable")
        else:
            assert "default-src 'none'" in refused.headers["content-security-policy"]
        assert (await ask(other, name)).status_code in {400, 401}
        # What is counted is counted by endpoint, and calls of tools have limits of their own.
        assert (await http.get("/healthz")).status_code == 200
        assert (await call(http, PATH, "luma-ada")).status_code == 200
        another = next(one for one in PER_MINUTE if one != name)
        assert (await ask(http, another)).status_code in {400, 401}


async def test_reading_a_page_and_answering_it_count_together(site: Site) -> None:
    async with site.visitor() as http:
        for _ in range(PER_MINUTE["connect"] // 2):
            assert (await http.get("/oauth/connect")).status_code == 400
            assert (await http.post("/oauth/connect")).status_code == 400
        assert (await http.get("/oauth/connect")).status_code == 429
        assert (await http.head("/oauth/connect")).status_code == 429
        assert (await http.post("/oauth/connect")).status_code == 429


async def test_all_addresses_of_a_network_of_ipv6_count_as_one(site: Site) -> None:
    for number in range(PER_MINUTE["register"]):
        async with site.visitor(f"2001:db8:1:2:{number:x}::1") as http:
            assert (await ask(http, "register")).status_code == 400
    for address, status in (("2001:db8:1:2:ffff::", 429), ("2001:db8:1:3::1", 400)):
        async with site.visitor(address) as http:
            assert (await ask(http, "register")).status_code == status


async def test_without_the_shared_memory_limits_go_on_and_codes_are_not_taken() -> None:
    """Without it nobody knows whether a code was used already."""
    with bound_socket() as nobody:
        redis = f"redis://127.0.0.1:{nobody.getsockname()[1]}"
        async with open_site(redis_url=redis) as dead, dead.visitor() as http:
            server = await discover(http, dead.endpoint)
            app, pkce = await registered(http, server), new_pkce()
            onward = await consent(
                http, authorize_url(server, app, pkce), dream_machine_key="luma-ada"
            )
            code = httpx.URL(onward).params["code"]
            taken = await exchange(http, server, app, code, pkce.verifier)
            assert error_of(taken) == (503, "temporarily_unavailable")
            most = PER_MINUTE["register"]
            asked = [(await ask(http, "register")).status_code for _ in range(most)]
            assert asked == [400] * (most - 1) + [429]


async def test_without_the_shared_memory_tokens_are_not_taken_and_keys_work(site: Site) -> None:
    with bound_socket() as nobody:
        redis = f"redis://127.0.0.1:{nobody.getsockname()[1]}"
        async with site.visitor() as http:
            access = (await sign_in(http, site.endpoint)).access_token
        async with open_site(redis_url=redis) as dead, dead.visitor() as http:
            claims = site.tokens().read("access", access)
            assert claims is not None
            token = dead.tokens().make("access", claims)
            for path in ("/mcp", PATH):
                refused = await call(http, path, token)
                assert refused.status_code == 503
                assert refused.json()["code"] == "unavailable"
                assert "www-authenticate" not in refused.headers
                assert (await call(http, path, "luma-ada")).status_code == 200
                assert (await call(http, path, "lmcp_access_x")).status_code == 401
            for path in ("/healthz", "/readyz", "/"):
                assert (await http.get(path)).status_code == 200
            for path in ("authorization-server/oauth", f"protected-resource{PATH}"):
                assert (await http.get(f"/.well-known/oauth-{path}")).status_code == 200
