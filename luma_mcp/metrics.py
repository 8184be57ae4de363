"""What is counted and measured for Prometheus; nothing that a caller chose becomes a label.

Several workers leave their figures in files below one directory (`shared_directory`), the way that
prometheus_client knows, so that whoever is asked for figures gives those of all.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from typing import Concatenate, Literal, NamedTuple, ParamSpec

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from luma_mcp import __version__
from luma_mcp.settings import (
    METRICS_DIRECTORY,
    SettingError,
    Settings,
    share_metrics_in,
    shared_metrics_directory,
    variable_name,
)

# By the semantic conventions of OpenTelemetry for `mcp.server.operation.duration`.
BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
METHODS = frozenset({"tools/call", "resources/read", "prompts/get", "completion/complete"})
LIMITS = (
    "calls_per_minute",
    "paid_calls_per_minute",
    "concurrent_calls",
    "requests_per_minute",
    "concurrent_requests",
    "sign_ins_per_minute",
    "max_cost_usd",
    "daily_budget_usd",
    "body",
    "headers",
    "slow_request",
)
# How an attempt at Luma ends that brings no status.
ENDS = frozenset({"refused", "reset", "broken", "timeout", "cancelled", "failed"})
_STATUSES = frozenset(str(int(status)) for status in HTTPStatus)
_CLASSES = {str(digit): f"{digit}xx" for digit in range(1, 10)}
OK, CANCELLED, UNKNOWN = "ok", "cancelled", "unknown"
# By the conventions, what an answer with isError is; our own code for it is in another metric.
TOOL_ERROR = "tool_error"
READ_SECONDS = 5.0

Together = Literal["livesum", "livemin", "livemax"]
Readings = Callable[[], Mapping[str, float]]
P = ParamSpec("P")

# A second series for each, with the time of its first count, tells nothing here.
disable_created_metrics()


class Family(NamedTuple):
    """One metric: its kind, its labels, what it says, and how gauges of workers become one."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    meaning: str
    together: Together = "livesum"


FAMILIES = {
    one.name: one
    for one in (
        Family(
            "mcp_server_operation_duration_seconds",
            "histogram",
            ("mcp_method_name", "gen_ai_tool_name", "error_type"),
            "How long operations of MCP took, by OpenTelemetry's conventions; error_type is empty "
            "for success.",
        ),
        Family(
            "luma_mcp_calls_total",
            "counter",
            ("tool", "outcome"),
            "Calls of tools; the outcome is ok, cancelled or the code of the error.",
        ),
        Family("luma_mcp_calls_in_progress", "gauge", (), "Operations of MCP that are under way."),
        Family(
            "luma_mcp_upstream_requests_total",
            "counter",
            ("api", "operation", "status"),
            "Attempts at Luma; the status is that of the answer, or what became of the attempt: "
            "refused, reset, broken (off, or too large), timeout, cancelled, failed.",
        ),
        Family(
            "luma_mcp_upstream_request_duration_seconds",
            "histogram",
            ("api", "operation"),
            "How long attempts at Luma took.",
        ),
        Family(
            "luma_mcp_upstream_slots", "gauge", (), "How many attempts at Luma may run at once."
        ),
        Family("luma_mcp_upstream_slots_in_use", "gauge", (), "Attempts at Luma that are running."),
        Family("luma_mcp_upstream_queue", "gauge", (), "Calls that wait for their turn at Luma."),
        Family("luma_mcp_waiters", "gauge", (), "Callers who wait for a job."),
        Family("luma_mcp_watched_jobs", "gauge", (), "Jobs that somebody waits for."),
        Family(
            "luma_mcp_jobs_created_total", "counter", ("model",), "Jobs that were started at Luma."
        ),
        Family(
            "luma_mcp_jobs_created_usd_total",
            "counter",
            ("model",),
            "What they cost by their estimates, in US dollars.",
        ),
        Family(
            "luma_mcp_replays_total",
            "counter",
            (),
            "Calls answered with the job that the same idempotency key had made before.",
        ),
        Family("luma_mcp_limits_hit_total", "counter", ("limit",), "What limits have refused."),
        Family(
            "luma_mcp_shared_store_up",
            "gauge",
            (),
            "Whether the engine that replicas share answered the last time (1 or 0); absent "
            "without one.",
            "livemin",
        ),
        Family(
            "luma_mcp_draining",
            "gauge",
            (),
            "Whether the server is told to end (1 or 0).",
            "livemax",
        ),
        Family("luma_mcp_build_info", "gauge", ("version",), "The version that runs.", "livemax"),
    )
}


def _harmless(count: Callable[Concatenate["Metrics", P], None]) -> Callable[..., None]:
    """Let a call go on whatever happens to its figures, such as a disk without room for them."""

    @wraps(count)
    def counted(self: "Metrics", *args: P.args, **kwargs: P.kwargs) -> None:
        with suppress(Exception):
            count(self, *args, **kwargs)

    return counted


