"""Clients that a document describes: what is fetched, from where, and what is made of it."""

import asyncio
import base64
import gzip
import hmac
import json
import socket
import ssl
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from luma_mcp.oauth.documents import MAX_FETCHES
from tests.clocks import settle
from tests.e2e.sign_in import (
    ASSERTION_TYPE,
    DOCUMENTS,
    REDIRECT,
    App,
    Documents,
    Server,
    authorize_url,
    call,
    discover,
    document_app,
    document_of,
    new_pkce,
    open_page,
    publishing,
    refresh,
    revoke,
    sign_in,
)
from tests.oauth.conftest import Site, error_of, open_site
from tests.servers import misbehaving

PUBLIC, PRIVATE = "93.184.216.34", "10.0.0.5"
KEY = ECKey.generate_key("P-256", auto_kid=True)
CLIENT = (401, "invalid_client")
_paths = count()

Json = dict[str, Any]


def an_app(key: ECKey | None = None) -> App:
    """Be a client whose document nobody has fetched yet: documents are kept for an hour."""
    return document_app(f"/client-{next(_paths)}.json", key)


@pytest.fixture(scope="module")
async def documents(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Documents]:
    async with publishing(tmp_path_factory.mktemp("documents")) as published:
        yield published


@pytest.fixture(autouse=True)
def _way_out(documents: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all that leaves this machine end at the documents of the test."""
    documents.asked.clear()
    for name, value in documents.variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def server(site: Site, http: httpx.AsyncClient) -> Server:
    return await discover(http, site.endpoint)


def publish(documents: Documents, app: App, **changes: object) -> App:
    documents.by_path[urlsplit(app.id).path] = document_of(app, **changes)
    return app


async def authorized(http: httpx.AsyncClient, server: Server, app: App) -> httpx.Response:
    return await http.get(authorize_url(server, app, new_pkce()))


def is_stopped(answer: httpx.Response) -> bool:
    """Tell whether the person sees a page that says nothing of how it came about."""
    text = answer.text.lower()
    assert "location" not in answer.headers
    assert not any(
        word in text
        for word in ("traceback", "cimd", "ssrf", "json", "127.0.0.1", "10.0.0.5", "dns", "error")
    )
    return answer.status_code == 400 and "This client is not known" in answer.text


async def test_a_document_lets_a_client_in_and_names_who_vouches(
    documents: Documents, http: httpx.AsyncClient, server: Server
) -> None:
    app = publish(documents, an_app())
    page = await open_page(http, authorize_url(server, app, new_pkce()))
    assert f"<code>{PUBLIC}</code> says" in page.answer.text
    signed_in = await sign_in(http, server.resource, app)
    assert (await call(http, server.resource, signed_in.access_token)).status_code == 200
    assert (await refresh(http, server, app, signed_in.refresh_token)).status_code == 200
    assert documents.asked.count(urlsplit(app.id).path) == 1


@pytest.mark.parametrize(
    "client_id",
    [
        "http://{host}/c.json",
        "https://{host}/",
        "https://{host}",
        "https://user@{host}/c.json",
        "https://user:password@{host}/c.json",
        "https://claude.ai@{host}/c.json",
        "https://{host}/c.json#fragment",
        "https://{host}/a/../c.json",
        "https://{host}/%2e%2e/c.json",
        "https://{host}:443/c.json",
        "HTTPS://{host}/c.json",
        "https:\\\\{host}\\c.json",
        "https://{host}/c d.json",
        "https://{host}/c\n.json",
        "https://\u0441laude.ai/c.json",
        "ftp://{host}/c.json",
        "file:///etc/passwd",
        "https:/c.json",
    ],
)
async def test_an_address_that_is_not_plain_is_not_even_fetched(
    documents: Documents, http: httpx.AsyncClient, server: Server, client_id: str
) -> None:
    app = App(client_id.format(host=PUBLIC))
    documents.by_path["/c.json"] = document_of(app)
    assert is_stopped(await authorized(http, server, app))
    assert documents.asked == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "localhost",
        "0.0.0.0",  # noqa: S104 - asked for, not bound
        "10.0.0.5",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fd00::1]",
        "[fd00:ec2::254]",
        "[::ffff:127.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[::127.0.0.1]",
        "127.0.0.1:8443",
        "[::1]:6379",
        "localhost:22",
    ],
)
async def test_nothing_within_this_network_is_fetched(
    documents: Documents, http: httpx.AsyncClient, server: Server, host: str
) -> None:
    app = App(f"https://{host}/c.json")
    documents.by_path["/c.json"] = document_of(app)
    assert is_stopped(await authorized(http, server, app))
    form = {"client_id": app.id, "grant_type": "refresh_token", "refresh_token": "x"}
    for path in ("token", "revoke"):
        assert error_of(await http.post(f"/oauth/{path}", data=form)) == CLIENT
    assert documents.asked == []


class Names:
    """What names mean, look by look; the last meaning stays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **meanings: list[list[str]]) -> None:
        self._meanings = {f"{name}.example": addresses for name, addresses in meanings.items()}
        self._really = socket.getaddrinfo
        self.looked_up: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: Any, port: Any, *others: Any, **more: Any) -> Any:  # noqa: ANN401
        looks = self._meanings.get(host)
        if looks is None:
            return self._really(host, port, *others, **more)
        self.looked_up.append(host)
        addresses = looks.pop(0) if len(looks) > 1 else looks[0]
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                (address, port),
            )
            for address in addresses
        ]


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], [PRIVATE], [PUBLIC, PRIVATE], ["::1"], ["169.254.169.254"], []],
)
async def test_a_name_that_means_this_network_is_not_fetched(
    documents: Documents,
    http: httpx.AsyncClient,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    addresses: list[str],
) -> None:
    names = Names(monkeypatch, inner=[addresses])
    app = App("https://inner.example/c.json")
    assert is_stopped(await authorized(http, server, app))
    assert names.looked_up == ["inner.example"]
    assert documents.asked == []


