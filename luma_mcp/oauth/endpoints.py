"""The endpoints that clients call: registration, tokens, revocation, and what they announce."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

from fastmcp.server.auth.auth import PrivateKeyJWTClientAuthenticator
from fastmcp.server.auth.cimd import ASSERTION_ALGORITHMS
from mcp.server.auth.handlers.metadata import MetadataHandler
from mcp.server.auth.handlers.register import RegistrationHandler
from mcp.server.auth.handlers.token import TokenHandler
from mcp.server.auth.middleware.client_auth import AuthenticationError
from mcp.server.auth.routes import build_metadata
from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions
from mcp.shared.auth import OAuthClientInformationFull, OAuthMetadata
from pydantic import AnyHttpUrl
from starlette.datastructures import FormData, ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from luma_mcp.errors import Unavailable
from luma_mcp.oauth.clients import GRANT_TYPES, SCOPE
from luma_mcp.oauth.documents import Documents
from luma_mcp.oauth.provider import SignIns
from luma_mcp.oauth.requests import FORM, are_for, form_of, has_repeated
from luma_mcp.wording import listed

AUTHENTICATION_METHODS = ["none", "client_secret_post", "client_secret_basic", "private_key_jwt"]
NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# Without valid scopes those that a client asks for are no reason to refuse it.
REGISTRATION = ClientRegistrationOptions(enabled=True, client_secret_expiry_seconds=None)

Form = ImmutableMultiDict[str, str]
Endpoint = Callable[[Request], Awaitable[Response]]


def refuse(error: str, description: str, status: int = 400) -> Response:
    """Answer an error as RFC 6749 section 5.2 writes it."""
    body = {"error": error, "error_description": description}
    return JSONResponse(body, status_code=status, headers=NOT_STORED)


def metadata(issuer: str) -> OAuthMetadata:
    """Say what this authorization server is and can do (RFC 8414)."""
    url = AnyHttpUrl(issuer)
    announced = build_metadata(url, None, REGISTRATION, RevocationOptions(enabled=True))
    announced.scopes_supported = [SCOPE]
    announced.token_endpoint_auth_methods_supported = AUTHENTICATION_METHODS
    announced.token_endpoint_auth_signing_alg_values_supported = sorted(ASSERTION_ALGORITHMS)
    announced.revocation_endpoint_auth_methods_supported = AUTHENTICATION_METHODS
    announced.client_id_metadata_document_supported = True
    announced.authorization_response_iss_parameter_supported = True
    return announced


def _named_in_header(request: Request) -> str | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return unquote(base64.b64decode(value).decode().partition(":")[0])
    except (binascii.Error, ValueError):
        return None


class Endpoints:
    """Answers clients; what is not OAuth's but the SDK's is kept, and made strict.

    Args:
        sign_ins: Gives and takes tokens.
        documents: Checks what clients with a page of their own sign.
        resource: The one resource that tokens are for.
    """

    def __init__(self, sign_ins: SignIns, documents: Documents, resource: str) -> None:
        self._sign_ins = sign_ins
        self._resource = resource
        self._authenticator = PrivateKeyJWTClientAuthenticator(
            sign_ins, documents, f"{sign_ins.issuer}/token"
        )
        self._token = TokenHandler(sign_ins, self._authenticator)
        self._register = RegistrationHandler(sign_ins, REGISTRATION)
        self.describe: Endpoint = MetadataHandler(metadata(sign_ins.issuer)).handle

    async def register(self, request: Request) -> Response:
        """Register a client (RFC 7591)."""
        response = await self._register.handle(request)
        response.headers.update(NOT_STORED)
        return response

    async def token(self, request: Request) -> Response:
        """Give tokens for a code or a refresh token."""
        return await _answer_form(request, self._give)

    async def revoke(self, request: Request) -> Response:
        """End the sign-in that a token is of (RFC 7009); a token that is none is ended already."""
        return await _answer_form(request, self._revoke)

    async def _give(self, request: Request, form: Form) -> Response:
        if form.get("grant_type") not in (None, *GRANT_TYPES):
            types = listed(GRANT_TYPES, "or")
            return refuse("unsupported_grant_type", f"grant_type must be {types}.")
        if not are_for(form, self._resource):
            return refuse("invalid_target", f"Tokens of this server are for {self._resource}.")
        place = self._sign_ins.place_of(form.get("code", ""))
        if place and "redirect_uri" not in form:  # which OAuth 2.1 needs no more (section 10.2)
            request._form = FormData({**await request.form(), "redirect_uri": place})  # noqa: SLF001
        return await self._token.handle(request)

    async def _revoke(self, request: Request, form: Form) -> Response:
        try:
            client = await self._authenticator.authenticate_request(request)
        except AuthenticationError as error:
            return refuse("invalid_client", error.message, 401)
        await self._end(client, form.get("token", ""))
        return Response(headers=NOT_STORED)

    async def _end(self, client: OAuthClientInformationFull, token: str) -> None:
        found = await self._sign_ins.load_refresh_token(client, token)
        if found is None:
            found = await self._sign_ins.load_access_token(token)
        if found is not None and self._sign_ins.is_of(found.grant, client):
            await self._sign_ins.revoke_token(found)


async def _answer_form(
    request: Request, answer: Callable[[Request, Form], Awaitable[Response]]
) -> Response:
    form = await form_of(request)
    if form is None:
        return refuse("invalid_request", f"Send the parameters as {FORM}.")
    if has_repeated(form):  # RFC 6749 section 3.2
        return refuse("invalid_request", "A parameter is there twice.")
    request._form = _as_handlers_take_it(request, form)  # noqa: SLF001 - as FastMCP does
    try:
        return await answer(request, form)
    except Unavailable as error:
        return refuse("temporarily_unavailable", error.message, 503)


def _as_handlers_take_it(request: Request, form: Form) -> FormData:
    """Write the form as the SDK's handlers want it.

    They look for the client's id only there, where RFC 6749 section 2.3.1 is content with the
    header that holds the secret too; and there is one scope, whatever a client asks for.
    """
    fields = {name: value for name, value in form.items() if name != "scope"}
    if named := _named_in_header(request):
        fields.setdefault("client_id", named)
    return FormData(fields)