class _Operation(NamedTuple):
    """What counts one kind of operation."""

    duration: Histogram
    calls: Counter | None


class _Request(NamedTuple):
    """What counts one kind of attempt at Luma."""

    duration: Histogram
    requests: Counter


class Metrics:
    """The figures of one process, or, where several work together, of all.

    Attributes:
        registry: Gives them.
        in_progress: How many operations are under way.
    """

    def __init__(self) -> None:
        shared = shared_metrics_directory()
        self.registry = CollectorRegistry()
        self.in_progress = 0
        self.is_shared = shared is not None
        self._readings: Readings = dict
        self._stop_serving: Callable[[], None] = _nothing
        if shared is None:
            self.registry.register(_Refreshing(self))
            ProcessCollector(registry=self.registry)
            GCCollector(registry=self.registry)
        else:
            self.registry.register(_Workers(Path(shared)))
        self._own = own = None if self.is_shared else self.registry
        self._counters = {
            one.name: Counter(one.name, one.meaning, one.labels, registry=own)
            for one in FAMILIES.values()
            if one.kind == "counter"
        }
        self._histograms = {
            one.name: Histogram(one.name, one.meaning, one.labels, registry=own, buckets=BUCKETS)
            for one in FAMILIES.values()
            if one.kind == "histogram"
        }
        # Made as they are read: what a server does not have is absent.
        self._gauges: dict[str, Gauge] = {}
        self._operations: dict[tuple[str, str, str], _Operation] = {}
        self._requests: dict[tuple[str, str, str], _Request] = {}
        hits = self._counters["luma_mcp_limits_hit_total"]
        self._limits = {limit: hits.labels(limit) for limit in LIMITS}
        self._gauge("luma_mcp_build_info").labels(__version__).set(1)

    @_harmless
    def answered(self, method: str, name: str, outcome: str, seconds: float) -> None:
        """Count an operation of MCP.

        Args:
            method: Which one, such as `tools/call`.
            name: What was called, read or asked for, out of our own lists.
            outcome: `ok`, `cancelled`, or the code of the error.
            seconds: How long it took.
        """
        key = (method, name, outcome)
        operation = self._operations.get(key) or self._operation_of(*key)
        operation.duration.observe(seconds)
        if operation.calls is not None:
            operation.calls.inc()

    @_harmless
    def asked(self, api: str, operation: str, status: str, seconds: float) -> None:
        """Count an attempt at Luma.

        Args:
            api: The name of the API.
            operation: The method and the template of the path, such as `GET /generations/{id}`.
            status: The status of the answer, or one of `ENDS`.
            seconds: How long it took.
        """
        key = (api, operation, status)
        request = self._requests.get(key) or self._request_of(*key)
        request.requests.inc()
        request.duration.observe(seconds)

    @_harmless
    def limited(self, limit: str) -> None:
        """Count that one of `LIMITS` refused something."""
        self._limits[limit].inc()

    @_harmless
    def ordered(self, model: str, usd: float | None) -> None:
        """Count a job that was started at Luma, with its estimate if there is one."""
        self._counters["luma_mcp_jobs_created_total"].labels(model).inc()
        self._counters["luma_mcp_jobs_created_usd_total"].labels(model).inc(usd or 0.0)

    @_harmless
    def expect(self, products: Iterable[str]) -> None:
        """Begin at zero with jobs of these: Prometheus sees no growth in what begins with 1."""
        for product in products:
            self._counters["luma_mcp_jobs_created_total"].labels(product)
            self._counters["luma_mcp_jobs_created_usd_total"].labels(product)

    @_harmless
    def replayed(self) -> None:
        """Count that an idempotency key was answered with the job that it made before."""
        self._counters["luma_mcp_replays_total"].inc()

    @asynccontextmanager
    async def reading(self, readings: Readings) -> AsyncGenerator[None]:
        """Read the gauges from here: at each scrape, or every few seconds where it is shared.

        Args:
            readings: Gives values by the names of their metrics.
        """
        self._readings = readings
        self.refresh()
        task = asyncio.create_task(self._refresh_for_ever()) if self.is_shared else None
        try:
            yield
        finally:
            if task is not None:
                task.cancel()
            self.refresh()

    @_harmless
    def refresh(self) -> None:
        """Read the gauges now."""
        self._gauge("luma_mcp_calls_in_progress").set(self.in_progress)
        for name, value in self._readings().items():
            self._gauge(name).set(value)

    def serve(self, settings: Settings) -> None:
        """Answer on a port of its own, if the operator wants one and no parent does it already.

        Raises:
            SettingError: The port cannot be had.
        """
        if not self.is_shared:
            self._stop_serving = _serve(settings, self.registry)

    def close(self) -> None:
        """Give the port back."""
        self._stop_serving()

    async def _refresh_for_ever(self) -> None:
        while True:
            self.refresh()
            await asyncio.sleep(READ_SECONDS)

    def _operation_of(self, method: str, name: str, outcome: str) -> _Operation:
        is_call = method == "tools/call"
        failed = TOOL_ERROR if is_call and outcome != CANCELLED else outcome
        duration = self._histograms["mcp_server_operation_duration_seconds"].labels(
            method if method in METHODS else UNKNOWN,
            name if is_call else "",
            "" if outcome == OK else failed,
        )
        counter = self._counters["luma_mcp_calls_total"]
        calls = counter.labels(name, outcome) if is_call else None
        made = self._operations[method, name, outcome] = _Operation(duration, calls)
        return made

    def _request_of(self, api: str, operation: str, status: str) -> _Request:
        durations = self._histograms["luma_mcp_upstream_request_duration_seconds"]
        requests = self._counters["luma_mcp_upstream_requests_total"]
        made = self._requests[api, operation, status] = _Request(
            durations.labels(api, operation), requests.labels(api, operation, _folded(status))
        )
        return made

    def _gauge(self, name: str) -> Gauge:
        found = self._gauges.get(name)
        if found is None:
            family = FAMILIES[name]
            found = self._gauges[name] = Gauge(
                name,
                family.meaning,
                family.labels,
                registry=self._own,
                multiprocess_mode=family.together,
            )
        return found


