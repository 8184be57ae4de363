"""Connections of clients: what the head of a request may take, and letting go of them in order."""

import asyncio
import json
import resource
import secrets
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from luma_mcp.errors import InvalidRequest, TimedOut

MAX_HEAD_BYTES = 64 * 1024
MAX_FIELDS = 200
# How long a connection without a request stays once the server ends: one may be on its way.
LINGER_SECONDS = 0.5
CLOSE = (b"connection", b"close")

# Hears which limit refused a request: headers or slow_request.
Refused = Callable[[str], None]


def open_more_files() -> None:
    """Allow as many connections as the system does; 1,024, the usual limit, are too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # some systems say that they do, and do not
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Connection(HttpToolsProtocol):
    """uvicorn's, which takes heads of any size at any pace, and closes what a request is coming on.

    A request that comes in one piece, as nearly all do, meets a few comparisons.

    Args:
        config: uvicorn's.
        server_state: Likewise.
        app_state: Likewise.
        head_seconds: How long the head of a request may take from its first byte on.
        refused: Hears which limit refused a request.
        _loop: uvicorn's.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        *,
        head_seconds: float,
        refused: Refused,
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_seconds = head_seconds
        self._refused = refused
        self._in_head = False
        self._in_body = False
        self._is_body = False  # some of the bytes that were read last
        self._bytes_of_head = 0
        self._bytes_at_once = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._is_refused = False
        self._is_last = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Keep it open without a request for as long as between two; uvicorn would for ever."""
        super().connection_made(transport)
        self._close_in(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_timer()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Read on, unless what came is too much of a head, or of what follows a body."""
        if self._is_refused:
            return
        self._is_body, self._bytes_at_once = False, len(data)
        super().data_received(data)
        is_whole = not (self._in_head or self._in_body)
        if (is_whole and self._is_answering) or self._is_refused or self.transport.is_closing():
            return
        if not (is_whole or self._is_body):
            self._bytes_of_head += len(data)
            if self._bytes_of_head > MAX_HEAD_BYTES or len(self.headers) > MAX_FIELDS:
                self._refuse_size()
                return
        if self._in_head or not self._is_answering:
            self._start_timer()

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._in_head, self._bytes_of_head = True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; one behind the body (RFC 9110 section 6.5.1) is none."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Answer the request, unless its head is too large."""
        self._stop_timer()
        self._in_head, self._in_body = False, True
        if self._is_refused or self._is_too_large():
            self._refuse_size()
            return
        super().on_headers_complete()
        if self._is_last:
            self.let_go()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body, unless its request was refused."""
        self._is_body, self._bytes_of_head = True, 0
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request, unless it was refused."""
        self._in_body = False
        if not self._is_refused:
            super().on_message_complete()

    def let_go(self) -> None:
        """Say with the answer under way that it is the last on this connection."""
        if self._is_answering:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """End with the answer under way, or with that to a request which is on its way.

        uvicorn would close at once what has no request yet, and lose those that come just then.
        """
        self._is_last = True
        self.let_go()
        if not self._is_answering and not self._in_head:
            self._close_in(LINGER_SECONDS)

    def _is_too_large(self) -> bool:
        """Tell whether a head that has come is; most came in less bytes than it may have."""
        if len(self.headers) > MAX_FIELDS:
            return True
        if self._bytes_of_head + self._bytes_at_once <= MAX_HEAD_BYTES:
            return False
        return len(self.url) + sum(map(len, chain.from_iterable(self.headers))) > MAX_HEAD_BYTES

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _close_in(self, seconds: float) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def _start_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._head_seconds, self._end_waiting)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_waiting(self) -> None:
        """Stop waiting for a head; who has not begun one, but sent blank lines, hears nothing."""
        if not self._in_head:
            self.transport.close()
            return
        error = TimedOut(
            f"The headers of the request did not arrive within {self._head_seconds:g} seconds.",
            advice="Send the request again, all of it at once.",
        )
        self._refuse("slow_request", 408, error)

    def _refuse_size(self) -> None:
        error = InvalidRequest(
            "The headers of the request are too large.",
            advice=f"Send at most {MAX_FIELDS}, and {MAX_HEAD_BYTES // 1024} KiB together.",
        )
        self._refuse("headers", 431, error)

    def _refuse(self, limit: str, status: int, error: InvalidRequest | TimedOut) -> None:
        """Answer in our words and hang up; where another answer is under way, just hang up."""
        if self._is_refused:
            return
        self._is_refused = True
        self._stop_timer()
        self._refused(limit)
        request_id = secrets.token_hex(8)
        self.logger.info("Refused a request with %d (%s, %s)", status, limit, request_id)
        if not self._is_answering:
            self.transport.write(_answer(status, json.dumps(error.fields(request_id)).encode()))
        self.transport.close()


def _answer(status: int, body: bytes) -> bytes:
    head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return STATUS_LINE[status] + head % len(body) + body
