"""Accidents on the wire: answers that are late, broken, or never come."""

import asyncio
import functools
import socket
import struct
from collections import deque
from collections.abc import Iterator
from types import FunctionType, MethodType
from typing import Any

import httpx
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from luma_mcp.sandbox.clock import Clock

_CHUNK_BYTES = 64 * 1024
_PAGE = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


class _Parts(Response):
    """An answer that is sent in parts, so that it does not say how long it is."""

    async def begin(self, send: Send) -> None:
        del self.headers["content-length"]
        status, headers = self.status_code, self.raw_headers
        await send({"type": "http.response.start", "status": status, "headers": headers})

    async def go_on(self, send: Send, part: bytes, *, more: bool = True) -> None:
        await send({"type": "http.response.body", "body": part, "more_body": more})


class Reset(Response):
    """No answer: the client's connection is reset."""

    async def __call__(
        self,
        scope: Scope,  # noqa: ARG002 - an ASGI application takes three arguments
        receive: Receive,
        send: Send,
    ) -> None:
        """Reset the connection, or raise what a client would if there is none.

        Raises:
            httpx.ReadError: in process, where there is no connection to reset.
        """
        transport = find_transport(send)
        if transport is None:
            raise httpx.ReadError("The sandbox reset the connection")
        wire = transport.get_extra_info("socket")
        # Closing with a linger time of 0 sends RST instead of FIN.
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        await _wait_until_gone(receive)


class Truncated(_Parts):
    """The first half of an answer, after which the connection is closed."""

    async def __call__(
        self,
        scope: Scope,  # noqa: ARG002 - an ASGI application takes three arguments
        receive: Receive,
        send: Send,
    ) -> None:
        """Send half and close, or raise what a client would if there is no connection.

        Raises:
            httpx.RemoteProtocolError: in process, where there is no connection to close.
        """
        await self.begin(send)
        await self.go_on(send, bytes(self.body)[: len(self.body) // 2])
        transport = find_transport(send)
        if transport is None:
            raise httpx.RemoteProtocolError("The sandbox closed the connection too early")
        transport.close()
        await _wait_until_gone(receive)


class Stalled(Response):
    """An answer that is held back for a while, or until the client has gone."""

    def __init__(self, whole: Response, *, clock: Clock, seconds: float) -> None:
        super().__init__(whole.body, whole.status_code, whole.headers)
        self._clock = clock
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then answer whoever is still there."""
        slept = asyncio.ensure_future(self._clock.sleep(self._seconds))
        gone = asyncio.ensure_future(_wait_until_gone(receive))
        try:
            await asyncio.wait([slept, gone], return_when=asyncio.FIRST_COMPLETED)
            if slept.done():
                await super().__call__(scope, receive, send)
        finally:
            slept.cancel()
            gone.cancel()


class Huge(_Parts):
    """A success with a body of JSON that is far too large."""

    def __init__(self, status: int, size_bytes: int) -> None:
        super().__init__(status_code=status, media_type="application/json")
        self._size_bytes = size_bytes

    async def __call__(
        self,
        scope: Scope,  # noqa: ARG002 - an ASGI application takes three arguments
        receive: Receive,  # noqa: ARG002 - likewise
        send: Send,
    ) -> None:
        """Send it in parts, as fast as the client takes them."""
        await self.begin(send)
        await self.go_on(send, b'{"padding": "')
        for start in range(0, self._size_bytes, _CHUNK_BYTES):
            await self.go_on(send, b"x" * min(_CHUNK_BYTES, self._size_bytes - start))
        await self.go_on(send, b'"}', more=False)


def build_page() -> Response:
    """What a proxy says when the server behind it is down."""
    return Response(_PAGE, status_code=502, media_type="text/html")


def build_redirect() -> Response:
    """A redirect to a host that no key should be sent to."""
    elsewhere = "https://elsewhere.invalid/dream-machine/v1/generations"
    return Response(status_code=307, headers={"location": elsewhere})


def build_garbage(status: int) -> Response:
    """A success whose body is not JSON though it says so."""
    return Response('{"id": "3fa85f64-', status_code=status, media_type="application/json")


def find_transport(send: Send) -> asyncio.Transport | None:
    """The connection that `send` writes to, found behind the wrappers that applications add.

    ASGI has no word for breaking a connection. Uvicorn's `send` is a method of an object that
    holds the transport, and applications wrap it in functions or methods that hold the next one.
    """
    seen: set[int] = set()
    waiting: deque[Any] = deque([send])
    while waiting:
        thing = waiting.popleft()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        transport = getattr(getattr(thing, "__self__", None), "transport", None)
        if hasattr(transport, "abort"):
            return transport
        waiting.extend(held for held in _list_held(thing) if _is_wrapper(held))
    return None


def _is_wrapper(thing: object) -> bool:
    return isinstance(thing, (FunctionType, MethodType, functools.partial))


def _list_held(wrapper: Any) -> Iterator[Any]:  # noqa: ANN401 - any callable may wrap another
    if isinstance(wrapper, MethodType):
        yield from getattr(wrapper.__self__, "__dict__", {}).values()
        yield wrapper.__func__
    elif isinstance(wrapper, functools.partial):
        yield from (wrapper.func, *wrapper.args, *wrapper.keywords.values())
    else:
        yield from (cell.cell_contents for cell in getattr(wrapper, "__closure__", None) or ())


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