def _nothing() -> None:
    pass


def _folded(status: str) -> str:
    """Give a status that there is, or the class of one that somebody made up."""
    if status in ENDS or status in _STATUSES:
        return status
    return _CLASSES.get(status[:1], UNKNOWN)


class _Refreshing(Collector):
    """Has the gauges read before the registry gives them."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """Give nothing of its own."""
        self._metrics.refresh()
        return ()


class _Workers(Collector):
    """The figures that all workers left in a directory, and those of their processes together."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        """Add them up; gauges of workers that have ended are forgotten, counts are not."""
        alive = [number for number in self._numbers() if _is_alive(number)]
        for number in self._numbers().difference(alive):
            mark_process_dead(number, str(self._directory))
        yield from MultiProcessCollector(None, str(self._directory)).collect()
        yield from _sum_of(
            ProcessCollector(pid=lambda number=number: number, registry=None) for number in alive
        )

    def _numbers(self) -> set[int]:
        return {int(path.stem.rpartition("_")[2]) for path in self._directory.glob("*.db")}


def _is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except OSError:  # nobody has this number, or somebody else
        return False
    return True


def _sum_of(processes: Iterable[ProcessCollector]) -> Iterable[Metric]:
    """Add up what the processes say; of the times at which they began, give the first."""
    found: dict[str, Metric] = {}
    for process in processes:
        for metric in process.collect():
            known = found.setdefault(metric.name, metric)
            if known is not metric:
                together = min if metric.name == "process_start_time_seconds" else _plus
                known.samples = [
                    one._replace(value=together(one.value, other.value))
                    for one, other in zip(known.samples, metric.samples, strict=True)
                ]
    return found.values()


def _plus(one: float, other: float) -> float:
    return one + other


@contextmanager
def shared_directory() -> Generator[None]:
    """Let the processes that are started within the block share their figures.

    Raises:
        SettingError: There is no place for files.
    """
    chosen = shared_metrics_directory()
    try:
        # One of their own, since figures of an earlier run would be added to theirs.
        directory = tempfile.TemporaryDirectory(prefix="luma-mcp-metrics-", dir=chosen)
    except OSError as error:
        raise SettingError(
            f"{variable_name('workers')} above 1 needs a directory for the workers' figures, and "
            f"none can be written to ({error.strerror}). Mount one, as `docker run --tmpfs /tmp` "
            f"does, or set {METRICS_DIRECTORY} to one."
        ) from None
    with directory as path:
        share_metrics_in(path)
        try:
            yield
        finally:
            share_metrics_in(chosen)


@contextmanager
def expose(settings: Settings) -> Generator[None]:
    """Answer with the figures of all workers, on a port of its own if the operator wants one.

    Raises:
        SettingError: The port cannot be had.
    """
    registry = CollectorRegistry()
    registry.register(_Workers(Path(shared_metrics_directory() or "")))
    stop = _serve(settings, registry)
    try:
        yield
    finally:
        stop()


def open_metrics(settings: Settings) -> Metrics:
    """Begin to count, and answer on a port of its own if the operator wants one.

    Raises:
        SettingError: The port cannot be had.
    """
    metrics = Metrics()
    metrics.serve(settings)
    return metrics


def _serve(settings: Settings, registry: CollectorRegistry) -> Callable[[], None]:
    if settings.metrics_port is None:
        return _nothing
    try:
        server, thread = start_http_server(settings.metrics_port, settings.host, registry)
    except OSError as error:
        raise SettingError(
            f"{variable_name('metrics_port')}: cannot listen on {settings.host} port "
            f"{settings.metrics_port}: {error.strerror}."
        ) from None

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
