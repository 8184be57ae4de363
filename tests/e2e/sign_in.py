"""A small OAuth client over httpx, and the way through the sign-in's pages without a browser.

Every step can be taken by itself. What it sends can be replaced by name, or left out with None.
"""

import asyncio
import base64
import hashlib
import re
import secrets
import ssl
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from ipaddress import ip_address
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.e2e.processes import Running, serving_process
from tests.servers import bound_socket, misbehaving, serving, url_of

SECRET_KEY = "a-secret-of-these-tests-of-enough-characters"
REDIRECT = "http://127.0.0.1:7777/callback"
STATE = "state-5ec2e7aa"
PATH = "/oauth/mcp"
SECRET_METHODS = ("client_secret_post", "client_secret_basic")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
RESOURCE_METADATA = re.compile(r'resource_metadata="([^"]+)"')
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "get_credits", "arguments": {}},
}
ACCEPT = {"Accept": "application/json, text/event-stream"}
# An address of nobody's that is no private one; a proxy of the test answers in its place.
DOCUMENTS = "https://93.184.216.34"

Json = dict[str, Any]


def _given(usual: Mapping[str, Any], changes: Mapping[str, Any]) -> Json:
    """Replace what is given, and leave out what is None."""
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


# --- Finding the server ------------------------------------------------------------------------


