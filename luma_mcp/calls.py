"""Requests, from their beginning to an answer: the log line, errors; and calls of tools."""

import math
import secrets
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from mcp.types import ContentBlock, TextContent
from pydantic import BaseModel
from structlog.contextvars import bound_contextvars

from luma_mcp.errors import Internal, KeyRejected, LumaMcpError, let_go
from luma_mcp.metrics import CANCELLED, OK, TOOL_ERROR, UNKNOWN
from luma_mcp.redaction import hiding, redact
from luma_mcp.services import Access, Caller
from luma_mcp.telemetry import get_logger
from luma_mcp.tools.arguments import no_such_tool
from luma_mcp.tools.definition import LumaTool
from luma_mcp.tracing import ids_of, note_failure
from luma_mcp.wording import count

_log = get_logger()
KEY_HASH_SHOWN = 12
_CALL = "tools/call"
# MCP's methods, by what the log calls such a request.
_METHODS = {
    "call": _CALL,
    "read": "resources/read",
    "prompt": "prompts/get",
    "completion": "completion/complete",
}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no answer; its texts are safe to show."""

    error: LumaMcpError
    request_id: str

    def lines(self) -> list[str]:
        """Say it in sentences for people."""
        error = self.error
        lines = [error.message]
        if error.advice:
            lines.append(error.advice)
        if error.generation_id:
            lines.append(f"The id of the job is {error.generation_id}.")
        if error.retry_after_seconds:
            lines.append(f"Try again in {count(math.ceil(error.retry_after_seconds), 'second')}.")
        return [*lines, f"Request id: {self.request_id}"]

    def fields(self) -> dict[str, str | bool | float | None]:
        """Give it for programs."""
        return self.error.fields(self.request_id)


async def answered(
    work: Coroutine[Any, Any, T], caller: Caller, event: str = "call", **what: str
) -> T | Trouble:
    """Do one request's work, write its line, and count and trace it.

    This is the one place where errors become answers: what does the work raises, nothing else
    catches.

    Args:
        work: Gives the answer.
        caller: Who asks.
        event: What kind of request it is, for the log.
        what: What is asked for, out of our own lists; no words of the caller's.
    """
    credentials, services = caller.access.credentials, caller.services
    request_id = secrets.token_hex(8)
    method, name = _METHODS[event], next(iter(what.values()), "")
    outcome, started = CANCELLED, time.perf_counter()
    with (
        services.under_way.call(),
        hiding(*(key.secret for key in credentials.keys)),
        services.tracing.operation(method, name, caller.trace, request_id) as span,
        bound_contextvars(request_id=request_id, **ids_of(span)),
    ):
        services.metrics.in_progress += 1
        try:
            answer: T | Trouble = await _within_limits(work, caller)
            outcome = OK
        except Exception as raised:  # noqa: BLE001 - the boundary: whatever it is, it is answered
            error = _meant_by(raised)
            outcome = error.code
            answer = Trouble(error, request_id)
            if isinstance(error, Internal):
                _log.error("fault", exc_info=raised)
            if isinstance(error, KeyRejected):
                caller.access.on_rejected_key()
            let_go(raised)
        finally:
            seconds = time.perf_counter() - started
            services.metrics.in_progress -= 1
            services.metrics.answered(method, name, outcome, seconds)
            if outcome != OK:
                note_failure(span, _error_type(method, outcome), outcome)
            _log.info(
                event,
                **what,
                outcome=outcome,
                ms=round(seconds * 1000, 1),
                key=credentials.principal[:KEY_HASH_SHOWN],
            )
    return answer


async def _within_limits(work: Coroutine[Any, Any, T], caller: Caller) -> T:
    """Do the work unless it is too much with one of the keys that came."""
    limits, keys = caller.services.limits, caller.fingerprints
    try:
        # Counted last, so that what is refused counts for nobody.
        async with limits.call_of(keys):
            await limits.check_call(keys)
            return await work
    finally:
        work.close()  # it may never have begun


def _error_type(method: str, outcome: str) -> str:
    """Name a failure by OpenTelemetry's conventions, by which a tool's errors are all alike."""
    return TOOL_ERROR if method == _CALL and outcome != CANCELLED else outcome


def _meant_by(raised: Exception) -> LumaMcpError:
    """Give the error to show, with nothing secret in it."""
    error = (
        raised
        if isinstance(raised, LumaMcpError)
        else Internal("This server has a fault; nothing is known to be wrong with your call.")
    )
    error.message = redact(error.message)
    error.advice = redact(error.advice) if error.advice else None
    return error


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call comes to: text and links for people, data for programs."""

    content: list[ContentBlock]
    structured_content: BaseModel | dict[str, Any]
    is_error: bool = False


class ToolCalls:
    """Carries every call of our tools from its arguments to an answer or an error."""

    def __init__(self, tools: Mapping[str, LumaTool]) -> None:
        self.tools = tools

    def offers(self, name: str, access: Access) -> bool:
        """Tell whether the tool is on offer to this caller."""
        tool = self.tools[name]
        return access.offers(tool.toolsets, reads_only=tool.reads_only)

    def check(self, name: str, access: Access) -> None:
        """Refuse a tool that is not on offer to this caller.

        Raises:
            RefusedByPolicy: Says which switch forbids it.
        """
        tool = self.tools[name]
        access.check(name, tool.toolsets, reads_only=tool.reads_only)

    async def answer(self, name: str, arguments: dict[str, Any], caller: Caller) -> Answer:
        """Run the call, and answer its error if it fails."""
        tool = name if name in self.tools else UNKNOWN
        answer = await answered(self._run(name, arguments, caller), caller, tool=tool)
        return _explain(answer) if isinstance(answer, Trouble) else answer

    def _names_for_models(self, access: Access) -> list[str]:
        tools = self.tools.items()
        return [name for name, tool in tools if self.offers(name, access) and not tool.is_for_pages]

    async def _run(self, name: str, arguments: dict[str, Any], caller: Caller) -> Answer:
        tool = self.tools.get(name)
        if tool is None:
            raise no_such_tool(name, self._names_for_models(caller.access))
        self.check(name, caller.access)
        result = await tool.answer(arguments, caller)
        return Answer(result.content(), result)


def _explain(trouble: Trouble) -> Answer:
    """Say the error in a few lines for people and in fields for programs."""
    content = TextContent(type="text", text="\n".join(trouble.lines()))
    return Answer([content], trouble.fields(), is_error=True)
