"""Tool calls that cannot stream, answered past the layers of FastMCP and the SDK.

Those layers cost several times what a call itself does. Only a call that is plainly right is taken
here; whatever else comes goes their way, so that they alone judge what is wrong and how to say it.
A test holds both ways against each other; another says when this module can go.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from fastmcp.apps import UI_EXTENSION_ID
from mcp.shared.inbound import InboundModernRoute, classify_inbound_request
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    DEFAULT_NEGOTIATED_VERSION,
    SERVER_INFO_META_KEY,
    methods,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from opentelemetry.trace import SpanContext
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.types import ASGIApp, Receive, Scope, Send

from luma_mcp.calls import Answer, ToolCalls
from luma_mcp.services import Caller
from luma_mcp.tracing import trace_of
from luma_mcp.web.envelope import message_of
from luma_mcp.web.streams import send_json

# What a plain call may hold; everything beyond has a meaning that the framework knows.
MEMBERS = frozenset({"jsonrpc", "id", "method", "params"})
PARAMS = frozenset({"name", "arguments", "_meta"})

Headers = dict[str, str]


class PlainCall(NamedTuple):
    """A call of one of our tools that can be answered at once."""

    id: str | int
    name: str
    arguments: dict[str, Any]
    is_modern: bool
    shows_pages: bool
    trace: SpanContext | None


@lru_cache(maxsize=256)
def _takes_both(accept: str) -> bool:
    """Tell whether a client takes an answer as well as a stream, as MCP wants it to."""
    kinds = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return "*/*" in kinds or kinds >= {"application/json", "text/event-stream"}


def _headers_of(scope: Scope) -> Headers | None:
    """Read the headers; None if one came twice."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return headers if len(headers) == len(scope["headers"]) else None


def _is_plain(headers: Headers) -> bool:
    return (
        headers.get("content-type") in {"application/json", "application/json; charset=utf-8"}
        and _takes_both(headers.get("accept", ""))
        # No tool of ours has such parameters yet; the framework would know what to do with them.
        and not any(name.startswith("mcp-param-") for name in headers)
    )


def _version_of(message: dict[str, Any], headers: Headers) -> str | None:
    """Give the protocol version of a call whose headers and params fit it."""
    version = headers.get("mcp-protocol-version", DEFAULT_NEGOTIATED_VERSION)
    if version in MODERN_PROTOCOL_VERSIONS:
        route = classify_inbound_request(message, headers=headers)
        if not isinstance(route, InboundModernRoute):
            return None
    elif version not in HANDSHAKE_PROTOCOL_VERSIONS:
        return None
    try:
        methods.validate_client_request("tools/call", version, message["params"])
    except ValidationError:
        return None
    return version


def _shows_pages(params: Mapping[str, Any]) -> bool:
    """Tell whether the client of a call in protocol 2026-07-28 says that it can."""
    capabilities = params["_meta"][CLIENT_CAPABILITIES_META_KEY]
    return UI_EXTENSION_ID in (capabilities.get("extensions") or {})


class PlainCalls:
    """Answers plain calls of our tools itself, and passes everything else on.

    Args:
        app: The framework's application.
        calls: Answers calls of tools.
        server_info: What protocol 2026-07-28 wants in every result.
        patience: How many seconds a client may wait without a word.
    """

    def __init__(
        self, app: ASGIApp, calls: ToolCalls, server_info: Mapping[str, Any], patience: float
    ) -> None:
        self._app = app
        self._calls = calls
        self._meta = {SERVER_INFO_META_KEY: server_info}
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the call if it is a plain one."""
        call = self._plain_call(scope)
        if call is None:
            await self._app(scope, receive, send)
            return
        services = scope["app"].state.services
        access = scope["user"].access_token.access
        caller = Caller(services, access, shows_pages=call.shows_pages, trace=call.trace)
        await send_json(self._answer(call, caller), receive, send, self._patience)

    def _plain_call(self, scope: Scope) -> PlainCall | None:
        message = message_of(scope)
        if message is None or message.get("method") != "tools/call" or "id" not in message:
            return None
        params = message.get("params", {})
        arguments = params.get("arguments") or {}
        tool = self._calls.tools.get(params.get("name"))
        if tool is None or tool.may_stay(arguments):
            return None
        if not (message.keys() <= MEMBERS and params.keys() <= PARAMS):
            return None
        headers = _headers_of(scope)
        if headers is None or not _is_plain(headers):
            return None
        version = _version_of(message, headers)
        if version is None:
            return None
        is_modern = version in MODERN_PROTOCOL_VERSIONS
        return PlainCall(
            id=message["id"],
            name=tool.name,
            arguments=arguments,
            is_modern=is_modern,
            # Before that protocol no call tells.
            shows_pages=is_modern and _shows_pages(params),
            trace=trace_of(params.get("_meta"), headers),
        )

    async def _answer(self, call: PlainCall, caller: Caller) -> bytes:
        answer = await self._calls.answer(call.name, call.arguments, caller)
        result = _result(answer)
        if call.is_modern:
            result |= {"resultType": "complete", "_meta": self._meta}
        return to_json({"jsonrpc": "2.0", "id": call.id, "result": result})


def _result(answer: Answer) -> dict[str, Any]:
    blocks = [
        one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in answer.content
    ]
    return {
        "content": blocks,
        "structuredContent": answer.structured_content,
        "isError": answer.is_error,
    }
