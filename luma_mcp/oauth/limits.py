"""How often one address may ask: sign-ins are open to everybody, so that everything is bounded."""

import math

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from luma_mcp.errors import RateLimited
from luma_mcp.limiting import address_of
from luma_mcp.oauth.consent import stopped
from luma_mcp.oauth.endpoints import refuse
from luma_mcp.wording import count

# The servers of a web-based client call for all its users from a few addresses.
PER_MINUTE = {"register": 60, "authorize": 60, "connect": 60, "token": 300, "revoke": 300}


class Limited:
    """Lets so many requests of an address through in a minute.

    Args:
        app: What answers them.
        name: Which endpoint it is, of PER_MINUTE.
        for_people: Whether a person reads the refusal.
    """

    def __init__(self, app: ASGIApp, name: str, *, for_people: bool = False) -> None:
        self._app = app
        self._name = name
        self._for_people = for_people

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the request, and answer it or refuse it."""
        request = Request(scope, receive)
        refusal = await self._refusal(request)
        await (refusal or self._app)(scope, receive, send)

    async def _refusal(self, request: Request) -> Response | None:
        limits = request.app.state.services.limits
        most = PER_MINUTE[self._name]
        try:
            await limits.check_sign_in(self._name, address_of(request.client), most)
        except RateLimited as error:
            seconds = math.ceil(error.retry_after_seconds or 1)
        else:
            return None
        wait = f"Try again in {count(seconds, 'second')}."
        text = f"Too many requests came from your address. {wait}"
        response = self._refuse(text)
        response.headers["Retry-After"] = str(seconds)
        return response

    def _refuse(self, text: str) -> Response:
        if self._for_people:
            return stopped("Too many requests", text, 429)
        return refuse("temporarily_unavailable", text, 429)
