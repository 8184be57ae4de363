"""What a person sees of a sign-in: who asks, what for, and where the keys go in."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from luma_mcp.calls import KEY_HASH_SHOWN
from luma_mcp.credentials import AGENTS_KEY_PREFIX, ApiKey, Credentials, checked_key
from luma_mcp.errors import InvalidRequest, KeyRejected, LumaMcpError, Unavailable
from luma_mcp.luma.apis import AGENTS, APIS, DREAM_MACHINE, Api, ApiName
from luma_mcp.luma.catalogue import MODELS
from luma_mcp.oauth.grants import Grant
from luma_mcp.oauth.keys import ask_luma
from luma_mcp.oauth.provider import SignIns
from luma_mcp.oauth.redirects import is_loopback_redirect
from luma_mcp.oauth.requests import (
    Asking,
    BrowserCookie,
    Refusal,
    answer_url,
    asking,
    check,
    form_of,
)
from luma_mcp.pages import page
from luma_mcp.services import Services
from luma_mcp.settings import variable_name
from luma_mcp.telemetry import get_logger
from luma_mcp.wording import listed

_log = get_logger()
Problems = Mapping[ApiName, str]


def stopped(title: str, text: str, status: int = 400) -> Response:
    """Say why there is no sign-in, where nobody can be told but the person."""
    return page("stopped.html", status=status, form=True, title=title, text=text)


def _redirect(url: str) -> Response:
    return RedirectResponse(url, status_code=302, headers={"Cache-Control": "no-store"})


class Consent:
    """The authorization endpoint and the page that it leads to.

    Args:
        sign_ins: Knows clients, makes codes.
        resource: The one resource that there is to sign in for.
        services: What the process shares, once it runs.
    """

    def __init__(self, sign_ins: SignIns, resource: str, services: Callable[[], Services]) -> None:
        self._sign_ins = sign_ins
        self._resource = resource
        self._services = services
        self._cookie = BrowserCookie(sign_ins.issuer)

    async def authorize(self, request: Request) -> Response:
        """Take what a client asks for, and lead its user to the page (RFC 6749 section 4.1.1)."""
        sent = await form_of(request) if request.method == "POST" else request.query_params
        params = sent or ImmutableMultiDict()
        try:
            client = await self._sign_ins.get_client(params.get("client_id", ""))
        except Unavailable as error:
            return stopped("Not just now", f"{error.message} Try again in a minute.", 503)
        if client is None:
            return stopped(
                "This client is not known",
                "It is not registered with this server, or the page that says who it is cannot be "
                "read. Remove the connection in the client, and add it again.",
            )
        redirect = client.redirect_for(params.get("redirect_uri"))
        if redirect is None:
            return stopped(
                "The answer may not go there",
                "The client wants the answer sent to an address that is not its own.",
            )
        if not self._sign_ins.clients.redirects.allow(redirect):
            return stopped(
                "The answer may not go there",
                f"This server sends no answers to {place_of(redirect)}. Its operator can allow "
                f"that in {variable_name('oauth_redirects')}.",
            )
        try:
            check(params, self._resource)
        except Refusal as refusal:
            return self._sent_back(redirect, params.get("state"), refusal)
        browser = self._cookie.read_or_make(request)
        asked = asking(client, redirect, params, browser)
        response = _redirect(await self._sign_ins.authorize(client, asked))
        self._cookie.put(response, browser)
        return response

    def _sent_back(self, redirect: str, state: str | None, refusal: Refusal) -> Response:
        url = answer_url(
            redirect,
            state,
            self._sign_ins.issuer,
            error=refusal.error,
            error_description=refusal.description,
        )
        return _redirect(url)

    async def connect(self, request: Request) -> Response:
        """Show the page, or take what the user answers there."""
        if request.method == "POST":
            return await self._answer(request)
        token = request.query_params.get("request", "")
        asked = self._asked(request, token)
        return asked if isinstance(asked, Response) else self._page(asked, token)

    async def _answer(self, request: Request) -> Response:
        """Let in only with keys that Luma takes."""
        form = await form_of(request) or ImmutableMultiDict()
        if not self._is_from_own_page(request):
            return stopped("This form is not of this server", "Go back to the client.", 403)
        token = form.get("request", "")
        asked = self._asked(request, token)
        if isinstance(asked, Response):
            return asked
        if form.get("action") != "connect":
            return self._done(asked, error="access_denied")
        keys, problems = _read_keys(form)
        if not problems:
            problems = await self._problems_at_luma(keys)
        if problems:
            return self._page(asked, token, problems, readonly="read_only" in form)
        return self._granted(asked, Credentials(**keys), readonly="read_only" in form)

    def _asked(self, request: Request, token: str) -> Asking | Response:
        claims = self._sign_ins.tokens.read("request", token)
        if claims is None:
            return stopped(
                "This sign-in is over",
                "It took too long, or its address is not whole. Go back to the client, and connect "
                "again.",
            )
        asked = Asking.of(claims)
        if not self._cookie.is_from(request, asked):
            return stopped(
                "This sign-in began in another browser",
                "Go on in the browser that it began in, with cookies allowed, or go back to the "
                "client and connect again. If somebody sent you this link, close the page.",
                403,
            )
        return asked

    def _is_from_own_page(self, request: Request) -> bool:
        """Tell by the Origin, if there is one; on loopback the guard lets those of all ports in."""
        parts = urlsplit(self._sign_ins.issuer)
        return request.headers.get("origin") in {None, f"{parts.scheme}://{parts.netloc}"}

    async def _problems_at_luma(self, keys: dict[ApiName, ApiKey]) -> Problems:
        troubles = await ask_luma(self._services(), Credentials(**keys))
        return {name: _sentence(error) for name, error in troubles.items()}

    def _granted(self, asked: Asking, credentials: Credentials, *, readonly: bool) -> Response:
        grant = Grant(asked.client, credentials, readonly)
        _log.info(
            "signed in",
            client=asked.title,
            vouched_for_by=asked.host,
            to=urlsplit(asked.redirect).netloc,
            key=credentials.principal[:KEY_HASH_SHOWN],
        )
        code = self._sign_ins.make_code(grant, asked.redirect, asked.challenge)
        return self._done(asked, code=code)

    def _done(self, asked: Asking, **answer: str) -> Response:
        # Not a redirect: browsers hold those that follow a form to form-action, all the way to
        # wherever the client's own site leads.
        url = answer_url(asked.redirect, asked.state, self._sign_ins.issuer, **answer)
        return page(
            "answered.html", form=True, client=asked.title, url=url, connected="code" in answer
        )

    def _page(
        self,
        asked: Asking,
        token: str,
        problems: Problems | None = None,
        *,
        readonly: bool = False,
    ) -> Response:
        settings, problems = self._services().settings, problems or {}
        return page(
            "connect.html",
            status=422 if problems else 200,
            form=True,
            client=asked.title,
            host=asked.host,
            place=place_of(asked.redirect),
            server=urlsplit(self._sign_ins.issuer).netloc,
            fields=[_field(api, problems.get(api.name)) for api in APIS],
            problems=problems,
            focus=next((f"{name}_key" for name in problems), None),
            readonly=readonly,
            only_reads=settings.readonly,
            sandbox=settings.sandbox,
            request=token,
        )


def place_of(redirect: str) -> str:
    """Tell a person where an answer goes."""
    parts = urlsplit(redirect)
    if is_loopback_redirect(redirect):
        return f"a program on this computer ({parts.netloc})"
    return parts.netloc if parts.scheme == "https" else f"the app that opens {parts.scheme}: links"


def _field(api: Api, problem: str | None) -> dict[str, Any]:
    models = listed(model.name for model in MODELS.values() if model.api is api)
    return {
        "name": f"{api.name}_key",
        "label": f"{api.title} key",
        "models": models,
        "begins": AGENTS_KEY_PREFIX if api is AGENTS else None,
        "keys_page": api.keys_page,
        "problem": problem,
    }


def _read_keys(form: ImmutableMultiDict[str, str]) -> tuple[dict[ApiName, ApiKey], Problems]:
    keys: dict[ApiName, ApiKey] = {}
    problems: dict[ApiName, str] = {}
    for api in APIS:
        secret = form.get(f"{api.name}_key", "").strip()
        if not secret:
            continue
        try:
            keys[api.name] = _checked(api, secret)
        except InvalidRequest as error:
            problems[api.name] = _sentence(error)
    if not keys and not problems:
        problems[DREAM_MACHINE.name] = "Fill in at least one of the two keys."
    return keys, problems


def _checked(api: Api, secret: str) -> ApiKey:
    if api is DREAM_MACHINE and secret.startswith(AGENTS_KEY_PREFIX):
        raise InvalidRequest(
            f"This is a key of the {AGENTS.title}: it belongs into the other field."
        )
    return checked_key("field", secret)


def _sentence(error: LumaMcpError) -> str:
    if isinstance(error, KeyRejected):
        return f"{error.message.rstrip('.')}. Check it, or make a new one."
    return f"{error.message} {error.advice or ''}".strip()
