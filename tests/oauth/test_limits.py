"""How often one address may ask, and what happens where nobody can count."""

import httpx
import pytest
from starlette.requests import Request

from luma_mcp.ledger import MAX_NAMES, MemoryLedger
from luma_mcp.oauth.limits import PER_MINUTE, WINDOW_SECONDS, address_of
from tests.e2e.sign_in import PATH, call, sign_in
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
        # What is counted is counted by endpoint, and calls of tools are not counted at all.
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


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:0:0:ffff:ffff:ffff:ffff", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a.socket", "a.socket"),
        ("", ""),
    ],
)
def test_callers_are_told_apart_by_address(host: str, counted: str) -> None:
    request = Request({"type": "http", "client": (host, 1), "headers": []})
    assert address_of(request) == counted


def test_a_caller_without_an_address_is_one_of_all_those() -> None:
    assert address_of(Request({"type": "http", "client": None, "headers": []})) == ""


async def test_a_flood_of_addresses_makes_nobody_forget_what_was_revoked() -> None:
    ledger = MemoryLedger(max_names=10)
    await ledger.advance("sign-in:x", 5, 60)
    for number in range(1_000):
        await ledger.count(f"register:{number}", 60)
    assert await ledger.highest("sign-in:x") == 5
    assert MAX_NAMES <= 1_000_000


async def test_without_the_shared_memory_sign_ins_stop_and_keys_work(site: Site) -> None:
    with bound_socket() as nobody:
        redis = f"redis://127.0.0.1:{nobody.getsockname()[1]}"
        async with site.visitor() as http:
            access = (await sign_in(http, site.endpoint)).access_token
        async with open_site(redis_url=redis) as dead, dead.visitor() as http:
            claims = site.tokens().read("access", access)
            assert claims is not None
            token = dead.tokens().make("access", claims)
            for name in ("register", "token", "revoke"):
                assert error_of(await ask(http, name)) == (503, "temporarily_unavailable")
            for name in ("authorize", "connect"):
                answer = await http.get(f"/oauth/{name}")
                assert answer.status_code == 503
                assert "out of order" in answer.text
                assert "redis" not in answer.text.lower()
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