class Led(httpx.AsyncHTTPTransport):
    """Leads requests to servers in turn, whatever address they name; their Host header stays."""

    def __init__(self, *urls: str) -> None:
        super().__init__()
        self._urls: Iterator[httpx.URL] = cycle(map(httpx.URL, urls))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        to = next(self._urls)
        url = request.url.copy_with(scheme=to.scheme, host=to.host, port=to.port)
        led = httpx.Request(
            request.method,
            url,
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        return await super().handle_async_request(led)


def visitor(*urls: str) -> httpx.AsyncClient:
    """Open a client with cookies of its own; it asks these servers in turn, if any are named."""
    return httpx.AsyncClient(timeout=60, transport=Led(*urls) if urls else None)


@asynccontextmanager
async def public_process(
    public_url: str | None = None, **variables: str
) -> AsyncGenerator[tuple[Running, str]]:
    """Run the server as a process with its sandbox; gives it, and where it listens itself.

    Without another public URL its own address is the public one.
    """
    # As long as we hold the port without listening, nobody but who names it gets it.
    with bound_socket() as held:
        own_url = url_of(held)
        variables = {
            "LUMA_MCP_SECRET_KEY": SECRET_KEY,
            "LUMA_MCP_PUBLIC_URL": public_url or own_url,
            **variables,
        }
        port = urlsplit(own_url).port or 0
        async with serving_process("--sandbox", port=port, **variables) as running:
            yield running, own_url


class Server(NamedTuple):
    """What a client has found out about the server that refused it."""

    resource: str
    metadata: Json

    @property
    def issuer(self) -> str:
        return self.metadata["issuer"]


def metadata_url(issuer: str) -> str:
    """Say where an authorization server describes itself (RFC 8414 section 3.1)."""
    parts = urlsplit(issuer)
    path = f"/.well-known/oauth-authorization-server{parts.path}"
    return parts._replace(path=path).geturl()


async def call(
    http: httpx.AsyncClient, endpoint: str, token: str | None = None, **headers: str
) -> httpx.Response:
    """Call a tool that needs a key for Dream Machine, with a token if there is one."""
    bearer = {"Authorization": f"Bearer {token}"} if token else {}
    return await http.post(endpoint, json=CALL, headers={**ACCEPT, **bearer, **headers})


async def discover(http: httpx.AsyncClient, endpoint: str) -> Server:
    """Go from the 401 over the resource's metadata to those of its authorization server."""
    refused = await call(http, endpoint)
    assert refused.status_code == 401, refused.text
    found = RESOURCE_METADATA.search(refused.headers["WWW-Authenticate"])
    assert found, refused.headers["WWW-Authenticate"]
    resource = (await http.get(found[1])).raise_for_status().json()
    (issuer,) = resource["authorization_servers"]
    metadata = (await http.get(metadata_url(issuer))).raise_for_status().json()
    assert (resource["resource"], metadata["issuer"]) == (endpoint, issuer)
    return Server(endpoint, metadata)


# --- Being a client ----------------------------------------------------------------------------


@dataclass(frozen=True)
class App:
    """A client of OAuth, as it knows itself."""

    id: str
    method: str = "none"
    secret: str | None = field(default=None, repr=False)
    key: ECKey | None = field(default=None, repr=False)
    redirect_uri: str = REDIRECT

    def proof(self, audience: str) -> tuple[Json, httpx.Auth | None]:
        """Give the fields, and the header, that prove who it is."""
        if self.method == "client_secret_basic":
            return {}, httpx.BasicAuth(quote(self.id, safe=""), quote(self.secret or "", safe=""))
        fields = {"client_id": self.id}
        if self.method == "client_secret_post":
            fields["client_secret"] = self.secret or ""
        if self.method == "private_key_jwt":
            fields["client_assertion_type"] = ASSERTION_TYPE
            fields["client_assertion"] = self.assertion(audience)
        return fields, None

    def assertion(self, audience: str, **changes: object) -> str:
        """Sign who it is, for this audience and the next minute (RFC 7523)."""
        assert self.key is not None
        now = int(time.time())
        usual = {
            "iss": self.id,
            "sub": self.id,
            "aud": audience,
            "iat": now,
            "exp": now + 60,
            "jti": secrets.token_hex(8),
        }
        header = {"alg": "ES256", "kid": self.key.kid}
        return jwt.encode(header, _given(usual, changes), self.key, algorithms=["ES256"])


async def register(http: httpx.AsyncClient, server: Server, **changes: object) -> httpx.Response:
    """Ask to be registered (RFC 7591)."""
    usual = {
        "client_name": "Client of a test",
        "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
    }
    return await http.post(server.metadata["registration_endpoint"], json=_given(usual, changes))


async def registered(http: httpx.AsyncClient, server: Server, **changes: object) -> App:
    """Become a client by registration."""
    answer = await register(http, server, **changes)
    assert answer.status_code == 201, answer.text
    client = answer.json()
    return App(
        client["client_id"],
        client["token_endpoint_auth_method"],
        client.get("client_secret"),
        redirect_uri=client["redirect_uris"][0],
    )


def _certificate(address: str) -> bytes:
    """Make a key and a certificate, signed by itself, for one address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "A test")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), False)  # noqa: FBT003 - not critical
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def document_app(path: str = "/client.json", key: ECKey | None = None) -> App:
    """Be a client that a document describes, with a key of its own or as a public one."""
    return App(DOCUMENTS + path, "private_key_jwt" if key else "none", key=key)


def document_of(app: App, **changes: object) -> Json:
    """Describe a client as its metadata document does."""
    usual = {
        "client_id": app.id,
        "client_name": "Client of a document",
        "redirect_uris": [app.redirect_uri],
        "token_endpoint_auth_method": app.method,
        "grant_types": ["authorization_code", "refresh_token"],
        "jwks": {"keys": [app.key.as_dict(private=False)]} if app.key else None,
    }
    return _given(usual, changes)


@dataclass(frozen=True)
class Documents:
    """The documents behind DOCUMENTS by their paths, what was asked, and how a server finds them.

    FastMCP fetches through a proxy that the environment names, and then still sees to it that the
    address is a public one. With FASTMCP_SSRF_TRUST_PROXY it would not look at SSL_CERT_FILE.
    """

    by_path: dict[str, Json]
    asked: list[str]
    variables: dict[str, str]


@asynccontextmanager
async def publishing(folder: Path, *apps: App, **changes: object) -> AsyncGenerator[Documents]:
    """Publish the documents of these clients at a proxy that is the whole internet at once."""
    pem = folder / "documents.pem"
    pem.write_bytes(_certificate(urlsplit(DOCUMENTS).hostname or ""))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    by_path = {urlsplit(app.id).path: document_of(app, **changes) for app in apps}
    asked: list[str] = []

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connect = await reader.readuntil(b"\r\n\r\n")
        asked.append(connect.split(b"\r\n")[0].decode())
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await writer.start_tls(context)
        get = await reader.readuntil(b"\r\n\r\n")
        path = get.split()[1].decode()
        asked.append(path)
        answer = Response(status_code=404)
        if path in by_path:
            answer = JSONResponse(by_path[path])
        head = b"".join(b"%s: %s\r\n" % pair for pair in answer.raw_headers)
        writer.write(b"HTTP/1.1 %d -\r\n%s\r\n%s" % (answer.status_code, head, answer.body))
        await writer.drain()
        writer.close()

    async with misbehaving(conversation) as proxy:
        variables = {"HTTPS_PROXY": proxy, "SSL_CERT_FILE": str(pem), "NO_PROXY": ""}
        yield Documents(by_path, asked, variables)


# --- The browser's part ------------------------------------------------------------------------


class Callback:
    """Where a client waits for the browser to come back."""

    def __init__(self) -> None:
        self.url = ""
        self._heard: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def hear(self, request: Request) -> Response:
        self._heard.put_nowait(dict(request.query_params))
        return PlainTextResponse("You are back.")

    async def heard(self) -> dict[str, str]:
        """Give the parameters that the browser brought."""
        return await self._heard.get()


@asynccontextmanager
async def listening() -> AsyncGenerator[Callback]:
    """Listen on loopback for the browser."""
    callback = Callback()
    async with serving(Starlette(routes=[Route("/callback", callback.hear)])) as url:
        callback.url = f"{url}/callback"
        yield callback


class Pkce(NamedTuple):
    """A secret of one sign-in and its hash (RFC 7636)."""

    verifier: str
    challenge: str


def new_pkce() -> Pkce:
    verifier = secrets.token_urlsafe(32)
    digest = hashlib.sha256(verifier.encode()).digest()
    return Pkce(verifier, base64.urlsafe_b64encode(digest).decode().rstrip("="))


def authorize_url(server: Server, app: App, pkce: Pkce, **changes: str | None) -> str:
    """Say where the browser is to begin."""
    usual = {
        "response_type": "code",
        "client_id": app.id,
        "redirect_uri": app.redirect_uri,
        "state": STATE,
        "code_challenge": pkce.challenge,
        "code_challenge_method": "S256",
        "resource": server.resource,
        "scope": "luma",
    }
    return f"{server.metadata['authorization_endpoint']}?{urlencode(_given(usual, changes))}"


class Page(HTMLParser):
    """What a page says to a browser without scripts.

    Attributes:
        fields: The form's hidden fields, and others that hold a value already.
        action: Where the form goes; None without a form.
        onward: Where the page itself goes on to.
        links: Where its links lead.
        texts: The text of each element that has an id.
    """

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.answer = answer
        self.fields: dict[str, str] = {}
        self.action: str | None = None
        self.onward: str | None = None
        self.links: list[str] = []
        self.texts: dict[str, str] = {}
        self._open: list[tuple[str, str | None]] = []
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag not in {"input", "meta", "link", "br", "img"}:
            self._open.append((tag, values.get("id")))
        if tag == "form":
            self.action = urljoin(str(self.answer.url), values.get("action", ""))
        elif tag == "input" and values.get("value") and values.get("type") != "checkbox":
            self.fields[values["name"]] = values["value"]
        elif tag == "a":
            self.links.append(values.get("href", ""))
        elif tag == "meta" and values.get("http-equiv") == "refresh":
            self.onward = values["content"].partition("url=")[2]

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for _, name in self._open:
            if name:
                self.texts[name] = self.texts.get(name, "") + data

    @property
    def answer_to_client(self) -> dict[str, str]:
        """The parameters that the page brings back to the client."""
        assert self.onward, self.answer.text
        return dict(parse_qsl(urlsplit(self.onward).query))


async def open_page(browser: httpx.AsyncClient, url: str) -> Page:
    """Open the client's authorize URL, up to the page that asks for a key."""
    answer = await browser.get(url)
    assert answer.is_redirect, answer.text
    return Page(await browser.get(urljoin(url, answer.headers["Location"])))


async def submit(browser: httpx.AsyncClient, page: Page, **changes: str | None) -> Page:
    """Fill the form and send it: a key, `read_only`, or `action="cancel"`."""
    assert page.action, page.answer.text
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(page.action))
    usual = {"action": "connect", "dream_machine_key": "", "agents_key": "", **page.fields}
    data = _given(usual, changes)
    return Page(await browser.post(page.action, data=data, headers={"Origin": origin}))


