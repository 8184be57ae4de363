"""Errors of the HTTP surface, in the same words and fields as those of the tools."""

import secrets

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luma_mcp.errors import InvalidRequest, LumaMcpError, MissingKey
from luma_mcp.telemetry import get_logger

_log = get_logger()
_ADVICE = {
    405: "Send each message as a POST.",
    406: "Send the header 'Accept: application/json, text/event-stream'.",
    415: "Send the header 'Content-Type: application/json'.",
}


def refusal(error: LumaMcpError, status: int | None = None) -> JSONResponse:
    """Answer an error over plain HTTP: 401 for a missing key, else 400 unless told otherwise."""
    missing = isinstance(error, MissingKey)
    status = status or (401 if missing else 400)
    request_id = secrets.token_hex(8)
    _log.info("refused", code=error.code, status=status, request_id=request_id)
    return JSONResponse(
        error.fields(request_id),
        status_code=status,
        # A bare challenge: naming resource metadata would start an OAuth flow in clients.
        headers={"WWW-Authenticate": "Bearer"} if missing else None,
    )


class Explained:
    """Puts our words into refusals of the framework that have none, or hardly any."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what the framework sends, unless it is such a refusal."""
        is_explained = False

        async def explain(message: Message) -> None:
            nonlocal is_explained
            if message["type"] == "http.response.start" and _is_bare(message):
                is_explained = True
                await _explanation_of(message)(scope, receive, send)
            elif not is_explained:
                await send(message)

        await self._app(scope, receive, explain)


def _is_bare(start: Message) -> bool:
    has_fields = (b"content-type", b"application/json") in start.get("headers", [])
    return start["status"] in _ADVICE and not has_fields


def _explanation_of(start: Message) -> JSONResponse:
    status = start["status"]
    error = InvalidRequest("The endpoint does not take such a request.", advice=_ADVICE[status])
    response = refusal(error, status)
    allow = [(name, value) for name, value in start.get("headers", []) if name == b"allow"]
    response.raw_headers.extend(allow)
    return response
