"""FastMCP's middleware: our tools are listed as the caller may use them, and answered our way."""

from collections.abc import Sequence
from typing import Any

from fastmcp import Context
from fastmcp.exceptions import NotFoundError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool, ToolResult
from mcp.types import CallToolRequestParams, ListToolsRequest

from luma_mcp.calls import ToolCalls
from luma_mcp.tools.caller import access_of_request, caller_of

Call = MiddlewareContext[CallToolRequestParams]
NextCall = CallNext[CallToolRequestParams, ToolResult]


def _context(context: MiddlewareContext[Any]) -> Context:
    if context.fastmcp_context is None:
        raise RuntimeError("There is no request")
    return context.fastmcp_context


class OwnTools(Middleware):
    """Puts our tools before FastMCP's way of running them; tools that are not ours go that way."""

    def __init__(self, calls: ToolCalls) -> None:
        self._calls = calls

    async def on_list_tools(
        self,
        context: MiddlewareContext[ListToolsRequest],
        call_next: CallNext[ListToolsRequest, Sequence[Tool]],
    ) -> Sequence[Tool]:
        """List only what is on offer to this caller."""
        access = access_of_request(_context(context).lifespan_context["services"])
        hidden = {name for name in self._calls.tools if not self._calls.offers(name, access)}
        return [tool for tool in await call_next(context) if tool.name not in hidden]

    async def on_call_tool(self, context: Call, call_next: NextCall) -> ToolResult:
        """Answer a call of one of our tools, or of none."""
        name = context.message.name
        if name not in self._calls.tools:
            try:
                return await call_next(context)
            except NotFoundError:
                pass  # ours is the better answer
        caller = caller_of(_context(context))
        answer = await self._calls.answer(name, context.message.arguments or {}, caller)
        return ToolResult(answer.content, answer.structured_content, is_error=answer.is_error)
