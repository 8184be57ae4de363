"""How often one address may ask: sign-ins are open to everybody, so that everything is bounded."""

import math
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from luma_mcp.errors import Unavailable
from luma_mcp.oauth.consent import stopped
from luma_mcp.oauth.endpoints import refuse
from luma_mcp.wording import count

WINDOW_SECONDS = 60
# The servers of a web-based client call for all its users from a few addresses.
PER_MINUTE = {"register": 60, "authorize": 60, "connect": 60, "token": 300, "revoke": 300}


def address_of(request: Request) -> str:
    """Tell callers apart by address; a caller with IPv6 has a whole network of them."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    return str(address.ipv4_mapped or ip_network((int(address), 64), strict=False))


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
        ledger = request.app.state.services.ledger
        name = f"{self._name}:{address_of(request)}"
        try:
            if await ledger.count(name, WINDOW_SECONDS) <= PER_MINUTE[self._name]:
                return None
            seconds = max(1, math.ceil(await ledger.seconds_left(name)))
        except Unavailable as error:
            return self._refuse("The sign-in is out of order", error.message, 503)
        text = f"Too many requests came from your address. Try again in {count(seconds, 'second')}."
        response = self._refuse("Too many requests", text, 429)
        response.headers["Retry-After"] = str(seconds)
        return response

    def _refuse(self, title: str, text: str, status: int) -> Response:
        if self._for_people:
            return stopped(title, text, status)
        return refuse("temporarily_unavailable", text, status)