async def test_a_name_that_changes_its_meaning_leads_where_it_was_checked(
    documents: Documents,
    http: httpx.AsyncClient,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Names(monkeypatch, rebound=[[PUBLIC], [PRIVATE]])
    async with answering(documents, monkeypatch, b"") as heard:
        assert is_stopped(await authorized(http, server, App("https://rebound.example/c.json")))
    assert heard  # the certificate is for another name, so that nothing more was asked
    assert all(one.startswith(f"CONNECT {PUBLIC}:443 ".encode()) for one in heard)


@contextmanager
def slow_names(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Let look-ups of some names take until the end of the block, and fail then."""
    really, may_end = socket.getaddrinfo, threading.Event()

    def slow(host: Any, *others: Any, **more: Any) -> Any:  # noqa: ANN401
        if str(host).endswith(".slow.example"):
            may_end.wait()
            raise socket.gaierror("No such name.")
        return really(host, *others, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    try:
        yield
    finally:
        may_end.set()


def with_a_slow_name(number: int) -> App:
    return App(f"https://n{number}.slow.example/c.json")


async def test_names_that_take_their_time_leave_room_for_other_look_ups(
    site: Site, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All look-ups of a process, that of Luma's name too, share a few threads."""
    async with site.visitor() as http, asyncio.TaskGroup() as group:
        with slow_names(monkeypatch):
            asking = [
                group.create_task(authorized(http, server, with_a_slow_name(n))) for n in range(40)
            ]
            await settle()
            look_up = asyncio.get_running_loop().getaddrinfo("127.0.0.1", 1)
            await asyncio.wait_for(look_up, 5)
    assert {task.result().status_code for task in asking} <= {400, 503}


async def test_whoever_finds_no_room_is_told_to_come_back_and_who_is_known_needs_none(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("luma_mcp.oauth.documents.PATIENCE_SECONDS", 0)
    async with open_site() as site, site.visitor() as http, asyncio.TaskGroup() as group:
        server, known = await discover(http, site.endpoint), publish(documents, an_app())
        assert (await authorized(http, server, known)).status_code == 302
        with slow_names(monkeypatch):
            for number in range(MAX_FETCHES):
                group.create_task(authorized(http, server, with_a_slow_name(number)))
            await settle()
            answer = await authorized(http, server, with_a_slow_name(MAX_FETCHES))
            assert answer.status_code == 503
            assert "Try again in a minute" in answer.text
            form = {"grant_type": "refresh_token", "client_id": with_a_slow_name(99).id}
            answer = await http.post(server.metadata["token_endpoint"], data=form)
            assert error_of(answer) == (503, "temporarily_unavailable")
            assert (await authorized(http, server, known)).status_code == 302


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": DOCUMENTS + "/other.json"},
        {"client_id": "https://claude.ai/client.json"},
        {"client_id": None},
        {"client_id": 1},
        {"redirect_uris": []},
        {"redirect_uris": None},
        {"redirect_uris": REDIRECT},
        {"redirect_uris": [1]},
        {"redirect_uris": [""]},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": 1},
        {"client_name": ["Claude"]},
        {"client_name": "x" * 6_000},
        {"jwks_uri": "https://127.0.0.1/jwks.json"},
        {"jwks_uri": "https://[::1]:99999/"},
        {"jwks_uri": "http://evil.example/"},
        {"jwks": "x"},
    ],
)
async def test_a_document_that_is_none_is_not_believed(
    documents: Documents, http: httpx.AsyncClient, server: Server, changes: Json
) -> None:
    app = publish(documents, an_app(), **changes)
    assert is_stopped(await authorized(http, server, app))


@pytest.mark.parametrize(
    "uris",
    [
        ["https://evil.example/cb"],
        ["javascript://x/alert(1)"],
        ["http://127.0.0.1:7778/other"],
        ["https://claude.ai@evil.example/cb"],
        [f"{REDIRECT}/{number}" for number in range(20)],
        ["http://localhost:*/callback"],
    ],
)
async def test_a_document_allows_nothing_that_the_operator_does_not(
    documents: Documents, http: httpx.AsyncClient, server: Server, uris: list[str]
) -> None:
    app = publish(documents, an_app(), redirect_uris=uris)
    for uri in (uris[0], REDIRECT, None):
        answer = await http.get(authorize_url(server, app, new_pkce(), redirect_uri=uri))
        if urlsplit(uris[0]).hostname not in {"127.0.0.1", "localhost"}:
            assert answer.status_code == 400
        if answer.status_code == 302:
            assert answer.headers["location"].startswith(f"{server.issuer}/connect?")
            assert uri != REDIRECT


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "\u202eedualC", "", None, "Claude\nand more"]
)
async def test_a_name_in_a_document_is_no_more_than_text(
    documents: Documents, http: httpx.AsyncClient, server: Server, name: str | None
) -> None:
    app = publish(documents, an_app(), client_name=name)
    page = await open_page(http, authorize_url(server, app, new_pkce()))
    assert page.answer.status_code == 200
    assert "<script" not in page.answer.text
    assert "\u202e" not in page.answer.text


