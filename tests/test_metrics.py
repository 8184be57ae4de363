"""What is counted, and that no caller gets words of its own into a label."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import httpx
import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from luma_mcp.calls import ToolCalls
from luma_mcp.errors import LumaMcpError
from luma_mcp.luma.agents import Agents
from luma_mcp.luma.agents_models import CreateFile, CreateGeneration
from luma_mcp.luma.apis import AGENTS, DREAM_MACHINE
from luma_mcp.luma.dream_machine import DreamMachine
from luma_mcp.luma.dream_machine_models import (
    AddAudio,
    CreateImage,
    CreateVideo,
    ModifyVideo,
    ReframeImage,
    ReframeVideo,
    Upscale,
)
from luma_mcp.luma.sending import Call, Witness
from luma_mcp.luma.transport import BearerKey
from luma_mcp.metrics import (
    ENDS,
    FAMILIES,
    LIMITS,
    METHODS,
    Metrics,
    expose,
    open_metrics,
    shared_directory,
)
from luma_mcp.services import Caller, Services
from luma_mcp.settings import SettingError, Settings, load_settings, shared_metrics_directory
from luma_mcp.tools import build_tools
from luma_mcp.tracing import Tracing
from tests.conftest import AGENTS_KEY, KEY
from tests.counting import counting_worker
from tests.luma.upstream import Line, Scene, answering, open_sender, playing
from tests.servers import bound_socket
from tests.services import access_with, open_services_over
from tests.tools.calls import JOB_ID, Upstream

MEDIA = {"url": "https://media.example/a.mp4"}
Labels = dict[str, str]


def series(registry: CollectorRegistry, name: str) -> list[tuple[Labels, float]]:
    """Every sample of a name, with its labels."""
    samples = [sample for family in registry.collect() for sample in family.samples]
    return [(sample.labels, sample.value) for sample in samples if sample.name == name]


def labels_of(metrics: Metrics, name: str, label: str) -> set[str]:
    return {labels[label] for labels, _ in series(metrics.registry, name)}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    async with open_services_over(httpx.ASGITransport(Upstream()), settings) as opened:
        yield opened


async def test_every_operation_of_luma_is_counted_by_its_template(services: Services) -> None:
    machine = DreamMachine(services.dream_machine, KEY)
    agents = Agents(services.agents, AGENTS_KEY)
    file = CreateFile(purpose="input", mime_type="image/png", size_bytes=1, filename="a")
    work: list[Callable[[], Awaitable[object]]] = [
        machine.ping,
        partial(machine.create_video, CreateVideo(model="ray-2", prompt="a")),
        partial(machine.create_image, CreateImage(model="photon-1", prompt="a")),
        partial(
            machine.reframe_image, ReframeImage(model="photon-1", media=MEDIA, aspect_ratio="1:1")
        ),
        partial(
            machine.reframe_video, ReframeVideo(model="ray-2", media=MEDIA, aspect_ratio="1:1")
        ),
        partial(machine.modify_video, ModifyVideo(model="ray-2", media=MEDIA, mode="flex_1")),
        partial(machine.upscale, JOB_ID, Upscale(resolution="1080p")),
        partial(machine.add_audio, JOB_ID, AddAudio(prompt="a")),
        partial(machine.get_generation, JOB_ID),
        partial(machine.list_generations, 1, 0),
        partial(machine.delete_generation, JOB_ID),
        machine.get_credits,
        machine.list_concepts,
        machine.list_camera_motions,
        partial(agents.create, CreateGeneration(type="image", model="uni-1", prompt="a")),
        partial(agents.get_generation, f"agents:{JOB_ID}"),
        partial(agents.begin_upload, file),
        partial(agents.complete_upload, JOB_ID),
        partial(agents.get_file, JOB_ID),
        partial(agents.list_files, 1),
        partial(agents.delete_file, JOB_ID),
    ]
    for one in work:
        with pytest.raises(LumaMcpError):
            await one()
    counted = series(services.metrics.registry, "luma_mcp_upstream_requests_total")
    assert {(labels["api"], labels["operation"]) for labels, _ in counted} == {
        *(("dream_machine", operation) for operation in OPERATIONS[DREAM_MACHINE.name]),
        *(("agents", operation) for operation in OPERATIONS[AGENTS.name]),
    }
    assert {(labels["status"], count) for labels, count in counted} == {("404", 1.0)}


OPERATIONS = {
    "dream_machine": {
        "GET /ping",
        "POST /generations/video",
        "POST /generations/image",
        "POST /generations/image/reframe",
        "POST /generations/video/reframe",
        "POST /generations/video/modify",
        "POST /generations/{id}/upscale",
        "POST /generations/{id}/audio",
        "GET /generations/{id}",
        "GET /generations",
        "DELETE /generations/{id}",
        "GET /credits",
        "GET /generations/concepts/list",
        "GET /generations/camera_motion/list",
    },
    "agents": {
        "POST /generations",
        "GET /generations/{id}",
        "POST /files",
        "POST /files/{id}/complete",
        "GET /files/{id}",
        "GET /files",
        "DELETE /files/{id}",
    },
}


async def _hung_up(line: Line) -> None:
    await line.hear()
    line.reset()


@pytest.mark.parametrize(
    ("scene", "end"),
    [
        (answering(200, {"id": JOB_ID}), "200"),
        (answering(299, {}), "2xx"),
        (answering(403, {"detail": "No"}), "403"),
        (answering(200, b"{", length=9), "broken"),
        (Line.stall, "timeout"),
        (_hung_up, "reset"),
    ],
    ids=["success", "unheard of", "refusal", "broken off", "silence", "reset"],
)
async def test_an_attempt_is_counted_by_how_it_ended(scene: Scene, end: str) -> None:
    metrics = Metrics()
    async with (
        playing(scene) as upstream,
        open_sender(
            upstream.url, timeout_seconds=0.3, witness=Witness(metrics, Tracing())
        ) as sender,
    ):
        call = Call("GET", "/generations/{id}", attempts=1, id=JOB_ID)
        try:
            await sender.send(call, BearerKey(KEY))
        except LumaMcpError:
            assert end != "200"
    ((labels, count),) = series(metrics.registry, "luma_mcp_upstream_requests_total")
    assert labels == {
        "api": "dream_machine",
        "operation": "GET /generations/{id}",
        "status": end,
    }
    assert count == 1
    assert (sender.queued, sender.running) == (0, 0)


async def test_what_never_reached_luma_is_counted_as_refused() -> None:
    metrics = Metrics()
    with bound_socket() as nobody:  # bound, but nobody listens
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        async with open_sender(url, witness=Witness(metrics, Tracing())) as sender:
            with pytest.raises(LumaMcpError):
                await sender.send(Call("GET", "/ping"), BearerKey(KEY))
    assert value(
        metrics,
        "luma_mcp_upstream_requests_total",
        api="dream_machine",
        operation="GET /ping",
        status="refused",
    ) == pytest.approx(3)


@given(status=st.text() | st.integers(0, 10**6).map(str) | st.sampled_from(sorted(ENDS)))
def test_a_status_is_a_code_that_exists_a_class_of_codes_or_one_of_few_words(status: str) -> None:
    metrics = Metrics()
    metrics.asked("agents", "GET /files", status, 0.1)
    for folded in labels_of(metrics, "luma_mcp_upstream_requests_total", "status"):
        assert folded in ENDS or folded == "unknown" or re.fullmatch(r"[1-9](\d\d|xx)", folded)


CALLS = ToolCalls(build_tools())
NAMES = st.lists(st.text(max_size=40), min_size=5, max_size=20)


@hypothesis.settings(max_examples=10)
@given(names=NAMES)
async def test_whatever_callers_name_no_label_says_it(names: list[str]) -> None:
    """Tools go the way of every call; methods and limits are folded by the metrics."""
    settings = load_settings(dream_machine_url="http://luma.test", agents_url="http://luma.test")
    async with open_services_over(httpx.ASGITransport(Upstream()), settings) as services:
        caller = Caller(services, access_with(KEY))
        for name in names:
            await CALLS.answer(name, {}, caller)
            await CALLS.answer("create_generation", {"model": name, "prompt": "A boat"}, caller)
            services.metrics.answered(name, "ping", "ok", 0.1)
            services.metrics.limited(name)
    metrics = services.metrics
    assert labels_of(metrics, "luma_mcp_calls_total", "tool") == {"unknown", "create_generation"}
    operations = "mcp_server_operation_duration_seconds_count"
    assert labels_of(metrics, operations, "gen_ai_tool_name") <= {*CALLS.tools, "unknown", ""}
    assert labels_of(metrics, operations, "mcp_method_name") <= METHODS | {"unknown"}
    assert labels_of(metrics, operations, "error_type") <= {"", "tool_error"}
    assert labels_of(metrics, "luma_mcp_limits_hit_total", "limit") == set(LIMITS)
    assert series(metrics.registry, "luma_mcp_jobs_created_total") == []


def test_an_operation_is_counted_by_the_conventions_and_by_our_codes() -> None:
    metrics = Metrics()
    for outcome in ("ok", "ok", "not_found", "cancelled"):
        metrics.answered("tools/call", "ping", outcome, 0.3)
    metrics.answered("resources/read", "models", "not_found", 0.3)
    counts = series(metrics.registry, "mcp_server_operation_duration_seconds_count")
    assert {tuple(labels.values()): count for labels, count in counts} == {
        ("tools/call", "ping", ""): 2,
        ("tools/call", "ping", "tool_error"): 1,
        ("tools/call", "ping", "cancelled"): 1,
        ("resources/read", "", "not_found"): 1,
    }
    assert {
        (labels["tool"], labels["outcome"]): count
        for labels, count in series(metrics.registry, "luma_mcp_calls_total")
    } == {("ping", "ok"): 2, ("ping", "not_found"): 1, ("ping", "cancelled"): 1}


def test_jobs_are_counted_with_their_estimates_where_there_are_any() -> None:
    metrics = Metrics()
    metrics.ordered("ray-2", 0.71)
    metrics.ordered("ray-2", None)
    metrics.replayed()
    assert value(metrics, "luma_mcp_jobs_created_total", model="ray-2") == 2
    assert value(metrics, "luma_mcp_jobs_created_usd_total", model="ray-2") == 0.71
    assert value(metrics, "luma_mcp_replays_total") == 1


def test_counting_never_breaks_what_is_counted() -> None:
    metrics = Metrics()
    metrics.answered("tools/call", "ping", "ok", None)
    metrics.limited("no such limit")
    metrics.ordered("ray-2", -1)


def test_every_metric_has_a_meaning_and_a_name_by_the_rules() -> None:
    for name, family in FAMILIES.items():
        assert family.meaning.endswith(".")
        assert name.endswith("_total") == (family.kind == "counter")


async def test_gauges_are_read_from_the_services(services: Services) -> None:
    async with services.metrics.reading(services.readings):
        assert value(services.metrics, "luma_mcp_upstream_slots") == 512
        assert value(services.metrics, "luma_mcp_draining") == 0
        services.stop()
        assert value(services.metrics, "luma_mcp_draining") == 1
        assert value(services.metrics, "luma_mcp_shared_store_up") is None
        assert value(services.metrics, "luma_mcp_calls_in_progress") == 0


def test_a_port_that_is_taken_stops_the_start_with_one_sentence() -> None:
    with bound_socket() as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingError) as raised:
            open_metrics(load_settings(metrics_port=port))
    assert str(raised.value) == (
        f"LUMA_MCP_METRICS_PORT: cannot listen on 127.0.0.1 port {port}: Address already in use."
    )


def test_workers_without_a_place_for_files_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    with pytest.raises(SettingError) as raised, shared_directory():
        pass
    assert str(raised.value) == (
        "LUMA_MCP_WORKERS above 1 needs a directory for the workers' figures, and none can be "
        "written to (No such file or directory). Mount one, as `docker run --tmpfs /tmp` does, or "
        "set PROMETHEUS_MULTIPROC_DIR to one."
    )


def test_workers_leave_their_files_where_the_operator_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    (tmp_path / "counter_1.db").write_text("of an earlier run")
    with shared_directory():
        own = Path(shared_metrics_directory() or "")
        assert own.parent == tmp_path
        assert [*own.iterdir()] == []
    assert shared_metrics_directory() == str(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["counter_1.db"]


@pytest.fixture
def free_port() -> int:
    with bound_socket() as free:
        return free.getsockname()[1]


def test_the_figures_of_workers_are_seen_together_and_counts_outlive_them(free_port: int) -> None:
    with shared_directory(), expose(load_settings(metrics_port=free_port)):
        with counting_worker(free_port) as first, counting_worker(free_port) as second:
            assert first != second
            text = _scrape(free_port)
            assert 'luma_mcp_calls_total{outcome="ok",tool="ping"} 4.0' in text
            assert "luma_mcp_waiters 10.0" in text
            assert text.count("luma_mcp_build_info{") == 1
            assert _number("process_resident_memory_bytes", text) > 2 * 20e6
        with counting_worker(free_port):
            text = _scrape(free_port)
            assert 'luma_mcp_calls_total{outcome="ok",tool="ping"} 6.0' in text
            assert "luma_mcp_waiters 5.0" in text
    assert shared_metrics_directory() is None


def _scrape(port: int) -> str:
    return httpx.get(f"http://127.0.0.1:{port}/metrics").text


def _number(name: str, text: str) -> float:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])