async def consent(browser: httpx.AsyncClient, url: str, **changes: str | None) -> str:
    """Walk from the authorize URL to the end of the pages; gives where they lead."""
    page = await submit(browser, await open_page(browser, url), **changes)
    assert page.onward, page.answer.text
    return page.onward


# --- Tokens ------------------------------------------------------------------------------------


async def _post_as(
    app: App, http: httpx.AsyncClient, server: Server, endpoint: str, fields: Json
) -> httpx.Response:
    own_fields, auth = app.proof(server.metadata["token_endpoint"])
    data = _given(own_fields, fields)
    return await http.post(server.metadata[endpoint], data=data, auth=auth)


async def exchange(
    http: httpx.AsyncClient, server: Server, app: App, code: str, verifier: str, **changes: object
) -> httpx.Response:
    """Exchange a code for tokens."""
    usual = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": verifier,
        "redirect_uri": app.redirect_uri,
        "resource": server.resource,
    }
    return await _post_as(app, http, server, "token_endpoint", {**usual, **changes})


async def refresh(
    http: httpx.AsyncClient, server: Server, app: App, refresh_token: str, **changes: object
) -> httpx.Response:
    """Exchange a refresh token for new tokens."""
    usual = {
        "grant_type": "refresh_token",
        "refresh_token": refresh_token,
        "resource": server.resource,
    }
    return await _post_as(app, http, server, "token_endpoint", {**usual, **changes})


