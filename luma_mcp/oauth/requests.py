"""What a client asks its user for, from the authorization endpoint to the answer."""

import re
import secrets
from dataclasses import asdict, dataclass
from typing import Any, Self

from fastmcp.server.auth.redirect_validation import build_client_redirect
from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import Response

from luma_mcp.oauth.clients import Client
from luma_mcp.oauth.tokens import hash_of

FORM = "application/x-www-form-urlencoded"
REQUEST_SECONDS = 600
MAX_STATE = 2048
_STATE = re.compile(rf"[\x20-\x7e]{{0,{MAX_STATE}}}")  # RFC 6749 appendix A.5
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # a SHA-256 in base64url (RFC 7636 section 4.2)
_BROWSER = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True)
class Asking:
    """One request of a client, sealed into the address of the consent page.

    Attributes:
        client: The hash of the client's id.
        title: What the client calls itself.
        host: The host that vouches for it, if one does.
        redirect: Where the answer goes, as the browser understands it.
        challenge: Of PKCE.
        state: What the client wants back.
        browser: The hash of what the browser that began has in a cookie.
    """

    client: str
    title: str
    host: str | None
    redirect: str
    challenge: str
    state: str | None
    browser: str

    def claims(self) -> dict[str, Any]:
        """Give what its token holds."""
        return asdict(self)

    @classmethod
    def of(cls, claims: dict[str, Any]) -> Self:
        """Read it from what a token held."""
        return cls(**{name: claims[name] for name in cls.__dataclass_fields__})


class Refusal(Exception):
    """Why a client is sent back without having asked its user (RFC 6749 section 4.1.2.1)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


async def form_of(request: Request) -> ImmutableMultiDict[str, str] | None:
    """Give the form that was sent (RFC 6749 section 3.2); None if it is none of that kind.

    One with files would be written to the disk.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return None
    form = (await request.form()).multi_items()
    return ImmutableMultiDict([(name, value) for name, value in form if isinstance(value, str)])


def has_repeated(params: ImmutableMultiDict[str, str]) -> bool:
    """Tell whether a parameter is there twice that may not be: `resource` may (RFC 8707)."""
    names = [name for name, _ in params.multi_items() if name != "resource"]
    return len(names) != len(set(names))


def are_for(params: ImmutableMultiDict[str, str], resource: str) -> bool:
    """Tell whether a client means our resource alone, or says nothing.

    A slash at the end says nothing (RFC 8707); Codex names the same resource twice.
    """
    return all(asked.rstrip("/") == resource for asked in params.getlist("resource"))


def check(params: ImmutableMultiDict[str, str], resource: str) -> None:
    """Check all of a request but who asks and where the answer goes.

    Raises:
        Refusal: What is wrong with it.
    """
    if has_repeated(params):
        raise Refusal("invalid_request", "A parameter is there twice.")
    if params.get("response_type") != "code":
        raise Refusal("unsupported_response_type", "response_type must be code.")
    if params.get("code_challenge_method") != "S256":
        raise Refusal("invalid_request", "code_challenge_method must be S256.")
    if not _CHALLENGE.fullmatch(params.get("code_challenge", "")):
        raise Refusal("invalid_request", "code_challenge must be a SHA-256 in base64url.")
    if not _STATE.fullmatch(params.get("state", "")):
        raise Refusal("invalid_request", f"state may have {MAX_STATE} characters of plain ASCII.")
    if not are_for(params, resource):
        raise Refusal("invalid_target", f"This server signs in for {resource}.")


def asking(
    client: Client, redirect: str, params: ImmutableMultiDict[str, str], browser: str
) -> Asking:
    """Take down what is to be asked."""
    return Asking(
        client=hash_of(client.client_id),
        title=client.title,
        host=client.host,
        redirect=redirect,
        challenge=params["code_challenge"],
        state=params.get("state"),
        browser=hash_of(browser),
    )


def answer_url(redirect: str, state: str | None, issuer: str, **answer: str) -> str:
    """Write where the browser goes with the answer, which says whose it is (RFC 9207)."""
    params = {**answer, "state": state} if state is not None else answer
    return build_client_redirect(redirect, params, iss=issuer)


class BrowserCookie:
    """Tells the browser that began a sign-in from all others.

    Args:
        issuer: The URL of the authorization server.
    """

    def __init__(self, issuer: str) -> None:
        self._secure = issuer.startswith("https:")
        # With the prefix no other host of the domain can set it (RFC 6265bis section 4.1.3).
        self._name = f"{'__Host-' if self._secure else ''}luma-mcp-sign-in"

    def read(self, request: Request) -> str | None:
        """Give what the cookie holds; None if there is none of ours."""
        value = request.cookies.get(self._name, "")
        return value if _BROWSER.fullmatch(value) else None

    def read_or_make(self, request: Request) -> str:
        """Give what it holds, or what it will; a browser may have several sign-ins under way."""
        return self.read(request) or secrets.token_urlsafe(16)

    def put(self, response: Response, browser: str) -> None:
        """Set the cookie; the browser is to send it when it comes from the client's page."""
        response.set_cookie(
            self._name,
            browser,
            max_age=REQUEST_SECONDS,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def is_from(self, request: Request, asked: Asking) -> bool:
        """Tell whether a request comes from the browser that began."""
        browser = self.read(request)
        return browser is not None and secrets.compare_digest(hash_of(browser), asked.browser)
