"""How much one address may ask of the MCP endpoints, and how large and how slow a body may be."""

import asyncio
import math
from contextlib import AsyncExitStack

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luma_mcp.errors import InvalidRequest, LumaMcpError, RateLimited, TimedOut
from luma_mcp.limiting import address_of
from luma_mcp.settings import SANDBOX_PATH
from luma_mcp.web.refusals import refusal
from luma_mcp.wording import count

# Dozens of times the longest prompt with all its links. The validation of a hostile body of the
# framework's 4 MiB would stop the process for seconds.
MAX_BODY_BYTES = 256 * 1024
MAX_DIGITS = 20  # of a length; some servers let endless ones through
TOO_LARGE, TOO_SLOW = 413, 408
_LENGTH, _CHUNKED = b"content-length", b"transfer-encoding"


class LimitedRequests:
    """Takes requests of an address until there are too many, in a minute or at once.

    It stands before the gate, so that attempts with made-up keys count too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, which is one of those at once until its answer is over."""
        limits = scope["app"].state.services.limits
        address = address_of(scope["client"])
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(limits.request_of(address))
                await limits.check_request(address)
            except RateLimited as error:
                await refusal(error)(scope, receive, send)
                return
            await self._app(scope, receive, send)


class _Refused(Exception):
    """The body is not read on; holds the limit, the error and its status."""

    def __init__(self, limit: str, error: LumaMcpError, status: int) -> None:
        super().__init__(limit)
        self.limit = limit
        self.error = error
        self.status = status


class BoundedBodies:
    """Refuses a body that is too large or comes too slowly, as soon as somebody reads it.

    What nobody reads, uvicorn holds back beyond 64 KiB, and throws away after the answer.

    Args:
        app: The whole application.
        seconds: How long a body may take to arrive.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its body within bounds if it has one."""
        if not any(name in {_LENGTH, _CHUNKED} for name, _ in scope.get("headers", ())):
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive, send, self._seconds)
        state = scope["app"].state  # the framework writes itself there later
        try:
            await self._app(scope, body.receive, body.send)
        except _Refused as refused:
            state.services.limits.on_refused(refused.limit)
            response = refusal(refused.error, refused.status)
            if refused.status == TOO_SLOW:
                response.headers["Connection"] = "close"
            await response(scope, receive, send)


class _Body:
    """The body of one request, while it arrives before the answer begins."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, seconds: float) -> None:
        self._receive = receive
        self._send = send
        self._seconds = seconds
        self._due = asyncio.get_running_loop().time() + seconds
        self._declared = Headers(scope=scope).get("content-length", "0")
        # The sandbox takes uploads, and bounds them itself.
        self._is_bounded = not scope["path"].startswith(f"{SANDBOX_PATH}/")
        self._size = 0
        self._is_awaited = True

    async def receive(self) -> Message:
        """Receive the next part of it, and later that the client has left."""
        if not self._is_awaited:
            return await self._receive()
        if self._declared.isdecimal():
            self._check(int(self._declared[:MAX_DIGITS]))
        try:
            async with asyncio.timeout_at(self._due):
                part = await self._receive()
        except TimeoutError:
            raise self._too_slow() from None
        self._size += len(part.get("body", b""))
        self._check(self._size)
        self._is_awaited = part.get("more_body", False)
        return part

    async def send(self, message: Message) -> None:
        """Send the answer, after whose beginning nothing can be refused."""
        self._is_awaited = False
        await self._send(message)

    def _check(self, size: int) -> None:
        if self._is_bounded and size > MAX_BODY_BYTES:
            error = InvalidRequest(
                f"The body is larger than {MAX_BODY_BYTES // 1024} KiB.",
                advice="Send links instead of files.",
            )
            raise _Refused("body", error, TOO_LARGE)

    def _too_slow(self) -> _Refused:
        error = TimedOut(
            f"The body did not arrive within {count(math.ceil(self._seconds), 'second')}.",
            advice="Make the same call again over a better connection.",
        )
        return _Refused("slow_request", error, TOO_SLOW)