async def revoke(
    http: httpx.AsyncClient, server: Server, app: App, token: str, **changes: object
) -> httpx.Response:
    """End the sign-in that a token belongs to (RFC 7009)."""
    return await _post_as(app, http, server, "revocation_endpoint", {"token": token, **changes})


class SignedIn(NamedTuple):
    """A client that has got its tokens, and what it needed for that."""

    server: Server
    app: App
    pkce: Pkce
    code: str
    tokens: Json

    @property
    def access_token(self) -> str:
        return self.tokens["access_token"]

    @property
    def refresh_token(self) -> str:
        return self.tokens["refresh_token"]


async def sign_in(
    http: httpx.AsyncClient,
    endpoint: str,
    app: App | None = None,
    browser: httpx.AsyncClient | None = None,
    **changes: str | None,
) -> SignedIn:
    """Walk all the way: `changes` are what the person fills in, by default one key.

    Args:
        http: What the client asks with.
        endpoint: The server's, which refuses at first.
        app: The client, which is registered if there is none.
        browser: The person's, if it is not the client's own.
        changes: Fields of the form.
    """
    server = await discover(http, endpoint)
    app = app or await registered(http, server)
    pkce = new_pkce()
    fields = {"dream_machine_key": "luma-ada", **changes}
    onward = await consent(browser or http, authorize_url(server, app, pkce), **fields)
    back = dict(parse_qsl(urlsplit(onward).query))
    assert (back["state"], back["iss"]) == (STATE, server.issuer)
    answer = await exchange(http, server, app, back["code"], pkce.verifier)
    assert answer.status_code == 200, answer.text
    return SignedIn(server, app, pkce, back["code"], answer.json())
