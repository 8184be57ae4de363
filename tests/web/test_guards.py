"""What every request passes first."""

import asyncio

import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luma_mcp.settings import load_settings
from luma_mcp.web.app import build_app
from luma_mcp.web.guards import MAX_ADMITTED, PROBED, HostOriginGuard, PlainAddresses
from tests.servers import product
from tests.web.conftest import ACCEPT, PING

PATHS = ["/", "/mcp", "/healthz", "/readyz", "/sse", "/sandbox/", "/nowhere"]


@pytest.mark.parametrize("path", [path for path in PATHS if path not in PROBED])
async def test_a_foreign_host_is_misdirected_on_every_route_but_the_probed(
    browser: httpx.AsyncClient, path: str
) -> None:
    response = await browser.get(path, headers={"Host": "evil.example"})
    assert response.status_code == 421
    assert "LUMA_MCP_ALLOWED_HOSTS" in response.json()["advice"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
@pytest.mark.parametrize("path", PATHS)
async def test_a_foreign_origin_is_forbidden_on_every_route(
    browser: httpx.AsyncClient, path: str, origin: str
) -> None:
    response = await browser.get(path, headers={"Origin": origin})
    assert response.status_code == 403
    assert "LUMA_MCP_ALLOWED_ORIGINS" in response.json()["advice"]


@pytest.mark.parametrize("path", sorted(PROBED))
@pytest.mark.parametrize("name", ["10.1.2.3:8000", "luma-mcp-1", "evil.example", "[fe80::1]"])
async def test_a_probe_is_answered_whatever_it_calls_the_server(
    browser: httpx.AsyncClient, path: str, name: str
) -> None:
    named = {"Host": name}
    assert (await browser.get(path, headers=named)).status_code == 200
    assert (await browser.head(path, headers=named)).status_code == 200
    page = named | {"Origin": f"http://{name}"}
    assert (await browser.get(path, headers=page)).status_code == 421
    assert (await browser.post(path, headers=named)).status_code == 421


async def test_what_was_admitted_admits_nothing_else(browser: httpx.AsyncClient) -> None:
    own = f"127.0.0.1:{browser.base_url.port}"
    good = {"Origin": f"http://{own}"}
    for _ in range(2):
        assert (await browser.get("/")).status_code == 200
        assert (await browser.get("/", headers=good)).status_code == 200
        for bad, status in [
            ([("Origin", "https://evil.example")], 403),
            ([("Origin", good["Origin"]), ("Origin", "https://evil.example")], 403),
            ([("Host", "evil.example")], 421),
        ]:
            assert (await browser.get("/", headers=bad)).status_code == status


async def verdict(guard: ASGIApp, **request: object) -> int:
    """Ask the guard about a request; gives the status of the answer."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await guard({"type": "http", "method": "GET", "path": "/", **request}, anext, send)
    return sent[0]["status"]


async def admit(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200})


def host(name: str, origin: str | None = None) -> list[tuple[bytes, bytes]]:
    return [(b"host", name.encode()), *([(b"origin", origin.encode())] if origin else [])]


async def test_no_more_is_remembered_than_a_bound() -> None:
    guard = HostOriginGuard(admit, load_settings())
    for port in range(1, MAX_ADMITTED + 10):
        assert await verdict(guard, headers=host(f"localhost:{port}"), scheme="http") == 200
    assert len(guard.admitted) == MAX_ADMITTED
    assert await verdict(guard, headers=host("evil.example"), scheme="http") == 421


async def test_a_verdict_is_for_the_address_and_the_scheme_that_were_asked_for() -> None:
    guard = HostOriginGuard(admit, load_settings())
    inner, outer = ("10.0.0.5", 80), ("127.0.0.1", 80)
    own = {"headers": host("10.0.0.5"), "scheme": "http"}
    assert await verdict(guard, **own, server=inner) == 200
    assert await verdict(guard, **own, server=outer) == 421
    page = {"headers": host("10.0.0.5", "http://10.0.0.5"), "server": inner}
    assert await verdict(guard, **page, scheme="http") == 200
    assert await verdict(guard, **page, scheme="https") == 403


IPV6_SOCKET = ("::ffff:10.0.0.5", 80)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("10.0.0.5", 200),
        ("[::ffff:10.0.0.5]", 200),
        ("[::FFFF:A00:5]:80", 200),
        ("[::1]:80", 200),
        ("10.0.0.6", 421),
        ("[::ffff:10.0.0.6]", 421),
        ("[::ffff:10.0.0.5", 421),
        ("[::ffff:10.0.0.5]evil.example", 421),
        ("[fe80::1]", 421),
    ],
)
async def test_an_address_of_ipv4_is_the_same_over_a_socket_of_ipv6(name: str, status: int) -> None:
    guard = PlainAddresses(HostOriginGuard(admit, load_settings()))
    peer = {"client": ("::ffff:10.0.0.9", 4711), "server": IPV6_SOCKET}
    assert await verdict(guard, headers=host(name), scheme="http", **peer) == status


@pytest.mark.parametrize(
    ("client", "seen"),
    [
        (("::ffff:10.0.0.9", 4711), ("10.0.0.9", 4711)),
        (("2001:db8::1", 4711, 0, 0), ("2001:db8::1", 4711, 0, 0)),
        (None, None),
    ],
)
async def test_what_follows_sees_plain_addresses(client: object, seen: object) -> None:
    scopes: list[Scope] = []

    async def look(scope: Scope, _receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await admit(scope, _receive, send)

    peer = {"client": client, "server": IPV6_SOCKET, "headers": host("10.0.0.5")}
    assert await verdict(PlainAddresses(look), **peer) == 200
    assert (scopes[0]["client"], scopes[0]["server"]) == (seen, ("10.0.0.5", 80))


async def test_an_allowed_host_is_served() -> None:
    async with (
        product(allowed_hosts="luma.example.com") as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        response = await client.get("/", headers={"Host": "luma.example.com"})
    assert response.status_code == 200


def words_of(response: httpx.Response, header: str) -> set[str]:
    return {word.strip() for word in response.headers[header].split(",")}


async def test_a_page_of_an_allowed_origin_may_call_and_read_the_answer() -> None:
    origin = "https://app.example.com"
    async with (
        product(allowed_origins=origin) as url,
        httpx.AsyncClient(base_url=url, headers={**ACCEPT, "Origin": origin}) as client,
    ):
        asked = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,mcp-param-x",
        }
        preflight = await client.options("/mcp", headers=asked)
        call = await client.post("/mcp", json=PING, headers={"X-API-Key": "luma-ada"})
        keyless = await client.post("/mcp", json=PING)
    assert preflight.status_code == 200
    assert "mcp-param-x" in preflight.headers["access-control-allow-headers"]
    assert words_of(preflight, "access-control-allow-methods") == {"GET", "POST", "DELETE"}
    for response, status in ((call, 200), (keyless, 401)):
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == origin
        exposed = words_of(response, "access-control-expose-headers")
        assert {"mcp-protocol-version", "www-authenticate"} <= exposed


async def test_no_origin_is_named_to_browsers_by_default(browser: httpx.AsyncClient) -> None:
    response = await browser.get("/healthz", headers={"Origin": str(browser.base_url)})
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers


async def test_blanks_around_header_values_do_no_harm(browser: httpx.AsyncClient) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
    reader, writer = await asyncio.open_connection("127.0.0.1", browser.base_url.port)
    head = (
        "POST /mcp HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{browser.base_url.port}\r\n"
        "X-API-Key:   luma-ada \t \r\n"
        "MCP-Protocol-Version: 2025-06-18  \r\n"
        "Content-Type: application/json \r\n"
        "Accept: application/json, text/event-stream \r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "hosts", [["[::1]evil.example"], ["localhost", "evil.example"], [], ["localhost:x"]]
)
async def test_a_host_that_can_be_read_in_two_ways_is_misdirected(
    browser: httpx.AsyncClient, hosts: list[str]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", browser.base_url.port)
    lines = "".join(f"Host: {host}\r\n" for host in hosts)
    writer.write(f"GET / HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith((b"HTTP/1.1 421", b"HTTP/1.1 400"))


async def test_there_are_no_websockets() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    app = build_app(load_settings())
    await app({"type": "websocket", "path": "/mcp", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_any_page_may_show_media_of_the_sandbox_and_do_nothing_else_with_them(
    browser: httpx.AsyncClient, origin: str
) -> None:
    there = "/sandbox/media/nothing.mp4"
    foreign = {"Origin": origin}
    assert (await browser.get(there, headers=foreign)).status_code == 404
    assert (await browser.head(there, headers=foreign)).status_code == 404
    assert (await browser.post(there, headers=foreign)).status_code == 403
    misdirected = {**foreign, "Host": "evil.example"}
    assert (await browser.get(there, headers=misdirected)).status_code == 421
    assert (await browser.get("/sandbox/media", headers=foreign)).status_code == 403
