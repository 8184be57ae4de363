"""Puts the authorization server together: what it is made of, and its paths."""

from collections.abc import Callable
from dataclasses import dataclass

from mcp.server.auth.routes import create_protected_resource_routes
from mcp.server.transport_security import RequestBodyLimitMiddleware
from pydantic import AnyHttpUrl
from starlette.routing import BaseRoute, Route, request_response

from luma_mcp.oauth.clients import SCOPE, Clients
from luma_mcp.oauth.consent import Consent
from luma_mcp.oauth.documents import Documents
from luma_mcp.oauth.endpoints import Endpoint, Endpoints
from luma_mcp.oauth.limits import Limited
from luma_mcp.oauth.provider import SignIns
from luma_mcp.oauth.redirects import Redirects
from luma_mcp.oauth.tokens import Tokens
from luma_mcp.sealing import Sealer, key_from
from luma_mcp.services import Services
from luma_mcp.settings import OAUTH_PATH, Settings

RESOURCE_PATH = f"{OAUTH_PATH}/mcp"
MAX_BODY_BYTES = 16 * 1024
_WELL_KNOWN = "/.well-known"


@dataclass(frozen=True)
class OAuth:
    """The authorization server of one resource.

    Attributes:
        sign_ins: Gives and takes tokens.
        resource: The endpoint that tokens are for.
        resource_metadata: Where a client learns about it.
        routes: Its paths.
    """

    sign_ins: SignIns
    resource: str
    resource_metadata: str
    routes: list[BaseRoute]


def build_oauth(settings: Settings, services: Callable[[], Services]) -> OAuth | None:
    """Build it, if the operator set what it needs.

    Args:
        settings: What the operator set.
        services: What the process shares, once it runs.
    """
    issuer = settings.oauth_url
    if issuer is None:
        return None
    resource = f"{settings.public_url}{RESOURCE_PATH}"
    sealer = Sealer(*(key_from(secret.get_secret_value()) for secret in settings.secret_key))
    tokens, documents = Tokens(sealer, resource), Documents()
    clients = Clients(tokens, Redirects(settings.oauth_redirects), documents)
    sign_ins = SignIns(issuer, tokens, clients, services)
    endpoints = Endpoints(sign_ins, documents, resource)
    consent = Consent(sign_ins, resource, services)
    return OAuth(
        sign_ins,
        resource,
        f"{settings.public_url}{_WELL_KNOWN}/oauth-protected-resource{RESOURCE_PATH}",
        [
            *_well_known(endpoints, issuer, resource),
            _limited("register", endpoints.register),
            _limited("token", endpoints.token),
            _limited("revoke", endpoints.revoke),
            _limited("authorize", consent.authorize, "GET", "POST", for_people=True),
            _limited("connect", consent.connect, "GET", "POST", for_people=True),
        ],
    )


def _well_known(endpoints: Endpoints, issuer: str, resource: str) -> list[Route]:
    """Announce it where only those look who look for this resource.

    Nothing is announced at the root: a client that found it there would sign in at /mcp too, and
    ignore the header that its user configured.
    """
    return [
        *create_protected_resource_routes(
            AnyHttpUrl(resource), [AnyHttpUrl(issuer)], [SCOPE], resource_name="luma-mcp"
        ),
        Route(f"{_WELL_KNOWN}/oauth-authorization-server{OAUTH_PATH}", endpoints.describe),
        # Some clients append to an issuer's path what RFC 8414 section 3.1 puts before it.
        Route(f"{OAUTH_PATH}{_WELL_KNOWN}/oauth-authorization-server", endpoints.describe),
    ]


def _limited(name: str, endpoint: Endpoint, *methods: str, for_people: bool = False) -> Route:
    bounded = RequestBodyLimitMiddleware(request_response(endpoint), MAX_BODY_BYTES)
    app = Limited(bounded, name, for_people=for_people)
    return Route(f"{OAUTH_PATH}/{name}", app, methods=methods or ("POST",))
