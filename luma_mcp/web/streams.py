"""Streams to clients: never silent for long, and ended in order with the process."""

import asyncio

from mcp.server import _streamable_http_modern
from sse_starlette import EventSourceResponse
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEEP_ALIVE_SECONDS = 5.0


def keep_alive_every(seconds: float) -> None:
    """Let every stream of the process say something at least so often.

    Many proxies allow 15 seconds until the first byte and between two. That is also how long the
    SDK waits, in protocol 2026-07-28 even before it sends the headers of its answer. There is no
    public way to say so to the SDK yet; a test notices if this one ends.
    """
    _streamable_http_modern._SSE_PING_INTERVAL = seconds  # noqa: SLF001
    EventSourceResponse.DEFAULT_PING_INTERVAL = seconds  # ty: ignore[invalid-assignment] - a float


class EndedStream:
    """Ends a stream of the transport of 2024 when the process stops and all calls are answered.

    Its clients keep it open by themselves, and would keep the process waiting.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream, whose client seems to leave at the end."""
        services = Request(scope).app.state.services

        async def receive_or_end() -> Message:
            message = asyncio.ensure_future(receive())
            end = asyncio.ensure_future(services.under_way.answered())
            try:
                await asyncio.wait({message, end}, return_when=asyncio.FIRST_COMPLETED)
                return message.result() if message.done() else {"type": "http.disconnect"}
            finally:
                message.cancel()
                end.cancel()

        await self._app(scope, receive_or_end, send)
