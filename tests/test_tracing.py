"""Spans: what they are part of, what they say, and that nothing of a caller's gets into one."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest
from fastmcp import Client
from hypothesis import given
from hypothesis import strategies as st
from mcp import MCPError
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode, format_trace_id
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from luma_mcp.mcp_server import build_mcp
from luma_mcp.settings import Settings
from luma_mcp.tracing import LAST_SPANS, Tracing, ids_of, note_status, open_tracing, trace_of
from tests.conftest import AGENTS_KEY, KEY
from tests.e2e.processes import finished
from tests.messages import SPAN_ID, TRACE_ID, TRACEPARENT
from tests.servers import misbehaving
from tests.services import access_with, open_services_over
from tests.tools.calls import JOB_ID, Upstream, call, data

GET = f"GET /dream-machine/v1/generations/{JOB_ID}"
SIGNED = "https://media.example/a.mp4?signature=s3cr3t-signature"
PROMPT = "A very private boat"
META = {"traceparent": TRACEPARENT}


class Spans:
    """What was traced, in the order in which it ended."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = Tracing(provider)

    @property
    def all(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all if span.name == name]


@pytest.fixture
def spans() -> Spans:
    return Spans()


@asynccontextmanager
async def client_over(
    upstream: ASGIApp, settings: Settings, spans: Spans, agents_key: str | None = None
) -> AsyncIterator[Client]:
    transport, access = httpx.ASGITransport(upstream), access_with(KEY, agents_key)
    server = build_mcp(
        lambda: open_services_over(transport, settings, access, tracing=spans.tracing)
    )
    async with Client(server) as client:
        yield client


async def test_a_call_is_a_span_and_what_it_asks_of_luma_are_spans_within(
    settings: Settings, spans: Spans
) -> None:
    upstream = Upstream({GET: {"id": JOB_ID, "state": "completed", "assets": {"video": SIGNED}}})
    async with client_over(upstream, settings, spans) as client:
        await client.call_tool("get_generation", {"generation_id": JOB_ID}, meta=META)
    asked, answered = spans.all
    assert (answered.name, answered.kind) == ("tools/call get_generation", SpanKind.SERVER)
    request_id = (answered.attributes or {})["luma_mcp.request_id"]
    assert dict(answered.attributes or {}) == {
        "mcp.method.name": "tools/call",
        "gen_ai.tool.name": "get_generation",
        "gen_ai.operation.name": "execute_tool",
        "luma_mcp.request_id": request_id,
    }
    assert answered.parent is not None
    assert format_trace_id(answered.parent.trace_id) == TRACE_ID
    assert answered.parent.span_id == int(SPAN_ID, 16)
    assert (asked.name, asked.kind) == ("GET /generations/{id}", SpanKind.CLIENT)
    assert asked.parent is not None
    assert asked.parent.span_id == answered.context.span_id
    assert asked.context.trace_id == answered.context.trace_id
    assert dict(asked.attributes or {}) == {
        "http.request.method": "GET",
        "url.template": "/generations/{id}",
        "server.address": "sandbox",
        "http.response.status_code": 200,
    }


async def test_a_call_that_fails_says_how_and_each_attempt_what_came(
    settings: Settings, spans: Spans
) -> None:
    upstream = Upstream({GET: JSONResponse({"detail": "Busy"}, 503)})
    async with client_over(upstream, settings, spans) as client:
        await call(client, "get_generation", generation_id=JOB_ID)
    *attempts, answered = spans.all
    attributes = dict(answered.attributes or {})
    assert (attributes["error.type"], attributes["luma_mcp.code"]) == ("tool_error", "unavailable")
    assert answered.status.status_code is StatusCode.ERROR
    assert answered.status.description is None
    assert answered.parent is None
    resends = [(span.attributes or {}).get("http.request.resend_count") for span in attempts]
    assert resends == [None, 1, 2]
    assert {(span.attributes or {})["error.type"] for span in attempts} == {"503"}
    assert {(span.attributes or {})["http.response.status_code"] for span in attempts} == {503}


async def test_resources_prompts_and_unknown_tools_are_named_from_our_own_lists(
    settings: Settings, spans: Spans
) -> None:
    async with client_over(Upstream(), settings, spans) as client:
        await client.read_resource("luma://models")
        await client.get_prompt("text_to_video", {"idea": PROMPT})
        await call(client, "words of a caller")
        with pytest.raises(MCPError):
            await client.read_resource(f"luma://generations/{JOB_ID}")
    assert [span.name for span in spans.all if span.kind is SpanKind.SERVER] == [
        "resources/read models",
        "prompts/get text_to_video",
        "tools/call unknown",
        "resources/read generation",
    ]
    (prompt,) = spans.named("prompts/get text_to_video")
    assert (prompt.attributes or {})["gen_ai.prompt.name"] == "text_to_video"
    assert (spans.all[-1].attributes or {})["error.type"] == "not_found"