# --- Servers that misbehave ----------------------------------------------------------------------


@asynccontextmanager
async def answering(
    documents: Documents, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> AsyncGenerator[list[bytes]]:
    """Answer every fetch with these bytes; gives the requests."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(Path(documents.variables["SSL_CERT_FILE"]))
    heard: list[bytes] = []

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError, asyncio.IncompleteReadError):  # it may go at any time
            await writer.start_tls(context)
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
        writer.close()

    async with misbehaving(conversation) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        yield heard


def http_answer(body: bytes, *headers: str, status: int = 200) -> bytes:
    lines = [f"HTTP/1.1 {status} -", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


@pytest.mark.parametrize(
    "answer",
    [
        http_answer(b"", "Location: https://127.0.0.1/c.json", status=302),
        http_answer(b"", f"Location: {DOCUMENTS}/client.json", status=301),
        http_answer(b"{}", status=404),
        http_answer(b"{}", status=500),
        http_answer(b"", status=304),
        http_answer(b"x" * 6_000),
        http_answer(b"{}", "Content-Length: 999999999999"),
        http_answer(b"{}", "Content-Length: -1"),
        http_answer(b"{"),
        http_answer(b""),
        http_answer(b"null"),
        http_answer(b"[]"),
        http_answer(b"\xff\xfe\x00"),
        http_answer(b"[" * 5_000),
        http_answer(b'{"a":' * 1_000),
        http_answer(b'{"client_id": "\\ud800"}'),
        http_answer(b"not gzip", "Content-Encoding: gzip"),
        http_answer(b"{}", "Expires: nonsense", "Cache-Control: max-age=x"),
        b"HTTP/1.1 banana\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"",
    ],
)
async def test_a_document_that_cannot_be_had_is_a_client_that_is_not_known(
    documents: Documents,
    http: httpx.AsyncClient,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    answer: bytes,
) -> None:
    app = an_app()
    async with answering(documents, monkeypatch, answer) as heard:
        assert is_stopped(await authorized(http, server, app))
    fetches = [one for one in heard if one.startswith(b"GET ")]
    assert len(fetches) <= 2
    assert all(f" {PUBLIC}:443 ".encode() in one for one in heard if one.startswith(b"CONNECT"))
    assert b"cookie" not in b"".join(fetches).lower()
    assert b"authorization" not in b"".join(fetches).lower()


async def test_a_zip_bomb_is_not_unpacked(
    documents: Documents,
    http: httpx.AsyncClient,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) > 5_120
    small = gzip.compress(b" " * 4_000_000)
    assert len(small) < 5_120
    for body in (bomb, small):
        answer = http_answer(body, "Content-Encoding: gzip")
        async with answering(documents, monkeypatch, answer):
            assert is_stopped(await authorized(http, server, an_app()))


# --- private_key_jwt -----------------------------------------------------------------------------


async def proven(http: httpx.AsyncClient, server: Server, app: App, assertion: str) -> Any:  # noqa: ANN401
    """Try an assertion; 400 means that the client was believed, and the token was not."""
    form = {
        "client_id": app.id,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        "grant_type": "refresh_token",
        "refresh_token": "x",
    }
    answer = await http.post(server.metadata["token_endpoint"], data=form)
    return error_of(answer)


@pytest.fixture(scope="module")
async def signed_app(documents: Documents) -> App:
    return publish(documents, an_app(KEY))


async def test_a_client_signs_who_it_is(
    http: httpx.AsyncClient, server: Server, signed_app: App
) -> None:
    signed_in = await sign_in(http, server.resource, signed_app)
    refreshed = await refresh(http, server, signed_app, signed_in.refresh_token)
    assert refreshed.status_code == 200
    assert (await revoke(http, server, signed_app, signed_in.access_token)).status_code == 200
    assert (await call(http, server.resource, signed_in.access_token)).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://other.example/oauth/token"},
        {"aud": None},
        {"aud": ["https://other.example"]},
        {"iss": DOCUMENTS + "/other.json"},
        {"iss": None},
        {"sub": DOCUMENTS + "/other.json"},
        {"sub": None},
        {"exp": 1},
        {"exp": None},
        {"exp": 4_000_000_000},
        {"exp": "x"},
        {"exp": [1]},
        {"exp": float("inf")},
        {"iat": 4_000_000_000},
        {"iat": "x"},
        {"iat": [1]},
        {"jti": None},
        {"jti": ""},
        {"jti": ["x"]},
        {"jti": {"a": 1}},
    ],
)
async def test_an_assertion_is_right_in_all_that_it_says(
    http: httpx.AsyncClient, server: Server, signed_app: App, changes: Json
) -> None:
    endpoint = server.metadata["token_endpoint"]
    wrong = signed_app.assertion(endpoint, **changes)
    if None in changes.values():
        (name,) = changes
        assert f'"{name}"' not in json.dumps(jwt.decode(wrong, KEY).claims)
    assert await proven(http, server, signed_app, wrong) == CLIENT
    for audience in (endpoint, server.issuer):
        right = signed_app.assertion(audience)
        assert await proven(http, server, signed_app, right) == (400, "invalid_grant")


def _with_the_public_key_as_a_secret(assertion: str) -> str:
    head = json.dumps({"alg": "HS256", "kid": KEY.kid}).encode()
    text = f"{_base64(head)}.{assertion.split('.')[1]}"
    return f"{text}.{_base64(hmac.digest(KEY.as_pem(private=False), text.encode(), 'sha256'))}"


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


async def test_an_assertion_counts_once_and_only_with_the_clients_own_key(
    http: httpx.AsyncClient, server: Server, signed_app: App
) -> None:
    endpoint = server.metadata["token_endpoint"]
    right = signed_app.assertion(endpoint)
    assert await proven(http, server, signed_app, right) == (400, "invalid_grant")
    assert await proven(http, server, signed_app, right) == CLIENT
    claims = jwt.decode(signed_app.assertion(endpoint), KEY).claims
    other = ECKey.generate_key("P-256", auto_kid=True)
    by_others = [
        jwt.encode({"alg": "ES256", "kid": KEY.kid}, claims, other, algorithms=["ES256"]),
        jwt.encode({"alg": "ES256", "jwk": other.as_dict(private=False)}, claims, other),
        _with_the_public_key_as_a_secret(right),
        right.rpartition(".")[0] + ".",
        "eyJhbGciOiJub25lIn0." + right.split(".")[1] + ".",
        "",
        "x",
        "a.b.c",
        "W10.e30.eA",
    ]
    for assertion in by_others:
        assert await proven(http, server, signed_app, assertion) == CLIENT


@pytest.mark.parametrize(
    "changes",
    [
        {"jwks": {"keys": "abc"}},
        {"jwks": {"keys": [1]}},
        {"jwks": {"keys": 5}},
        {"jwks": {"keys": [{}]}},
        {"jwks": {"keys": []}},
        {"jwks": {}},
        {"jwks": None},
        {"jwks": {"keys": [{"kty": "oct", "k": "AAAA", "kid": KEY.kid}]}},
        {"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}},
        {"jwks": None, "jwks_uri": "https://127.0.0.1/jwks.json"},
    ],
)
async def test_keys_that_are_none_prove_nothing(
    documents: Documents, http: httpx.AsyncClient, server: Server, changes: Json
) -> None:
    app = publish(documents, an_app(KEY), **changes)
    assertion = app.assertion(server.metadata["token_endpoint"])
    assert await proven(http, server, app, assertion) == CLIENT


async def test_who_has_a_key_must_use_it(
    http: httpx.AsyncClient, server: Server, signed_app: App
) -> None:
    form = {"client_id": signed_app.id, "grant_type": "refresh_token", "refresh_token": "x"}
    for extra in (
        {},
        {"client_secret": "x"},
        {"client_assertion": signed_app.assertion(server.metadata["token_endpoint"])},
        {"client_assertion_type": ASSERTION_TYPE},
    ):
        assert error_of(await http.post("/oauth/token", data=form | extra)) == CLIENT
