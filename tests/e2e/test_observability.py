"""Metrics, traces and log lines as Prometheus, a collector and people get them."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from luma_mcp.metrics import FAMILIES
from luma_mcp.sandbox.app import build_sandbox
from tests.e2e.processes import ROOT, UNTRACED, finished, serving_process
from tests.e2e.requirements import need_program
from tests.e2e.test_first_light import ERAS, call, connect
from tests.messages import SPAN_ID, TRACE_ID, TRACEPARENT
from tests.servers import bound_socket, product, serving

DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "luma-mcp.json"
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
KEY, AGENTS_KEY = "luma-ada-0123456789", "luma-api-ada-0123456789"
PROMPT = "A very private boat"
FAST = {"LUMA_MCP_SANDBOX_QUEUED_SECONDS": "0", "LUMA_MCP_SANDBOX_DREAMING_SECONDS": "0"}
# What is there only if the server has an engine.
ONLY_SHARED = {"Reachable"}


def free_port() -> int:
    with bound_socket() as free:
        return free.getsockname()[1]


@dataclass
class Collector:
    """Takes spans as a collector does (OTLP over HTTP)."""

    spans: list[Span] = field(default_factory=list)
    resources: list[dict[str, str]] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        for group in ExportTraceServiceRequest.FromString(await request.body()).resource_spans:
            self.resources.append(texts_of(group.resource.attributes))
            self.spans += [span for scope in group.scope_spans for span in scope.spans]
        return Response(media_type="application/x-protobuf")

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


def texts_of(attributes: Any) -> dict[str, str]:  # noqa: ANN401 - generated classes
    return {one.key: one.value.string_value for one in attributes}


@pytest.fixture
async def collector() -> AsyncIterator[tuple[Collector, str]]:
    collector = Collector()
    app = Starlette(routes=[Route("/v1/traces", collector.take, methods=["POST"])])
    async with serving(app) as url:
        yield collector, url


async def scraped(port: int) -> dict[str, float]:
    async with httpx.AsyncClient() as prometheus:
        text = (await prometheus.get(f"http://127.0.0.1:{port}/metrics")).text
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(number) for name, _, number in lines}


async def some_calls(url: str, era: str) -> None:
    """A job from its beginning to its end, an error, a resource and a prompt."""
    async with connect(f"{url}/mcp", KEY, era) as ada:
        meta = {"traceparent": TRACEPARENT}
        made = await ada.call_tool("create_generation", {"prompt": PROMPT}, meta=meta)
        job = {"generation_id": made.structured_content["id"]}
        await ada.call_tool("wait_for_generation", job)
        await call(ada, "create_generation", prompt=f"{PROMPT} [sandbox:http=503]")
        await call(ada, "no_such_tool")
        await ada.read_resource("luma://models")
        await ada.get_prompt("text_to_video", {"idea": PROMPT})


async def test_calls_of_both_eras_are_counted_traced_and_logged(
    collector: tuple[Collector, str],
) -> None:
    received, collector_url = collector
    port = free_port()
    settings = {
        "LUMA_MCP_METRICS_PORT": str(port),
        "LUMA_MCP_OTLP_ENDPOINT": collector_url,
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
    }
    options = ("--sandbox", "--log-format", "json")
    async with serving_process(*options, **settings, **FAST) as server:
        before = await scraped(port)
        for era in ERAS:
            await some_calls(server.url, era)
        after = await scraped(port)
        await server.stop()

    created = 'luma_mcp_calls_total{outcome="%s",tool="create_generation"}'
    assert created % "ok" not in before
    assert after[created % "ok"] == after[created % "unavailable"] == len(ERAS)
    assert after['luma_mcp_calls_total{outcome="invalid_request",tool="unknown"}'] == len(ERAS)
    operation = 'operation="POST /generations/video"'
    asked = f'luma_mcp_upstream_requests_total{{api="dream_machine",{operation},status="%s"}}'
    assert after[asked % "201"] == after[asked % "503"] == len(ERAS)
    assert after["luma_mcp_calls_in_progress"] == after["luma_mcp_waiters"] == 0

    (resource,) = {tuple(sorted(one.items())) for one in received.resources}
    assert dict(resource)["service.name"] == "luma-mcp"
    assert dict(resource)["deployment.environment.name"] == "test"
    parents = [
        span
        for span in received.named("tools/call create_generation")
        if span.trace_id.hex() == TRACE_ID
    ]
    assert [span.parent_span_id.hex() for span in parents] == [SPAN_ID] * len(ERAS)
    for parent in parents:
        (child,) = [
            span
            for span in received.named("POST /generations/video")
            if span.parent_span_id == parent.span_id
        ]
        assert (child.kind, child.trace_id) == (Span.SPAN_KIND_CLIENT, parent.trace_id)
    assert {"resources/read models", "prompts/get text_to_video", "tools/call unknown"} <= {
        span.name for span in received.spans
    }

    events = [json.loads(line) for line in server.log if line.startswith("{")]
    traced = [event for event in events if event.get("trace_id") == TRACE_ID]
    assert {event["span_id"] for event in traced if event["event"] == "call"} == {
        parent.span_id.hex() for parent in parents
    }
    told = "".join([*map(str, received.spans), *server.log, *after])
    for secret in (KEY, KEY.removeprefix("luma-"), PROMPT, "no_such_tool"):
        assert secret not in told


async def test_a_trace_may_come_in_a_header_and_is_logged_without_any_collector() -> None:
    """On both ways that a call can go: past the framework, and through it."""
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "ping", "arguments": {}},
    }
    with capture_logs(processors=[merge_contextvars]) as lines:
        async with product() as url, httpx.AsyncClient(base_url=url) as client:
            for accept in ("application/json, text/event-stream", "application/*, text/*"):
                headers = {"X-API-Key": KEY, "Accept": accept, "traceparent": TRACEPARENT}
                assert (await client.post("/mcp", json=message, headers=headers)).status_code == 200
    calls = [line for line in lines if line["event"] == "call"]
    assert [(line["trace_id"], line["span_id"]) for line in calls] == [(TRACE_ID, SPAN_ID)] * 2


async def test_a_port_that_is_taken_is_one_sentence() -> None:
    with bound_socket() as taken:
        taken.listen()
        port = str(taken.getsockname()[1])
        status, _, err = await finished("--port", "0", LUMA_MCP_METRICS_PORT=port)
    assert status == 2
    assert err == (
        f"luma-mcp: LUMA_MCP_METRICS_PORT: cannot listen on 127.0.0.1 port {port}: "
        "Address already in use.\n"
    )


@asynccontextmanager
async def prometheus(config: str, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Run Prometheus; gives a client of its API."""
    (folder / "prometheus.yml").write_text(config)
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async for line in process.stderr:
            if b"ready to receive web requests" in line:
                break
        url = f"http://127.0.0.1:{port}/api/v1"
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            yield client
    finally:
        process.terminate()
        await process.communicate()


