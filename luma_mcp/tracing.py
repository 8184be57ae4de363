"""Spans for a collector, where the operator has one, and the trace that a request is part of.

They follow OpenTelemetry's conventions for MCP and HTTP clients. No argument, prompt, URL or key
gets into one, and nothing of a trace is sent to Luma.
"""

import asyncio
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    format_span_id,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from luma_mcp import __version__
from luma_mcp.settings import SettingError, Settings, variable_name
from luma_mcp.wording import install_extra

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SERVICE_NAME = "luma-mcp"
# How long the last spans may take to reach the collector when the process ends.
FLUSH_SECONDS = 3.0
LAST_SPANS = "last spans"
_SETTING = variable_name("otlp_endpoint")
_W3C = TraceContextTextMapPropagator()
# What an attempt at Luma is part of. Not OpenTelemetry's own, which the SDK of MCP uses as well.
_current: ContextVar[Context | None] = ContextVar("current_span", default=None)


def trace_of(*carriers: Mapping[str, Any] | None) -> SpanContext | None:
    """Read the trace that a request is part of (W3C Trace Context), from the first that tells.

    Args:
        carriers: Where it may stand: the request's `_meta`, its headers.
    """
    for carrier in carriers:
        parent = carrier.get("traceparent") if carrier else None
        if carrier and isinstance(parent, str):
            state = carrier.get("tracestate")
            fields = {"traceparent": parent, "tracestate": state if isinstance(state, str) else ""}
            found = get_current_span(_W3C.extract(fields, Context())).get_span_context()
            if found.is_valid:
                return found
    return None


def ids_of(span: Span) -> dict[str, str]:
    """Name the trace for log lines, and the span in it; nothing outside of any trace."""
    context = span.get_span_context()
    if not context.is_valid:
        return {}
    return {
        "trace_id": format_trace_id(context.trace_id),
        "span_id": format_span_id(context.span_id),
    }


class Tracing:
    """Makes spans, if there is anything to send them to.

    Args:
        provider: Sends them; not OpenTelemetry's global one, of which there is one for good.
    """

    def __init__(self, provider: "TracerProvider | None" = None) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("luma_mcp", __version__) if provider else None

    def operation(
        self, method: str, name: str, parent: SpanContext | None, request_id: str
    ) -> AbstractContextManager[Span]:
        """Cover an operation of MCP.

        Args:
            method: Which one, such as `tools/call`.
            name: What is called, read or asked for, out of our own lists.
            parent: What it is part of.
            request_id: Ours.
        """
        before = NonRecordingSpan(parent) if parent else INVALID_SPAN
        if self._tracer is None:
            return nullcontext(before)
        span = self._tracer.start_span(
            f"{method} {name}".rstrip(),
            set_span_in_context(before, Context()),
            SpanKind.SERVER,
            {"mcp.method.name": method, "luma_mcp.request_id": request_id, **_target(method, name)},
        )
        return _covered_by(span)

    def attempt(self, method: str, route: str, host: str, port: int | None, number: int) -> Span:
        """Begin to cover one attempt at Luma.

        Args:
            method: Of HTTP.
            route: The template of the path; no id.
            host: Where Luma is.
            port: Likewise.
            number: Which attempt it is, from 1.
        """
        if self._tracer is None:
            return INVALID_SPAN
        again = {"http.request.resend_count": number - 1} if number > 1 else {}
        return self._tracer.start_span(
            f"{method} {route}",
            _current.get() or Context(),
            SpanKind.CLIENT,
            {
                "http.request.method": method,
                "url.template": route,
                "server.address": host,
                **({"server.port": port} if port else {}),
                **again,
            },
        )

    async def close(self) -> None:
        """Send what is left, but do not wait long for a collector that does not answer."""
        if self._provider is None:
            return
        sent, loop = asyncio.Event(), asyncio.get_running_loop()
        # A thread of its own: the end of the loop would wait for one of the loop's.
        threading.Thread(
            name=LAST_SPANS, target=_shut_down, args=(self._provider, loop, sent.set), daemon=True
        ).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                await sent.wait()


@contextmanager
def _covered_by(span: Span) -> Generator[Span]:
    """Let the span cover the block, with the attempts at Luma in it."""
    token = _current.set(set_span_in_context(span, Context()))
    try:
        yield span
    finally:
        _current.reset(token)
        span.end()


def _shut_down(
    provider: "TracerProvider", loop: asyncio.AbstractEventLoop, tell: Callable[[], None]
) -> None:
    provider.shutdown()
    with suppress(RuntimeError):  # the loop did not wait any longer
        loop.call_soon_threadsafe(tell)


def _target(method: str, name: str) -> dict[str, str]:
    if method == "tools/call":
        return {"gen_ai.tool.name": name, "gen_ai.operation.name": "execute_tool"}
    return {"gen_ai.prompt.name": name} if method == "prompts/get" else {}


def note_failure(span: Span, error_type: str, code: str | None = None) -> None:
    """Write into a span that what it covers failed; no text, which could hold foreign words."""
    if not span.is_recording():
        return
    span.set_attribute("error.type", error_type)
    if code:
        span.set_attribute("luma_mcp.code", code)
    span.set_status(Status(StatusCode.ERROR))


def note_status(span: Span, status: str) -> None:
    """Write into a span what came of an attempt: a status of HTTP, or a word."""
    if not span.is_recording():
        return
    if status.isdecimal():
        span.set_attribute("http.response.status_code", int(status))
    if not status.isdecimal() or int(status) >= 400:  # noqa: PLR2004 - errors of HTTP begin there
        note_failure(span, status)


def open_tracing(settings: Settings) -> Tracing:
    """Prepare to send spans to the operator's collector; without one none are made.

    Raises:
        SettingError: The libraries for it are not installed.
    """
    if settings.otlp_endpoint is None:
        return Tracing()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - an extra, maybe missing
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise SettingError(
            f"{_SETTING} needs the OpenTelemetry libraries. {install_extra('otlp')}"
        ) from error
    own = Resource.create({"service.name": SERVICE_NAME, "service.version": __version__})
    # What the operator says in OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES wins.
    provider = TracerProvider(
        resource=own.merge(OTELResourceDetector().detect()), shutdown_on_exit=False
    )
    exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Tracing(provider)
