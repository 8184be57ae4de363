"""Resources, prompts and completions within FastMCP: listed as the caller may use them, answered.

Errors go their way as errors of the protocol, in our words. They are raised here, in front of
FastMCP's own way, which would log each with its traceback and tell less.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from fastmcp import Context, FastMCP
from fastmcp.prompts import Prompt, PromptResult
from fastmcp.resources import Resource, ResourceContent, ResourceResult, ResourceTemplate
from fastmcp.server.dependencies import get_context
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from mcp import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CompletionArgument,
    CompletionContext,
    GetPromptRequestParams,
    ListPromptsRequest,
    ListResourcesRequest,
    ListResourceTemplatesRequest,
    PromptReference,
    ReadResourceRequestParams,
    ReadResourceResult,
    ResourceTemplateReference,
)

from luma_mcp import prompts, resources
from luma_mcp.calls import ToolCalls, Trouble, answered
from luma_mcp.completions import beginning, ids, values_for
from luma_mcp.errors import InvalidRequest, NotFound, RefusedByPolicy
from luma_mcp.prompts import LumaPrompt
from luma_mcp.resources import Reading
from luma_mcp.services import Access, Caller
from luma_mcp.tools.caller import access_of_request, caller_of

# What a caller can mend in the request. The specification knows only one other code, and since
# 2026-07-28 the first one stands for what is not found as well (SEP-2164).
_OF_THE_REQUEST = (InvalidRequest, NotFound, RefusedByPolicy)

Read = MiddlewareContext[ReadResourceRequestParams]
Get = MiddlewareContext[GetPromptRequestParams]
Reference = PromptReference | ResourceTemplateReference
_COMPLETE = "completion/complete"
# Whether the completion under way has come as far as our handler.
_is_ours: ContextVar[bool] = ContextVar("is_ours", default=False)


def _refusal(trouble: Trouble, **where: str) -> MCPError:
    code = INVALID_PARAMS if isinstance(trouble.error, _OF_THE_REQUEST) else INTERNAL_ERROR
    return MCPError(code, "\n".join(trouble.lines()), {**trouble.fields(), **where})


class _Kept(ResourceResult):
    """What was read, with how long a client may keep it (protocol 2026-07-28)."""

    fresh_seconds: int = 0

    def to_mcp_result(self, uri: object) -> ReadResourceResult:
        """Add it to the answer."""
        result = super().to_mcp_result(str(uri))
        if not self.fresh_seconds:
            return result
        keeping = {"ttl_ms": self.fresh_seconds * 1000, "cache_scope": "public"}
        return result.model_copy(update=keeping)


class OwnOffers(Middleware):
    """Puts our resources and prompts before FastMCP's way with them; others go that way."""

    def __init__(self, calls: ToolCalls) -> None:
        self._calls = calls
        self._readings = {one.address: one for one in resources.ALL}
        self._prompts = {one.name: one for one in prompts.ALL}

    def find(self, uri: str) -> tuple[Reading, dict[str, str]] | None:
        """Find what a URI leads to, and what stands in it."""
        matches = ((one, one.match(uri)) for one in self._readings.values())
        return next(((one, where) for one, where in matches if where is not None), None)

    def offers(self, name: str, access: Access) -> bool:
        """Tell whether every tool that a prompt needs is on offer to this caller."""
        return all(self._calls.offers(tool, access) for tool in self._prompts[name].plan.tools())

    async def on_list_resources(
        self,
        context: MiddlewareContext[ListResourcesRequest],
        call_next: CallNext[ListResourcesRequest, Sequence[Resource]],
    ) -> Sequence[Resource]:
        """List only what is on offer to this caller."""
        hidden = self._hidden_addresses()
        return [one for one in await call_next(context) if str(one.uri) not in hidden]

    async def on_list_resource_templates(
        self,
        context: MiddlewareContext[ListResourceTemplatesRequest],
        call_next: CallNext[ListResourceTemplatesRequest, Sequence[ResourceTemplate]],
    ) -> Sequence[ResourceTemplate]:
        """List only what is on offer to this caller."""
        hidden = self._hidden_addresses()
        return [one for one in await call_next(context) if one.uri_template not in hidden]

    async def on_list_prompts(
        self,
        context: MiddlewareContext[ListPromptsRequest],
        call_next: CallNext[ListPromptsRequest, Sequence[Prompt]],
    ) -> Sequence[Prompt]:
        """List only what is on offer to this caller."""
        access = _access(get_context())
        hidden = {name for name in self._prompts if not self.offers(name, access)}
        return [one for one in await call_next(context) if one.name not in hidden]

    async def on_read_resource(
        self, context: Read, call_next: CallNext[ReadResourceRequestParams, ResourceResult]
    ) -> ResourceResult:
        """Read one of our resources."""
        uri = str(context.message.uri)
        found = self.find(uri)
        if found is None:
            return await call_next(context)
        reading, where = found
        caller = caller_of(get_context())
        name = reading.listed.name
        text = await answered(reading.text(caller, **where), caller, "read", resource=name)
        if isinstance(text, Trouble):
            raise _refusal(text, uri=uri)
        result = _Kept([ResourceContent(text, mime_type=reading.listed.mime_type)])
        result.fresh_seconds = reading.fresh_seconds
        return result

    async def on_get_prompt(
        self, context: Get, call_next: CallNext[GetPromptRequestParams, PromptResult]
    ) -> PromptResult:
        """Fill in one of our prompts."""
        prompt = self._prompts.get(context.message.name)
        if prompt is None:
            return await call_next(context)
        caller = caller_of(get_context())
        work = self._fill_in(prompt, context.message.arguments or {}, caller)
        result = await answered(work, caller, "prompt", prompt=prompt.name)
        if isinstance(result, Trouble):
            raise _refusal(result)
        return result

    async def on_request(
        self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]
    ) -> Any:  # noqa: ANN401 - the answer of any method
        """Log and limit a completion that FastMCP answers by itself.

        FastMCP does so, with nothing, where there is no such prompt or template.
        """
        if context.method != _COMPLETE:
            return await call_next(context)
        token = _is_ours.set(False)
        try:
            result = await call_next(context)
            if not _is_ours.get():
                ref = context.message["ref"]["type"]
                await answered(_nothing(), caller_of(get_context()), "completion", ref=ref)
        finally:
            _is_ours.reset(token)
        return result

    async def complete(
        self, ref: Reference, argument: CompletionArgument, given: dict[str, str], caller: Caller
    ) -> list[str]:
        """Propose values; none where there are none, or Luma is in trouble."""
        _is_ours.set(True)
        work = self._values(ref, argument.name, given, caller)
        values = await answered(work, caller, "completion", ref=ref.type)
        return [] if isinstance(values, Trouble) else beginning(values, argument.value)

    async def _fill_in(
        self, prompt: LumaPrompt, arguments: dict[str, str], caller: Caller
    ) -> PromptResult:
        for tool in prompt.plan.tools():
            self._calls.check(tool, caller.access)
        return await prompt.answer(arguments, caller)

    async def _values(
        self, ref: Reference, argument: str, given: dict[str, str], caller: Caller
    ) -> Sequence[str]:
        if isinstance(ref, ResourceTemplateReference):
            reading = self._readings.get(ref.uri)
            is_ours = reading is not None and ref.uri == resources.GENERATION
            return await ids(caller) if is_ours and argument == "id" else ()
        prompt = self._prompts.get(ref.name)
        if prompt is None or not self.offers(prompt.name, caller.access):
            return ()
        return await values_for(prompt.plan, argument, given, caller)

    def _hidden_addresses(self) -> set[str]:
        access = _access(get_context())
        return {name for name, one in self._readings.items() if not one.is_on_offer(access)}


async def _nothing() -> None:
    """Do no work."""


def _access(context: Context) -> Access:
    return access_of_request(context.lifespan_context["services"])


def add_offers(server: FastMCP, calls: ToolCalls) -> None:
    """Let a server offer them."""
    own = OwnOffers(calls)
    server.add_middleware(own)
    for reading in resources.ALL:
        if isinstance(reading.listed, ResourceTemplate):
            server.add_template(reading.listed)
        else:
            server.add_resource(reading.listed)
    for prompt in prompts.ALL:
        server.add_prompt(prompt)

    async def complete(
        ref: Reference, argument: CompletionArgument, context: CompletionContext | None
    ) -> list[str]:
        given = (context.arguments if context else None) or {}
        return await own.complete(ref, argument, given, caller_of(get_context()))

    server.add_completion_handler(complete)
