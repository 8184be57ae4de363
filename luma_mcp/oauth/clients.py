"""Who asks: clients that registered, and clients that say on a page of theirs who they are."""

from typing import Any
from urllib.parse import urlsplit

from fastmcp.server.auth.cimd import CIMDDocument
from mcp.server.auth.provider import RegistrationError
from mcp.shared.auth import OAuthClientInformationFull
from pydantic import Field

from luma_mcp.oauth.documents import Documents
from luma_mcp.oauth.redirects import Redirects, matches, normalized
from luma_mcp.oauth.tokens import Tokens
from luma_mcp.settings import variable_name
from luma_mcp.wording import one_line

SCOPE = "luma"  # there is one thing to allow; what a client asks for besides it is ignored
REFRESH = "refresh_token"
GRANT_TYPES = ("authorization_code", REFRESH)
MAX_REDIRECTS = 10
MAX_REDIRECTS_LENGTH = 1500
MAX_CLIENT_ID_LENGTH = 4096
MAX_NAME = 80


class Client(OAuthClientInformationFull):
    """A client, and where it may be answered.

    Attributes:
        uris: Its redirect URIs, normalized.
        cimd_document: What the page says that its id is the address of; None if it registered.
    """

    uris: tuple[str, ...] = Field(exclude=True)
    cimd_document: CIMDDocument | None = Field(default=None, exclude=True)

    @property
    def title(self) -> str:
        """What it calls itself, in one line."""
        return one_line(self.client_name or "", MAX_NAME) or "A client without a name"

    @property
    def host(self) -> str | None:
        """The host that vouches for it; None if nobody does."""
        return urlsplit(self.client_id).netloc if self.cimd_document else None

    def redirect_for(self, asked: str | None) -> str | None:
        """Give the redirect URI to answer at; None if the one asked for is not the client's."""
        if asked is None:
            return self.uris[0] if len(self.uris) == 1 else None
        uri = normalized(asked)
        return uri if uri and any(matches(one, uri) for one in self.uris) else None


class Clients:
    """Finds clients by their ids without keeping any: a registration is sealed into the id.

    Args:
        tokens: Seals registrations.
        redirects: Where clients may be answered.
        documents: Fetches the pages of clients that have one.
    """

    def __init__(self, tokens: Tokens, redirects: Redirects, documents: Documents) -> None:
        self._tokens = tokens
        self.redirects = redirects
        self._documents = documents

    def register(self, client: OAuthClientInformationFull) -> None:
        """Give a new client its id, which holds all that will be needed of it.

        Raises:
            RegistrationError: It wants to be answered where nobody may be, or at too many places.
        """
        if not client.redirect_uris:
            raise RegistrationError("invalid_redirect_uri", "There must be a redirect URI.")
        # Clients name all places that any edition of theirs may be answered at: Cursor three.
        written = {uri: normalized(str(uri)) for uri in client.redirect_uris}
        allowed = {uri: at for uri, at in written.items() if at and self.redirects.allow(at)}
        if not allowed:
            raise RegistrationError(
                "invalid_redirect_uri",
                "This server does not send answers there; its operator can allow the host in "
                f"{variable_name('oauth_redirects')}.",
            )
        uris = list(allowed.values())
        if len(uris) > MAX_REDIRECTS or sum(map(len, uris)) > MAX_REDIRECTS_LENGTH:
            raise RegistrationError("invalid_redirect_uri", "These are too many redirect URIs.")
        # What it is given instead of what it asked for, the answer says (RFC 7591 section 3.2.1).
        client.redirect_uris = list(allowed)
        client.scope = SCOPE
        client.grant_types = [one for one in GRANT_TYPES if one in client.grant_types]
        client.client_id = self._tokens.make(
            "client",
            {
                "name": one_line(client.client_name or "", MAX_NAME),
                "uris": uris,
                "method": client.token_endpoint_auth_method,
                "secret": client.client_secret,
                "refresh": REFRESH in client.grant_types,
            },
        )

    async def find(self, client_id: str) -> Client | None:
        """Find a client by its id; None if there is none, or its page cannot be read."""
        if len(client_id) > MAX_CLIENT_ID_LENGTH:
            return None
        if self._documents.is_cimd_client_id(client_id):
            return await self._find_document(client_id)
        claims = self._tokens.read("client", client_id)
        return _registered(client_id, claims) if claims else None

    async def _find_document(self, client_id: str) -> Client | None:
        document = await self._documents.fetch(client_id)
        if document is None:
            return None
        uris = [normalized(uri) for uri in document.redirect_uris[:MAX_REDIRECTS]]
        return Client(
            client_id=client_id,
            client_name=document.client_name,
            token_endpoint_auth_method=document.token_endpoint_auth_method,
            # Documents leave it out and refresh all the same; the token decides whether it is good.
            grant_types=list(GRANT_TYPES),
            scope=SCOPE,
            uris=tuple(uri for uri in uris if uri),
            cimd_document=document,
        )


def _registered(client_id: str, claims: dict[str, Any]) -> Client:
    return Client(
        client_id=client_id,
        client_name=claims["name"],
        token_endpoint_auth_method=claims["method"],
        client_secret=claims["secret"],
        grant_types=[one for one in GRANT_TYPES if one != REFRESH or claims["refresh"]],
        scope=SCOPE,
        uris=tuple(claims["uris"]),
    )