async def test_no_span_holds_a_key_a_prompt_or_a_signed_link(
    settings: Settings, spans: Spans, sandbox: ASGIApp
) -> None:
    async with client_over(sandbox, settings, spans, AGENTS_KEY) as client:
        made = await data(client, "create_generation", prompt=PROMPT)
        await call(client, "wait_for_generation", generation_id=made["id"], timeout_seconds=1)
        await call(
            client, "create_generation", prompt=PROMPT, keyframes={"frame0": {"url": SIGNED}}
        )
        await call(client, "generate_image", prompt=PROMPT, model="uni-1", image_refs=[SIGNED])
        await call(client, "create_generation", prompt=f"{PROMPT} [sandbox:http=500]")
        await call(client, PROMPT, generation_id=SIGNED)
        await client.get_prompt("text_to_video", {"idea": f"{PROMPT} {SIGNED}"})
    assert len(spans.all) > 8
    told = "".join(span.to_json() for span in spans.all)
    for secret in (KEY, AGENTS_KEY, PROMPT, "signature", made["id"], "sandbox:http"):
        assert secret not in told


def test_an_attempt_without_an_answer_says_in_a_word_how_it_ended(spans: Spans) -> None:
    attempt = spans.tracing.attempt("GET", "/ping", "luma", 8443, 1)
    note_status(attempt, "reset")
    attempt.end()
    (span,) = spans.all
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "url.template": "/ping",
        "server.address": "luma",
        "server.port": 8443,
        "error.type": "reset",
    }


async def test_without_a_collector_no_span_is_made_and_the_trace_is_still_known() -> None:
    tracing = Tracing()
    parent = trace_of(META)
    with tracing.operation("tools/call", "ping", parent, "1") as span:
        assert not span.is_recording()
        assert ids_of(span) == {"trace_id": TRACE_ID, "span_id": SPAN_ID}
        assert tracing.attempt("GET", "/ping", "luma", None, 1) is INVALID_SPAN
    with tracing.operation("tools/call", "ping", None, "1") as span:
        assert ids_of(span) == {}
    await tracing.close()


def test_the_trace_of_the_message_comes_before_that_of_the_request() -> None:
    other = TRACEPARENT.replace(SPAN_ID, "1" * 16)
    found = trace_of({"traceparent": TRACEPARENT, "tracestate": "a=1"}, {"traceparent": other})
    assert found is not None
    assert (found.span_id, found.trace_state.get("a")) == (int(SPAN_ID, 16), "1")
    for nothing in (None, {}, {"traceparent": "broken"}, {"traceparent": 1}):
        found = trace_of(nothing, {"traceparent": other})
        assert found is not None
        assert found.span_id == 0x1111111111111111


BROKEN = (
    st.none()
    | st.integers()
    | st.text()
    | st.lists(st.text())
    | st.from_regex(r"00-0{32}-[0-9a-f]{16}-01", fullmatch=True)
    | st.from_regex(r"ff-[0-9a-f]{32}-[0-9a-f]{16}-01", fullmatch=True)
    | st.from_regex(r"00-[0-9a-f]{31}-[0-9a-f]{16}-01", fullmatch=True)
    | st.from_regex(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01-.*", fullmatch=True)
)


@given(parent=BROKEN, state=st.none() | st.text() | st.integers())
def test_a_broken_trace_is_ignored(parent: object, state: object) -> None:
    assert trace_of({"traceparent": parent, "tracestate": state}) is None
    whole = trace_of({"traceparent": TRACEPARENT, "tracestate": state})
    assert whole is not None
    assert whole.span_id == int(SPAN_ID, 16)


async def test_only_who_sends_spans_needs_the_libraries() -> None:
    lines = (
        "import sys",
        "sys.modules['opentelemetry.sdk'] = None",
        "sys.modules['opentelemetry.exporter'] = None",
        "from luma_mcp.settings import load_settings",
        "from luma_mcp.tracing import open_tracing",
        "open_tracing(load_settings())",
        "open_tracing(load_settings(otlp_endpoint='http://collector:4318'))",
    )
    status, _, err = await finished("-c", "\n".join(lines), program=())
    assert status == 1
    assert err.splitlines()[-1] == (
        "luma_mcp.settings.SettingError: LUMA_MCP_OTLP_ENDPOINT needs the OpenTelemetry "
        'libraries. Install the server with its extra "otlp": pip install ".[otlp]" in its source.'
    )


async def test_a_collector_that_does_not_answer_does_not_keep_the_process(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("luma_mcp.tracing.FLUSH_SECONDS", 0.0)
    asked, ended = asyncio.Event(), asyncio.Event()

    async def never_answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await ended.wait()
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with misbehaving(never_answer) as url:
        tracing = open_tracing(settings.model_copy(update={"otlp_endpoint": url}))
        with tracing.operation("tools/call", "ping", None, "1") as span:
            assert span.is_recording()
        await tracing.close()
        await asked.wait()
        ended.set()
        # Whose error would be logged in the middle of another test.
        for thread in threading.enumerate():
            if thread.name == LAST_SPANS:
                await asyncio.to_thread(thread.join)
