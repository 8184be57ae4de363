"""One tool call, from its arguments to its answer: the switches, the log line, errors."""

import math
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp.types import ContentBlock, TextContent
from pydantic import BaseModel
from structlog.contextvars import bound_contextvars

from luma_mcp.errors import Internal, KeyRejected, LumaMcpError, let_go
from luma_mcp.redaction import hiding, redact
from luma_mcp.services import Access, Caller
from luma_mcp.telemetry import get_logger
from luma_mcp.tools.arguments import no_such_tool
from luma_mcp.tools.definition import LumaTool
from luma_mcp.wording import count

_log = get_logger()
KEY_HASH_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call comes to: text and links for people, data for programs."""

    content: list[ContentBlock]
    structured_content: BaseModel | dict[str, Any]
    is_error: bool = False


class ToolCalls:
    """Carries every call of our tools from its arguments to an answer or an error, and logs it.

    This is the one place where errors become answers: tools raise, nothing else catches.
    """

    def __init__(self, tools: Mapping[str, LumaTool]) -> None:
        self.tools = tools

    def offers(self, name: str, access: Access) -> bool:
        """Tell whether the tool is on offer to this caller."""
        tool = self.tools[name]
        return access.offers(tool.toolsets, reads_only=tool.reads_only)

    async def answer(self, name: str, arguments: dict[str, Any], caller: Caller) -> Answer:
        """Run the call, answer its error if it fails, and write its line."""
        credentials = caller.access.credentials
        request_id = secrets.token_hex(8)
        outcome, started = "cancelled", time.perf_counter()
        with (
            caller.services.under_way.call(),
            hiding(*(key.secret for key in credentials.keys)),
            bound_contextvars(request_id=request_id),
        ):
            try:
                answer = await self._run(name, arguments, caller)
                outcome = "ok"
            except Exception as raised:  # noqa: BLE001 - the boundary: whatever it is, it is answered
                error = _meant_by(raised)
                outcome = error.code
                answer = _explain(error, request_id)
                if isinstance(error, Internal):
                    _log.error("fault", exc_info=raised)
                if isinstance(error, KeyRejected):
                    caller.access.on_rejected_key()
                let_go(raised)
            finally:
                _log.info(
                    "call",
                    tool=name if name in self.tools else "unknown",
                    outcome=outcome,
                    ms=round((time.perf_counter() - started) * 1000, 1),
                    key=credentials.principal[:KEY_HASH_SHOWN],
                )
        return answer

    async def _run(self, name: str, arguments: dict[str, Any], caller: Caller) -> Answer:
        tool = self.tools.get(name)
        if tool is None:
            raise no_such_tool(name, [one for one in self.tools if self.offers(one, caller.access)])
        caller.access.check(name, tool.toolsets, reads_only=tool.reads_only)
        result = await tool.answer(arguments, caller)
        return Answer(result.content(), result)


def _meant_by(raised: Exception) -> LumaMcpError:
    if isinstance(raised, LumaMcpError):
        return raised
    return Internal("This server has a fault; nothing is known to be wrong with your call.")


def _explain(error: LumaMcpError, request_id: str) -> Answer:
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
    return Answer([content], error.fields(request_id), is_error=True)
