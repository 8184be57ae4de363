"""The authorization server: FastMCP's, with codes and tokens that hold what others would store."""

from collections.abc import Callable

from fastmcp.server.auth import AccessToken, OAuthProvider
from mcp.server.auth.provider import AuthorizationCode, RefreshToken, TokenError
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import Field, SkipValidation

from luma_mcp.calls import KEY_HASH_SHOWN
from luma_mcp.oauth.clients import REFRESH, SCOPE, Client, Clients
from luma_mcp.oauth.grants import Grant
from luma_mcp.oauth.history import REFRESH_SECONDS, History
from luma_mcp.oauth.keys import are_rejected
from luma_mcp.oauth.requests import REQUEST_SECONDS, Asking
from luma_mcp.oauth.tokens import Tokens, hash_of
from luma_mcp.services import Services
from luma_mcp.telemetry import get_logger

_log = get_logger()
ACCESS_SECONDS = 3600
CODE_SECONDS = 60


class Code(AuthorizationCode):
    """What a code is good for."""

    grant: SkipValidation[Grant] = Field(exclude=True, repr=False)


class Refresh(RefreshToken):
    """What a refresh token is good for; `step` counts those of its sign-in."""

    grant: SkipValidation[Grant] = Field(exclude=True, repr=False)
    step: int


class Granted(AccessToken):
    """What an access token is good for; its `token` is a hash, never the token."""

    grant: SkipValidation[Grant] = Field(exclude=True, repr=False)


class SignIns(OAuthProvider):
    """Turns consents into codes, and codes into tokens.

    The SDK hands back to a method what another one made, so that these are typed as what they are.

    Args:
        issuer: The URL that the endpoints are below.
        tokens: Seals what is given out.
        clients: Who may ask.
        services: What the process shares, once it runs.
    """

    def __init__(
        self, issuer: str, tokens: Tokens, clients: Clients, services: Callable[[], Services]
    ) -> None:
        super().__init__(base_url=issuer)
        self.issuer = issuer
        self.tokens = tokens
        self.clients = clients
        self._services = services

    @property
    def history(self) -> History:
        """What became of sign-ins."""
        return History(self._services().ledger)

    async def get_client(self, client_id: str) -> Client | None:
        """Find a client by its id."""
        return await self.clients.find(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        """Give a client its id; the SDK answers with the very object that it handed over."""
        self.clients.register(client_info)

    async def authorize(  # ty: ignore[incompatible-method-override]
        self,
        client: OAuthClientInformationFull,  # noqa: ARG002 - `params` knows what is to be shown
        params: Asking,
    ) -> str:
        """Give the address of the page that asks the user."""
        token = self.tokens.make("request", params.claims(), REQUEST_SECONDS)
        return f"{self.issuer}/connect?request={token}"

    @staticmethod
    def is_of(grant: Grant, client: OAuthClientInformationFull) -> bool:
        """Tell whether a grant is this client's."""
        return grant.client == hash_of(client.client_id)

    def make_code(self, grant: Grant, redirect: str, challenge: str) -> str:
        """Make the code that a consent is answered with."""
        claims = {"uri": redirect, "challenge": challenge}
        return self.tokens.make("code", {**grant.claims(), **claims}, CODE_SECONDS)

    def place_of(self, code: str) -> str | None:
        """Tell where a code was sent; None if it is none."""
        claims = self.tokens.read("code", code)
        return claims["uri"] if claims else None

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> Code | None:
        """Read a code that this client was given."""
        claims = self.tokens.read("code", authorization_code)
        if claims is None or not self.is_of(grant := Grant.of(claims), client):
            return None
        return Code(
            code=hash_of(authorization_code),
            client_id=client.client_id,
            scopes=[SCOPE],
            expires_at=claims["exp"],
            code_challenge=claims["challenge"],
            redirect_uri=claims["uri"],
            redirect_uri_provided_explicitly=True,
            grant=grant,
        )

    async def exchange_authorization_code(  # ty: ignore[incompatible-method-override]
        self, client: OAuthClientInformationFull, authorization_code: Code
    ) -> OAuthToken:
        """Give tokens for a code, once."""
        grant = authorization_code.grant
        if not await self.history.take(grant.sign_in, 1):
            _log.warning("sign-in ended", reason="a code was used again", key=_shown(grant))
            raise TokenError("invalid_grant", "The code has been used already.")
        return self._tokens_for(grant, 1, client)

    async def load_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: str
    ) -> Refresh | None:
        """Read a refresh token that this client was given, of a sign-in that has not ended."""
        claims = self.tokens.read("refresh", refresh_token)
        if claims is None or not self.is_of(grant := Grant.of(claims), client):
            return None
        if await self.history.has_ended(grant.sign_in):
            return None
        return Refresh(
            token=hash_of(refresh_token),
            client_id=client.client_id,
            scopes=[SCOPE],
            expires_at=claims["exp"],
            grant=grant,
            step=claims["step"],
        )

    async def exchange_refresh_token(  # ty: ignore[incompatible-method-override]
        self,
        client: OAuthClientInformationFull,
        refresh_token: Refresh,
        scopes: list[str],  # noqa: ARG002 - there is one
    ) -> OAuthToken:
        """Give new tokens for the last refresh token of a sign-in whose keys still work."""
        grant, step = refresh_token.grant, refresh_token.step
        if await are_rejected(self._services(), grant.credentials):
            raise TokenError("invalid_grant", "Luma does not accept the key any more.")
        if not await self.history.take(grant.sign_in, step + 1):
            _log.warning("sign-in ended", reason="a token was used again", key=_shown(grant))
            raise TokenError("invalid_grant", "The sign-in has ended.")
        return self._tokens_for(grant, step + 1, client)

    def _tokens_for(
        self, grant: Grant, step: int, client: OAuthClientInformationFull
    ) -> OAuthToken:
        claims = grant.claims()
        refresh = REFRESH in client.grant_types
        return OAuthToken(
            access_token=self.tokens.make("access", claims, ACCESS_SECONDS),
            expires_in=ACCESS_SECONDS,
            scope=SCOPE,
            refresh_token=self.tokens.make("refresh", {**claims, "step": step}, REFRESH_SECONDS)
            if refresh
            else None,
        )

    async def revoke_token(  # ty: ignore[incompatible-method-override]
        self, token: Granted | Refresh
    ) -> None:
        """End the sign-in that a token is of, with all its tokens."""
        await self.history.end(token.grant.sign_in)
        _log.info("sign-in ended", reason="revoked", key=_shown(token.grant))

    async def grant_of(self, token: str) -> Grant | None:
        """Read an access token whose sign-in has not ended."""
        claims = self.tokens.read("access", token)
        if claims is None or await self.history.has_ended(claims["sub"]):
            return None
        return Grant.of(claims)

    async def load_access_token(self, token: str) -> Granted | None:
        """Read one as the framework wants it."""
        grant = await self.grant_of(token)
        if grant is None:
            return None
        who = grant.credentials.principal
        return Granted(token=hash_of(token), client_id=who, scopes=[SCOPE], grant=grant)


def _shown(grant: Grant) -> str:
    return grant.credentials.principal[:KEY_HASH_SHOWN]
