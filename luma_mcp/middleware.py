"""What surrounds every tool call: a log line, the switches, and errors made into answers."""

import math
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from fastmcp.exceptions import ToolError, ValidationError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool, ToolResult
from mcp.types import CallToolRequestParams, ListToolsRequest, TextContent
from pydantic import ValidationError as PydanticValidationError
from structlog.contextvars import bound_contextvars

from luma_mcp.errors import Internal, LumaMcpError
from luma_mcp.redaction import hiding, redact
from luma_mcp.services import Access, Services
from luma_mcp.telemetry import get_logger
from luma_mcp.tools.arguments import no_such_tool, wrong_arguments
from luma_mcp.tools.caller import access_of_request
from luma_mcp.tools.definition import LumaTool
from luma_mcp.wording import count

_log = get_logger()
KEY_HASH_SHOWN = 12

Call = MiddlewareContext[CallToolRequestParams]
NextCall = CallNext[CallToolRequestParams, ToolResult]


def _services(context: MiddlewareContext[Any]) -> Services:
    """Give what the process shares; the framework has made its context by now."""
    if context.fastmcp_context is None:
        raise RuntimeError("There is no request")
    return context.fastmcp_context.lifespan_context["services"]


class ToolCalls(Middleware):
    """Carries every tool call from its arguments to an answer or an error, and logs it.

    This is the one place where errors become answers: tools raise, nothing else catches.
    """

    def __init__(self, tools: Mapping[str, LumaTool]) -> None:
        self._tools = tools

    async def on_list_tools(
        self,
        context: MiddlewareContext[ListToolsRequest],
        call_next: CallNext[ListToolsRequest, Sequence[Tool]],
    ) -> Sequence[Tool]:
        """List only what is on offer to this caller."""
        access = access_of_request(_services(context))
        return [tool for tool in await call_next(context) if self._offered(tool.name, access)]

    def _offered(self, name: str, access: Access) -> bool:
        tool = self._tools[name]
        return access.offers(tool.toolsets, reads_only=tool.reads_only)

    async def on_call_tool(self, context: Call, call_next: NextCall) -> ToolResult:
        """Run the call, answer its error if it fails, and write its line."""
        services = _services(context)
        access = access_of_request(services)
        request_id = secrets.token_hex(8)
        outcome, started = "cancelled", time.perf_counter()
        with (
            services.under_way.call(),
            hiding(*(key.secret for key in access.credentials.keys)),
            bound_contextvars(request_id=request_id),
        ):
            try:
                result = await self._run(context, call_next, access)
                outcome = "ok"
            except Exception as raised:  # noqa: BLE001 - the boundary: whatever it is, it is answered
                error = self._meant_by(raised, context)
                outcome = error.code
                result = _answer(error, request_id)
                if isinstance(error, Internal):
                    _log.error("fault", exc_info=raised)
            finally:
                _log.info(
                    "call",
                    tool=context.message.name if context.message.name in self._tools else "unknown",
                    outcome=outcome,
                    ms=round((time.perf_counter() - started) * 1000, 1),
                    key=access.credentials.principal[:KEY_HASH_SHOWN],
                )
        return result

    async def _run(self, context: Call, call_next: NextCall, access: Access) -> ToolResult:
        name = context.message.name
        tool = self._tools.get(name)
        if tool is None:
            raise no_such_tool(name, [one for one in self._tools if self._offered(one, access)])
        access.check(name, tool.toolsets, reads_only=tool.reads_only)
        return await call_next(context)

    def _meant_by(self, raised: Exception, context: Call) -> LumaMcpError:
        """Find our own error in what the framework raised, or make one of it."""
        cause = raised.__cause__ if isinstance(raised, ToolError | ValidationError) else raised
        if isinstance(cause, LumaMcpError):
            return cause
        name = context.message.name
        if isinstance(raised, ValidationError) and isinstance(cause, PydanticValidationError):
            return wrong_arguments(name, list(self._tools[name].parameters["properties"]), cause)
        return Internal("This server has a fault; nothing is known to be wrong with your call.")


def _answer(error: LumaMcpError, request_id: str) -> ToolResult:
    """Say the error in a sentence for people and in fields for programs."""
    error.message = redact(error.message)
    error.advice = redact(error.advice) if error.advice else None
    lines = [error.message]
    if error.advice:
        lines.append(error.advice)
    if error.generation_id:
        lines.append(f"The id of the job is {error.generation_id}.")
    if error.retry_after_seconds:
        lines.append(f"Try again in {count(math.ceil(error.retry_after_seconds), 'second')}.")
    lines.append(f"Request id: {request_id}")
    content = TextContent(type="text", text="\n".join(lines))
    fields = error.fields(request_id)
    return ToolResult(content=[content], structured_content=fields, is_error=True)
