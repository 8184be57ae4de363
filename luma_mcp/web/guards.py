"""What every request passes first: headers and addresses made plain, Host and Origin checked."""

import re

from fastmcp.server.http import HostOriginGuardMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luma_mcp.errors import RefusedByPolicy
from luma_mcp.origins import plain_address
from luma_mcp.settings import SANDBOX_PATH, Settings, variable_name
from luma_mcp.web.refusals import refusal

_BLANKS = b" \t"
_HOST = re.compile(rb"([^\s\[\]:@/]*|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")
FORBIDDEN, MISDIRECTED = 403, 421
MAX_ADMITTED = 1_000  # hosts may be admitted on any port
PROBED = frozenset({"/healthz", "/readyz"})
_LITERAL = re.compile(rb"\[(?P<address>[0-9A-Fa-f:.]+)\](?P<port>:\d{1,5})?")

_Grounds = tuple[object, ...]


class TrimmedHeaders:
    """Strip blanks around header values (RFC 9110 section 5.5); httptools leaves them on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Copy the headers only where one needs it."""
        headers = scope.get("headers", [])
        if any(value != value.strip(_BLANKS) for _, value in headers):
            trimmed = [(name, value.strip(_BLANKS)) for name, value in headers]
            scope = {**scope, "headers": trimmed}
        await self._app(scope, receive, send)


class PlainAddresses:
    """Write addresses of IPv4 as such which the socket sees as those of IPv6 (::ffff:10.0.0.1).

    A socket that listens on `::` serves both. Whoever compares an address then, as the guard does
    and the limits do, sees one way to write it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Change only what came over IPv6, or says so."""
        ends = {end: scope[end] for end in ("client", "server") if scope.get(end)}
        if any(":" in host for host, *_ in ends.values()):
            plain = {end: (plain_address(host), *port) for end, (host, *port) in ends.items()}
            headers = [
                (name, _plain_host(value) if name == b"host" else value)
                for name, value in scope["headers"]
            ]
            scope = {**scope, **plain, "headers": headers}
        await self._app(scope, receive, send)


def _plain_host(host: bytes) -> bytes:
    found = _LITERAL.fullmatch(host)
    address = found["address"].decode() if found else ""
    plain = plain_address(address)
    return plain.encode() + (found["port"] or b"") if found and plain != address else host


class HostOriginGuard:
    """FastMCP's Host and Origin guard on every route, with advice in what it refuses.

    Without it, a web page whose name resolves to this machine could use the server from its
    visitor's browser (DNS rebinding). What it admitted once it is not asked again: its verdict
    needs nothing else than what is remembered of a request here.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        async def admitted(scope: Scope, receive: Receive, send: Send) -> None:
            if len(self.admitted) < MAX_ADMITTED:
                self.admitted.add(_grounds(scope))
            await app(scope, receive, send.wrapped if isinstance(send, _Explained) else send)

        self._app = app
        self.admitted: set[_Grounds] = set()
        self._guard = HostOriginGuardMiddleware(
            admitted,
            allowed_hosts=settings.own_hosts,
            allowed_origins=settings.own_origins,
            mode="strict",
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request; what the guard itself sends is explained, the rest untouched."""
        if scope["type"] == "websocket":  # there are none here, and the guard lets them pass
            await send({"type": "websocket.close", "code": 1008})
            return
        if _is_probe(scope):
            await self._app(scope, receive, send)
            return
        if _is_for_everybody(scope):
            # Pages in a sandboxed frame ask for media with "Origin: null".
            others = [pair for pair in scope["headers"] if pair[0] != b"origin"]
            scope = {**scope, "headers": others}
        if scope["type"] != "http" or _grounds(scope) in self.admitted:
            await self._app(scope, receive, send)
            return
        explained = _Explained(scope, receive, send)
        if status := _status_of_refusal(scope):
            await explained({"type": "http.response.start", "status": status})
            return
        await self._guard(scope, receive, explained)


def _is_probe(scope: Scope) -> bool:
    """Tell whether something asks how the process is, at whatever address the process has there.

    No page can read the answer: a page of another site sends its Origin, or is not let.
    """
    if scope["type"] != "http" or scope["path"] not in PROBED:
        return False
    has_origin = any(name == b"origin" for name, _ in scope["headers"])
    return scope["method"] in {"GET", "HEAD"} and not has_origin


def _is_for_everybody(scope: Scope) -> bool:
    """Tell whether something is asked for that any page may show: the sandbox's media."""
    is_reading = scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}
    return is_reading and scope["path"].startswith(f"{SANDBOX_PATH}/media/")


def _grounds(scope: Scope) -> _Grounds:
    """Give all that a verdict rests on, besides the settings."""
    named = tuple(pair for pair in scope["headers"] if pair[0] in {b"host", b"origin"})
    return tuple(scope.get("server") or ()), scope.get("scheme"), named


def _status_of_refusal(scope: Scope) -> int | None:
    """Give one unless there is one Host, of one meaning, and at most one Origin."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1 or _HOST.fullmatch(hosts[0]) is None:
        return MISDIRECTED
    origins = [value for name, value in scope["headers"] if name == b"origin"]
    return FORBIDDEN if len(origins) > 1 else None


class _Explained:
    """Replaces the guard's two bare refusals by ones that say what to do."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self.wrapped = send

    async def __call__(self, message: Message) -> None:
        if message["type"] != "http.response.start":
            return
        status = message["status"]
        host = status == MISDIRECTED  # the other is FORBIDDEN
        error = RefusedByPolicy(
            f"This server does not answer to this {'Host' if host else 'Origin'}.",
            advice="The operator can add it to "
            f"{variable_name('allowed_hosts' if host else 'allowed_origins')}.",
        )
        await refusal(error, status)(self._scope, self._receive, self.wrapped)
