"""A message is read before the framework reads it: what is none is refused in plain words.

The framework's own refusals repeat the input and name its classes. How large a message may be,
and how slow, is up to `web.limits`.
"""

from typing import Any

from pydantic_core import from_json
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS = -32700, -32600, -32602  # JSON-RPC 2.0, section 5.1
_MESSAGE = "luma_mcp.message"

Problem = tuple[int, str]


class _Left(Exception):
    """The client hung up before its message was whole."""


def _is_id(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _problem_in_call(message: dict[str, Any]) -> Problem | None:
    params = message.get("params")
    if "params" in message and not isinstance(params, dict):
        return INVALID_PARAMS, "params must be an object."
    if message["method"] == "tools/call" and params is not None:
        if not isinstance(params.get("name"), str):
            return INVALID_PARAMS, "params.name must be the name of a tool."
        if not isinstance(params.get("arguments"), dict | None):
            return INVALID_PARAMS, "params.arguments must be an object."
    return None


def _is_result(message: dict[str, Any]) -> bool:
    return "id" in message and "error" not in message and isinstance(message.get("result"), dict)


def _is_error(message: dict[str, Any]) -> bool:
    error = message.get("error")
    return (
        "id" in message
        and "result" not in message
        and isinstance(error, dict)
        and type(error.get("code")) is int
        and isinstance(error.get("message"), str)
    )


def problem_in(message: object) -> Problem | None:
    """Say what keeps a value from being one message of JSON-RPC 2.0, as MCP wants it."""
    if isinstance(message, list):
        return INVALID_REQUEST, "Batches are not supported: send one message in each request."
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        return INVALID_REQUEST, 'A message is an object with "jsonrpc": "2.0".'
    if "id" in message and not _is_id(message["id"]):
        return INVALID_REQUEST, "id must be a text or a whole number."
    if "method" not in message:
        is_reply = _is_result(message) or _is_error(message)
        return None if is_reply else (INVALID_REQUEST, "The message has no method.")
    if not isinstance(message["method"], str):
        return INVALID_REQUEST, "method must be a text."
    return _problem_in_call(message)


def _explanation(message: object, problem: Problem) -> Response:
    number = message.get("id") if isinstance(message, dict) else None
    code, text = problem
    error = {"code": code, "message": text}
    body = {"jsonrpc": "2.0", "id": number if _is_id(number) else None, "error": error}
    return JSONResponse(body, status_code=400)


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        part = await receive()
        if part["type"] == "http.disconnect":
            raise _Left
        body += part.get("body", b"")
        if not part.get("more_body", False):
            return bytes(body)


class Envelope:
    """Lets whole messages pass to an MCP endpoint, and explains what is wrong with others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a POST; other methods have no body."""
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            body = await _read(receive)
        except _Left:
            return
        message, problem = _understood(body)
        if problem is not None:
            await _explanation(message, problem)(scope, receive, send)
            return
        scope[_MESSAGE] = message
        await self._app(scope, _replaying(body, receive), send)


def message_of(scope: Scope) -> dict[str, Any] | None:
    """Give the message that came with a request, which is whole; a GET has none."""
    return scope.get(_MESSAGE)


def _understood(body: bytes) -> tuple[Any, Problem | None]:
    try:
        # As the framework reads it: UTF-8 alone, no half surrogate pairs, nothing nested for ever.
        message = from_json(body)
    except ValueError:
        return None, (PARSE_ERROR, "The body is not JSON.")
    return message, problem_in(message)


def _replaying(body: bytes, receive: Receive) -> Receive:
    """Give the body that was read, and after it whatever still comes."""
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return parts.pop() if parts else await receive()

    return replay
