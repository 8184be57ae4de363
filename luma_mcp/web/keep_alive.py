"""Streams that are never silent for long, so that no proxy gives a waiting call up.

Many proxies allow 15 seconds until the first byte and between two. That is also how long the
SDK waits, in protocol 2026-07-28 even before it sends the headers of its answer.
"""

from mcp.server import _streamable_http_modern
from sse_starlette import EventSourceResponse

KEEP_ALIVE_SECONDS = 5.0


def keep_alive_every(seconds: float) -> None:
    """Let every stream of the process say something at least so often.

    There is no public way to say so to the SDK yet; a test notices if this one ends.
    """
    _streamable_http_modern._SSE_PING_INTERVAL = seconds  # noqa: SLF001
    EventSourceResponse.DEFAULT_PING_INTERVAL = seconds  # ty: ignore[invalid-assignment] - a fraction will do