async def result_of(client: httpx.AsyncClient, query: str) -> list[Any]:
    answer = (await client.get("/query", params={"query": query})).json()
    assert answer["status"] == "success", answer
    return answer["data"]["result"]


def panels() -> Iterator[tuple[str, str]]:
    """Every panel's title with each of its queries."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def queries() -> list[str]:
    """What the dashboard asks, and by what the alerts judge."""
    return [*(query for _, query in panels()), RULES.read_text()]


def test_the_dashboard_and_the_alerts_use_every_metric_and_no_other() -> None:
    words = re.findall(r"\b(?:luma_mcp|mcp_server)_\w+", "\n".join(queries()))
    used = {word.removesuffix("_bucket").removesuffix("_count") for word in words}
    assert used == set(FAMILIES)


async def test_prometheus_takes_the_files_that_are_deployed() -> None:
    need_program("promtool")
    config = RULES.parent / "prometheus.yml"
    process = await asyncio.create_subprocess_exec(
        *("promtool", "check", "config", config), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    assert b"rules found" in out


async def test_every_panel_shows_something_of_a_running_server(tmp_path: Path) -> None:
    need_program("prometheus")
    port = free_port()
    config = f"""
    global: {{scrape_interval: 200ms, evaluation_interval: 200ms}}
    rule_files: ["{RULES}"]
    scrape_configs:
      - job_name: luma-mcp
        static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
    """
    settings = {"LUMA_MCP_METRICS_PORT": str(port), **FAST, **UNTRACED}
    async with (
        serving_process("--sandbox", **settings) as server,
        prometheus(config, tmp_path) as client,
    ):
        await some_calls(server.url, ERAS[0])
        async with connect(f"{server.url}/mcp", AGENTS_KEY) as ada:
            await call(ada, "list_files")
        for title, query in panels():
            asked = query.replace("$instance", ".+").replace("$__rate_interval", "5m")
            while not await result_of(client, asked) and title not in ONLY_SHARED:
                pass  # not scraped twice yet; if it never is, the test runs out of time
        groups = (await client.get("/rules")).json()["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert len(rules) == RULES.read_text().count("- alert:")
        for rule in rules:
            assert rule["health"] != "err", rule
            await result_of(client, rule["query"])


async def test_workers_show_their_figures_together() -> None:
    port, calls = free_port(), 8
    async with serving(build_sandbox()) as sandbox:
        settings = {
            "LUMA_MCP_DREAM_MACHINE_URL": f"{sandbox}/dream-machine/v1",
            "LUMA_MCP_METRICS_PORT": str(port),
            "LUMA_MCP_WORKERS": "2",
            "LUMA_MCP_REDIS_URL": "redis://127.0.0.1:1",  # where nobody is
        }
        async with serving_process(**settings, **UNTRACED) as server:
            for _ in range(calls):  # each over a connection of its own, to whichever worker
                async with connect(f"{server.url}/mcp", KEY) as ada:
                    await call(ada, "get_credits")
            after = await scraped(port)
    assert after['luma_mcp_calls_total{outcome="ok",tool="get_credits"}'] == calls
    assert after["luma_mcp_upstream_slots"] == 2 * 512
    assert after["process_open_fds"] > 0
