"""Errors of the HTTP surface, in the same words and fields as those of the tools."""

import math
import secrets
from typing import NamedTuple

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luma_mcp.errors import (
    InvalidRequest,
    InvalidToken,
    LumaMcpError,
    MissingKey,
    RateLimited,
    Unavailable,
)
from luma_mcp.telemetry import get_logger

_log = get_logger()
UNAUTHORIZED = 401
SERVER_ERROR = -32000  # JSON-RPC 2.0, section 5.1: what a server has defined itself
_ADVICE = {
    405: "Send each message as a POST.",
    406: "Send the header 'Accept: application/json, text/event-stream'.",
    415: "Send the header 'Content-Type: application/json'.",
}


_STATUSES: dict[type[LumaMcpError], int] = {
    MissingKey: 401,
    InvalidToken: 401,
    RateLimited: 429,
    Unavailable: 503,
}


class SignIn(NamedTuple):
    """Where a client learns how to sign in, and what it is to ask for there."""

    metadata: str
    scope: str


def refusal(
    error: LumaMcpError, status: int | None = None, sign_in: SignIn | None = None
) -> JSONResponse:
    """Answer an error over plain HTTP.

    Args:
        error: What to say.
        status: 401 for a missing key or a bad token, 429 for too many requests, 503 for what is
            out of reach, else 400, unless told otherwise.
        sign_in: Where a client that lacks a key learns how to sign in; None where it shall not.
    """
    status = status or _STATUSES.get(type(error), 400)
    request_id = secrets.token_hex(8)
    _log.info("refused", code=error.code, status=status, request_id=request_id)
    headers = {}
    if status == UNAUTHORIZED:
        headers["WWW-Authenticate"] = _challenge(error, sign_in)
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_seconds))
    body = {**error.fields(request_id), **_as_message(error)}
    return JSONResponse(body, status_code=status, headers=headers)


def _as_message(error: LumaMcpError) -> dict[str, object]:
    """Say it as an error of JSON-RPC too: of any other body the SDK for Python shows nothing."""
    text = " ".join(filter(None, (error.message, error.advice)))
    return {"jsonrpc": "2.0", "id": None, "error": {"code": SERVER_ERROR, "message": text}}


def _challenge(error: LumaMcpError, sign_in: SignIn | None) -> str:
    """Say what is missing (RFC 6750 section 3, RFC 9728 section 5.1).

    Naming resource metadata starts a sign-in in clients that would otherwise send their key.
    """
    members = {"resource_metadata": sign_in.metadata, "scope": sign_in.scope} if sign_in else {}
    if isinstance(error, InvalidToken):
        members |= {"error": "invalid_token", "error_description": error.message}
    return " ".join(
        ["Bearer", ", ".join(f'{name}="{value}"' for name, value in members.items())]
    ).rstrip()


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
