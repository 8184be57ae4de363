"""Log lines: structured, redacted, one a call."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import redirect_stderr
from typing import Any

import httpx
import pytest
import structlog
from PIL import Image
from starlette.requests import ClientDisconnect

from luma_mcp import calls
from luma_mcp.errors import InvalidRequest
from luma_mcp.previews.drawing import draw_picture
from luma_mcp.redaction import HIDDEN, hiding
from luma_mcp.telemetry import configure_logging, get_logger
from luma_mcp.tracing import trace_of
from tests.messages import SPAN_ID, TRACE_ID, TRACEPARENT
from tests.tools.calls import Broken, Upstream, call, client_of, client_over

KEY = "luma-0123456789abcdef"
CONFIGURED = (
    "",
    "fastmcp",
    "fastmcp.server.server",
    "uvicorn",
    "uvicorn.error",
    "uvicorn.access",
    "mcp",
    "httpx",
    "aiohttp",
    "sse_starlette",
    "asyncio",
    "PIL",
    "opentelemetry",
    "opentelemetry.exporter",
    "opentelemetry.trace",
    "urllib3",
)


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    """Begin as a new process does, and put back whatever `configure_logging` changes."""
    loggers = [logging.getLogger(name or None) for name in CONFIGURED]
    before = [(one.handlers[:], one.filters[:], one.level, one.propagate) for one in loggers]
    for one in loggers[1:]:
        one.setLevel(logging.NOTSET)
    yield
    for one, (handlers, filters, level, propagate) in zip(loggers, before, strict=True):
        one.handlers[:], one.filters[:] = handlers, filters
        one.setLevel(level)
        one.propagate = propagate
    structlog.reset_defaults()
    vars(calls._log).pop("bind", None)  # noqa: SLF001 - it remembers its first configuration


class Lines:
    """What is written to stderr; each look takes what came since the last."""

    def __init__(self) -> None:
        self._stream = io.StringIO()

    def configure(self, log_format: str, level: str) -> None:
        with redirect_stderr(self._stream):
            configure_logging(log_format, level)

    def text(self) -> str:
        text = self._stream.getvalue()
        self._stream.seek(0)
        self._stream.truncate()
        return text

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def log(lines: Lines) -> structlog.stdlib.BoundLogger:
    """One of our own loggers, where lines are JSON."""
    lines.configure("json", "debug")
    return get_logger()


def failed(text: str) -> ValueError:
    """An error with a traceback."""
    with pytest.raises(ValueError, match="invalid literal") as raised:
        int(text)
    return raised.value


def test_a_line_is_an_object_with_its_time_and_level(
    log: structlog.stdlib.BoundLogger, lines: Lines
) -> None:
    log.info("call", tool="ping", ms=1.5, ok=True, nothing=None)
    (event,) = lines.events()
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "call",
        "level": "info",
        "tool": "ping",
        "ms": 1.5,
        "ok": True,
        "nothing": None,
    }


def test_secrets_are_hidden_wherever_they_are_nested(
    log: structlog.stdlib.BoundLogger, lines: Lines
) -> None:
    log.warning(
        "key luma-0123456789",
        headers={"authorization": "Bearer xyz", "list": [KEY, {"deep": (KEY, 1)}]},
        url=httpx.URL(f"https://x.example/a?sig={KEY}"),
        error=ValueError(KEY),
    )
    (event,) = lines.events()
    assert event["event"] == f"key {HIDDEN}"
    assert event["headers"] == {
        "authorization": f"Bearer {HIDDEN}",
        "list": [HIDDEN, {"deep": [HIDDEN, 1]}],
    }
    assert event["url"] == f"https://x.example/a?{HIDDEN}"
    assert event["error"] == HIDDEN


def test_the_callers_own_key_is_hidden_whatever_its_shape(
    log: structlog.stdlib.BoundLogger, lines: Lines
) -> None:
    with hiding("shapeless"):
        log.info("It is shapeless")
        logging.getLogger("anybody").warning("It is %s", "shapeless")
    assert [event["event"] for event in lines.events()] == [f"It is {HIDDEN}"] * 2


def test_a_traceback_is_written_without_the_secrets_in_it(
    log: structlog.stdlib.BoundLogger, lines: Lines
) -> None:
    error = failed(f"Bearer {KEY}")
    log.error("fault", exc_info=error)
    logging.getLogger("anybody").error("failed", exc_info=error)
    for event in lines.events():
        assert event["exception"].startswith("Traceback (most recent call last):")
        assert event["exception"].endswith(f"base 10: 'Bearer {HIDDEN}'")


@pytest.mark.parametrize("name", ["uvicorn.error", "uvicorn.access", "aiohttp.client", "fastmcp.x"])
@pytest.mark.usefixtures("log")
def test_lines_of_libraries_are_redacted_and_of_one_form(lines: Lines, name: str) -> None:
    logging.getLogger(name).warning("GET %s Bearer xyz", f"/?key={KEY}")
    (event,) = lines.events()
    assert event["event"] == f"GET /?key={HIDDEN} Bearer {HIDDEN}"
    assert event["level"] == "warning"


@pytest.mark.usefixtures("log")
def test_what_uvicorn_informs_of_is_written(lines: Lines) -> None:
    logging.getLogger("uvicorn.error").info("Started Bearer xyz")
    (event,) = lines.events()
    assert event["event"] == f"Started Bearer {HIDDEN}"


@pytest.mark.parametrize(
    "name",
    [
        "mcp.server.lowlevel",
        "httpx",
        "fastmcp.server",
        "aiohttp",
        "sse_starlette",
        "asyncio",
        "opentelemetry.sdk",
        "urllib3.connectionpool",
    ],
)
@pytest.mark.usefixtures("log")
def test_libraries_whose_small_talk_holds_whole_messages_are_silent(
    lines: Lines, name: str
) -> None:
    logging.getLogger(name).debug("a prompt of somebody")
    logging.getLogger(name).info("a prompt of somebody")
    assert lines.text() == ""


@pytest.mark.usefixtures("log")
def test_fastmcps_traceback_of_an_expected_error_is_left_out(lines: Lines) -> None:
    logger = logging.getLogger("fastmcp.server.server")
    logger.error("Error calling tool", exc_info=InvalidRequest("expected"))
    logger.error("Error calling tool", exc_info=failed("unexpected"))
    logger.error("without a traceback")
    logger.warning("Invalid arguments for tool")
    first, second = lines.events()
    assert first["exception"].endswith("'unexpected'")
    assert second["event"] == "without a traceback"


def test_the_traceback_of_a_client_that_left_is_left_out(lines: Lines) -> None:
    logging.getLogger("mcp.server.x").error("Error handling POST", exc_info=ClientDisconnect())
    assert lines.events() == []


@pytest.mark.usefixtures("log")
def test_what_a_caller_writes_into_a_trace_is_not_logged(lines: Lines) -> None:
    trace_of({"traceparent": TRACEPARENT, "tracestate": "words of a caller"})
    trace_of({"traceparent": "words of a caller" * 100})
    assert lines.text() == ""


@pytest.mark.usefixtures("log")
async def test_the_line_of_a_call_names_the_trace_that_it_is_part_of(lines: Lines) -> None:
    async with client_of(Upstream()) as client:
        await client.call_tool("ping", raise_on_error=False, meta={"traceparent": TRACEPARENT})
        await call(client, "ping")
    part, alone = lines.events()
    assert (part["trace_id"], part["span_id"]) == (TRACE_ID, SPAN_ID)
    assert alone.keys().isdisjoint({"trace_id", "span_id"})


@pytest.mark.usefixtures("log")
def test_only_the_last_word_about_a_collector_is_logged(lines: Lines) -> None:
    exporter = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    exporter.warning("Transient error, retrying")
    exporter.error("Failed to export")
    assert [event["event"] for event in lines.events()] == ["Failed to export"]


def test_lines_below_the_level_are_not_written(lines: Lines) -> None:
    lines.configure("json", "warning")
    log = get_logger()
    log.info("small")
    log.warning("great")
    assert [event["event"] for event in lines.events()] == ["great"]


def test_lines_for_people_are_redacted_too(lines: Lines) -> None:
    lines.configure("console", "info")
    get_logger().info("call", tool="ping", key=f"Bearer {KEY}")
    logging.getLogger("uvicorn.error").info("Listening, %s", KEY)
    first, second = lines.text().splitlines()
    assert "[info     ] call" in first
    assert f"key='Bearer {HIDDEN}' tool=ping" in first
    assert f"Listening, {HIDDEN}" in second
    assert "\x1b" not in first + second


def test_configuring_again_does_not_double_the_lines(lines: Lines) -> None:
    lines.configure("json", "info")
    lines.configure("json", "info")
    logging.getLogger("uvicorn").info("once")
    assert [event["event"] for event in lines.events()] == ["once"]


@pytest.mark.usefixtures("log")
async def test_a_call_writes_one_line_and_no_prompt(lines: Lines) -> None:
    async with client_of(Upstream()) as client:
        await call(client, "create_generation", prompt="A very private boat")
    (event,) = lines.events()
    assert (event["tool"], event["outcome"]) == ("create_generation", "not_found")


@pytest.mark.usefixtures("log")
async def test_the_traceback_of_a_fault_is_written_under_the_request_id(lines: Lines) -> None:
    async with client_over(Broken(ZeroDivisionError(f"deep inside, {KEY}"))) as client:
        result = await call(client, "ping")
    events = lines.events()
    request_id = (result.structured_content or {})["request_id"]
    (fault,) = [event for event in events if event["event"] == "fault"]
    assert fault["request_id"] == request_id
    assert f"ZeroDivisionError: deep inside, {HIDDEN}" in fault["exception"]
    assert KEY not in json.dumps(events)


def test_nothing_of_what_a_picture_says_of_itself_is_written(lines: Lines) -> None:
    lines.configure("json", "debug")
    picture, file = Image.new("RGB", (8, 8)), io.BytesIO()
    picture.getexif()[0x010E] = KEY  # ImageDescription
    picture.save(file, "JPEG", exif=picture.getexif())
    draw_picture(file.getvalue())
    assert lines.text() == ""
