"""Who calls over HTTP: the key is read from the headers of this request, and goes no further.

Behind the gate the headers hold a hash. The key itself travels only in `CallerToken.access`,
which is neither printed nor dumped.
"""

from collections.abc import Iterable
from typing import Any

from fastmcp.server.auth import TokenVerifier
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from starlette.authentication import AuthCredentials
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from luma_mcp.credentials import AGENTS_KEY_HEADER, KEY_HEADERS, credentials_from_headers
from luma_mcp.errors import InvalidRequest, LumaMcpError, MissingKey
from luma_mcp.redaction import quoted
from luma_mcp.services import Access
from luma_mcp.settings import TOOLSETS, Settings
from luma_mcp.tools.caller import CallerToken
from luma_mcp.web.refusals import refusal

_KEY_HEADERS = frozenset(name.encode() for name in (*KEY_HEADERS, AGENTS_KEY_HEADER))
_READ = (b"authorization", b"x-")  # what the verifier looks at begins so
_YES, _NO = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off", ""})

Headers = list[tuple[str, str]]


def _values(headers: Iterable[tuple[str, str]], wanted: str) -> list[str]:
    return [value for name, value in headers if name == wanted]


def _toolsets(headers: Headers, offered: frozenset[str]) -> frozenset[str]:
    """Narrow the operator's toolsets by X-MCP-Toolsets; a header never widens them."""
    lists = _values(headers, "x-mcp-toolsets")
    named = {word.strip().lower() for value in lists for word in value.split(",") if word.strip()}
    if not named:
        return offered
    if unknown := sorted(named.difference(TOOLSETS)):
        raise InvalidRequest(
            f"X-MCP-Toolsets names '{quoted(unknown[0])}', which is no toolset.",
            advice=f"The toolsets are: {', '.join(TOOLSETS)}.",
        )
    return offered & named


def _readonly(headers: Headers) -> bool:
    words = {value.strip().lower() for value in _values(headers, "x-mcp-readonly")}
    if not words <= _YES | _NO:
        raise InvalidRequest("X-MCP-Readonly is neither true nor false.", advice="Send 'true'.")
    return bool(words & _YES)


class KeyVerifier(TokenVerifier):
    """Turns the caller's headers into who calls and what it may use.

    Nothing is asked upstream here: whether Luma takes the key shows when a tool needs it. There
    are no routes, so no OAuth metadata is announced anywhere: clients that find any would ignore
    the header that their user configured.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._offered = Access.by(settings)

    def verify_headers(self, headers: Headers) -> CallerToken | None:
        """Read one request's headers (names in lower case); None when they hold no key.

        Raises:
            InvalidRequest: Two keys for one API, no key where one should be, unknown switches.
        """
        credentials = credentials_from_headers(headers)
        if credentials is None:
            return None
        access = Access(
            credentials=credentials,
            toolsets=_toolsets(headers, self._offered.toolsets),
            readonly=self._offered.readonly or _readonly(headers),
        )
        principal = credentials.principal
        return CallerToken(token=principal, client_id=principal, scopes=[], access=access)

    async def verify_token(self, token: str) -> CallerToken | None:
        """Take a bearer token for the raw key that it is."""
        return self.verify_headers([("authorization", f"Bearer {token}")])

    def get_middleware(self) -> list[Any]:
        """Leave the reading of headers to the gate, which sees all of them."""
        return [Middleware(AuthContextMiddleware)]


class KeyGate:
    """Lets a request to an MCP endpoint pass with its caller known, or says how to connect."""

    def __init__(self, app: ASGIApp, verifier: KeyVerifier) -> None:
        self._app = app
        self._verifier = verifier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Verify this request's own headers; nothing is remembered from an earlier one."""
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in scope["headers"]
            if name.startswith(_READ)
        ]
        try:
            token = self._verifier.verify_headers(headers)
            if token is None:
                raise MissingKey("This request carries no Luma API key.")
        except LumaMcpError as error:
            await refusal(error)(scope, receive, send)
            return
        scope["user"] = AuthenticatedUser(token)
        scope["auth"] = AuthCredentials([])
        scope["headers"] = [
            *((name, value) for name, value in scope["headers"] if name not in _KEY_HEADERS),
            (b"authorization", f"Bearer {token.token}".encode()),
        ]
        await self._app(scope, receive, send)
