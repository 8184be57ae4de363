"""Who calls over HTTP: keys are read from the headers of this request, and go no further.

A key comes as it is, or sealed in the token of a sign-in. Behind the gate the headers hold a hash.
The key itself travels only in `CallerToken.access`, which is neither printed nor dumped.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from fastmcp.server.auth import TokenVerifier
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from starlette.authentication import AuthCredentials
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from luma_mcp.credentials import (
    AGENTS_KEY_HEADER,
    KEY_HEADERS,
    credentials_from_headers,
    token_from_headers,
)
from luma_mcp.errors import InvalidRequest, InvalidToken, LumaMcpError, MissingKey
from luma_mcp.oauth.clients import SCOPE
from luma_mcp.oauth.grants import Grant
from luma_mcp.oauth.keys import are_rejected
from luma_mcp.oauth.server import OAuth
from luma_mcp.orders import BUDGET_HEADER, COST_HEADER, Allowance
from luma_mcp.redaction import quoted
from luma_mcp.services import Access, unheard
from luma_mcp.settings import TOOLSETS, Settings
from luma_mcp.tools.caller import CallerToken
from luma_mcp.web.refusals import SignIn, refusal
from luma_mcp.web.rejected_keys import HeldBack, Instead

_KEY_HEADERS = frozenset(name.encode() for name in (*KEY_HEADERS, AGENTS_KEY_HEADER))
_READ = (b"authorization", b"x-")  # what the verifier looks at begins so
_DOLLARS = re.compile(r"\d{1,9}(\.\d{1,6})?", re.ASCII)
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


def _words(headers: Headers, name: str) -> set[str]:
    """Read a switch.

    Raises:
        InvalidRequest: It says neither yes nor no.
    """
    words = {value.strip().lower() for value in _values(headers, name.lower())}
    if not words <= _YES | _NO:
        raise InvalidRequest(
            f"{name} is neither true nor false.", advice="Send 'true' or 'false', 'on' or 'off'."
        )
    return words


def _readonly(headers: Headers) -> bool:
    return bool(_words(headers, "X-MCP-Readonly") & _YES)


def _previews(headers: Headers) -> bool:
    """Leave previews on unless X-Luma-Previews says otherwise; an empty value says nothing."""
    return not _words(headers, "X-Luma-Previews") - {""} & _NO


def _dollars(headers: Headers, name: str) -> float | None:
    """Read a bound of costs; an empty value is none.

    Raises:
        InvalidRequest: It is no amount, or there are two.
    """
    values = [value.strip() for value in _values(headers, name.lower())]
    amounts = {float(value) for value in values if _DOLLARS.fullmatch(value)}
    if len(amounts) > 1 or not all(map(_DOLLARS.fullmatch, filter(None, values))):
        raise InvalidRequest(
            f"{name} holds no amount in US dollars, or more than one.",
            advice="Send it once, such as 0.5 or 20: digits, and a point before up to six "
            "decimals.",
        )
    return next(iter(amounts), None)


class KeyVerifier(TokenVerifier):
    """Turns the caller's headers into who calls and what it may use.

    Nothing is asked upstream here: whether Luma takes the key shows when a tool needs it. There
    are no routes, so no OAuth metadata is announced here: clients that find any would ignore
    the header that their user configured.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._offered = Access.by(settings)

    def verify_headers(
        self,
        headers: Headers,
        grant: Grant | None = None,
        on_rejected_key: Callable[[], None] = unheard,
    ) -> CallerToken | None:
        """Read one request's headers (names in lower case); None when they hold no key.

        Args:
            headers: The request's.
            grant: What the token of a sign-in among them held.
            on_rejected_key: Hears that Luma refused a key in this request.

        Raises:
            InvalidRequest: Two keys for one API, no key where one should be, unknown switches.
        """
        credentials = credentials_from_headers(headers, grant.credentials if grant else None)
        if credentials is None:
            return None
        signed_in_to_look = grant is not None and grant.readonly
        access = Access(
            credentials=credentials,
            toolsets=_toolsets(headers, self._offered.toolsets),
            readonly=self._offered.readonly or signed_in_to_look or _readonly(headers),
            previews=self._offered.previews and _previews(headers),
            allowance=Allowance(_dollars(headers, COST_HEADER), _dollars(headers, BUDGET_HEADER)),
            on_rejected_key=on_rejected_key,
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
    """Lets a request to an MCP endpoint pass with its caller known, or says how to connect.

    Args:
        app: The endpoint.
        verifier: Reads headers.
        oauth: Reads the tokens of sign-ins; None where nobody can sign in.
        announces: Whether a client without a key is told how to sign in.
    """

    def __init__(
        self,
        app: ASGIApp,
        verifier: KeyVerifier,
        oauth: OAuth | None = None,
        *,
        announces: bool = False,
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._sign_ins = oauth.sign_ins if oauth else None
        self._announced = SignIn(oauth.resource_metadata, SCOPE) if oauth and announces else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Verify this request's own headers; nothing is remembered from an earlier one."""
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in scope["headers"]
            if name.startswith(_READ)
        ]
        try:
            grant = await self._grant_in(headers)
            if grant is None:
                token = self._verifier.verify_headers(headers)
            else:
                held = HeldBack(scope, receive, send, self._instead(scope, grant))
                send = held.send
                token = self._verifier.verify_headers(headers, grant, held.on_rejected_key)
            if token is None:
                raise MissingKey("This request carries no Luma API key.")
        except LumaMcpError as error:
            await refusal(error, sign_in=self._announced)(scope, receive, send)
            return
        scope["user"] = AuthenticatedUser(token)
        scope["auth"] = AuthCredentials([])
        scope["headers"] = [
            *((name, value) for name, value in scope["headers"] if name not in _KEY_HEADERS),
            (b"authorization", f"Bearer {token.token}".encode()),
        ]
        await self._app(scope, receive, send)

    async def _grant_in(self, headers: Headers) -> Grant | None:
        token = token_from_headers(headers)
        if token is None:
            return None
        grant = await self._sign_ins.grant_of(token) if self._sign_ins else None
        if grant is None:
            raise InvalidToken("The token is not valid: it has expired, or was revoked.")
        return grant

    def _instead(self, scope: Scope, grant: Grant) -> Instead:
        services = scope["app"].state.services  # the framework writes itself there later

        async def instead() -> ASGIApp | None:
            if not await are_rejected(services, grant.credentials):
                return None  # Luma allows the key something else
            error = InvalidToken("Luma does not accept the key of this sign-in.")
            return refusal(error, sign_in=self._announced)

        return instead
