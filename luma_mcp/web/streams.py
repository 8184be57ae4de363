"""Streams to clients: never silent for long, and ended in order with the process."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from mcp.server import _streamable_http_modern
from sse_starlette import EventSourceResponse
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luma_mcp.errors import Unavailable
from luma_mcp.web.refusals import refusal

KEEP_ALIVE_SECONDS = 5.0
_JSON = (b"content-type", b"application/json")
_EVENTS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


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


class CutShort:
    """Answers what the end of the process cuts short, which uvicorn would with a bare 500.

    It cancels what is not answered after LUMA_MCP_SHUTDOWN_SECONDS. A paid call that was cut goes
    on until Luma has answered, but its caller hears only this.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; a stream that has begun just ends."""
        has_begun = False

        async def watch(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except asyncio.CancelledError:
            if scope["type"] != "http":
                raise
            if not has_begun:
                error = Unavailable(
                    "This server had to end before the answer was there.",
                    advice="If the call was to create something, look with list_generations "
                    "whether it did before you call again.",
                )
                error.retryable = False  # by a program, which would not look
                await refusal(error)(scope, receive, send)


async def send_json(
    making: Coroutine[Any, Any, bytes], receive: Receive, send: Send, patience: float
) -> None:
    """Answer with JSON; what takes longer is sent as an event stream, kept alive meanwhile.

    Args:
        making: Makes the body; it is cancelled when the client leaves.
        receive: The request's; what comes after its body is that the client has left.
        send: The request's.
        patience: How many seconds may pass without a word to the client.
    """
    answer, left = asyncio.ensure_future(making), asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({answer, left}, timeout=patience, return_when="FIRST_COMPLETED")
        if not answer.done():
            await _send_events(answer, left, send, patience)
            return
        body = answer.result()
    finally:
        answer.cancel()
        left.cancel()
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [_JSON, length]})
    await send({"type": "http.response.body", "body": body})


async def _send_events(
    answer: asyncio.Future[bytes], left: asyncio.Future[None], send: Send, patience: float
) -> None:
    if left.done():
        return
    await send({"type": "http.response.start", "status": 200, "headers": _EVENTS})
    while not (answer.done() or left.done()):
        await send({"type": "http.response.body", "body": b": ping\r\n\r\n", "more_body": True})
        await asyncio.wait({answer, left}, timeout=patience, return_when="FIRST_COMPLETED")
    if answer.done():
        event = b"event: message\r\ndata: %s\r\n\r\n" % answer.result()
        await send({"type": "http.response.body", "body": event})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
