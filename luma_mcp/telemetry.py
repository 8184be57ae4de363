"""Log lines on stderr: structured, one a call, with nothing secret in them."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from starlette.requests import ClientDisconnect

from luma_mcp.errors import LumaMcpError
from luma_mcp.redaction import redact

_TALKATIVE = (
    "mcp",
    "fastmcp",
    "httpx",
    "httpx2",
    "aiohttp",
    "sse_starlette",
    "asyncio",
    "PIL",
    "opentelemetry",
    "urllib3",
)


def _redacted(value: object) -> object:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: _redacted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value))


def _redact_event(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {key: value if key.startswith("_") else _redacted(value) for key, value in event.items()}


class _ExpectedErrors(logging.Filter):
    """Drop tracebacks of what is no fault: an error that is an answer, a client that left."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record unless it carries such an error."""
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, LumaMcpError | ClientDisconnect)


def _log_foreign_libraries(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("fastmcp", "uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # Their debug and info lines hold whole messages, prompts included; Pillow's all of EXIF.
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    # Warnings repeat what callers send as their trace, and tell of each attempt at a collector.
    for name in ("opentelemetry.trace", "opentelemetry.exporter"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Its debug lines hold the headers of WebSocket handshakes.
    logging.getLogger("uvicorn").setLevel(max(level, logging.INFO))
    # FastMCP repeats there what the call's own line says.
    logging.getLogger("fastmcp.server.server").setLevel(logging.ERROR)
    handler.addFilter(_ExpectedErrors())


def configure_logging(log_format: str, level: str) -> None:
    """Send all log lines, ours and the libraries', through one redacting formatter to stderr."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    rendering = [_redact_event, renderer]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    least = getattr(logging, level.upper())
    _log_foreign_libraries(handler, least)
    # Our own lines take the short way past the standard library, which costs half as much.
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """Give a structured logger."""
    return structlog.get_logger()
