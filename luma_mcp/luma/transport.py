"""One HTTP client for the whole process, which knows no caller: the key comes with each request."""

import asyncio
import ssl
import zlib
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import aiohttp
import httpx
from aiohttp.connector import Connection
from httpx_aiohttp import AiohttpTransport

from luma_mcp import __version__

MAX_ANSWER_BYTES = 8 * 1024 * 1024
CONNECT_SECONDS = 5.0
# Well below the idle time after which servers and balancers hang up, so that a paid POST
# rarely goes out on a connection that is being closed.
KEEPALIVE_SECONDS = 15.0
HEADERS = {
    "User-Agent": f"luma-mcp/{__version__}",
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # answers are small; see _unpacked for who packs them
}


class BearerKey(httpx.Auth):
    """Put one caller's key on one request; a redirect would not take it along."""

    def __init__(self, secret: str) -> None:
        self._header = f"Bearer {secret}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header to this request alone."""
        request.headers["Authorization"] = self._header
        yield request


class Interrupted(Exception):
    """An answer began but could not be read whole; `status` and `partial` are what came."""

    def __init__(self, status: int, partial: bytes, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.partial = partial
        self.reason = reason


class Answer:
    """A whole answer: status, headers and a body of bounded size."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: httpx.Headers, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a GET or DELETE by itself after a lost connection.

    It would go out more often than `sending` says, and the 404 of a DELETE that had already
    worked would look like the first answer. aiohttp repeats after exactly these two errors.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(str(error)) from error


class _CleanConnector(aiohttp.TCPConnector):
    """Lends no connection on which something came that nobody had asked for.

    aiohttp looks at that when a connection is given back, but not when it is lent again: what came
    while it lay idle would be taken for the answer to the next request, which is somebody else's.
    """

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> Connection:
        """Give a connection from the pool, or a new one; the call's deadline bounds the search."""
        while True:
            connection = await super().connect(req, traces, timeout)
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()


@asynccontextmanager
async def open_client(
    connections: int, timeout_seconds: float
) -> AsyncGenerator[httpx.AsyncClient]:
    """Open the process's client: no redirects, no cookies, no proxy from the environment.

    httpx runs over aiohttp because the cost of a request in httpx's own pool grows with the
    number of connections; tests/bench measures it.

    Args:
        connections: The most requests in flight; the pool's own limit lies above it, so that
            the fair queue in front of it (see `sending`) is the only one.
        timeout_seconds: How long the server may stay silent; the whole call has a deadline
            of its own.
    """

    def session() -> aiohttp.ClientSession:
        connector = _CleanConnector(
            limit=connections + 16,
            ssl=ssl_context,
            keepalive_timeout=KEEPALIVE_SECONDS,
        )
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), middlewares=[_send_once]
        )

    ssl_context = ssl.create_default_context()
    # httpx keeps cookies for all requests of a client: one caller's would go out with another's.
    no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    async with httpx.AsyncClient(
        transport=AiohttpTransport(client=session, verify=ssl_context),
        cookies=no_cookies,
        follow_redirects=False,
        headers=HEADERS,
        timeout=httpx.Timeout(timeout_seconds, connect=CONNECT_SECONDS),
        trust_env=False,
    ) as client:
        yield client


async def read_answer(
    client: httpx.AsyncClient,
    request: httpx.Request,
    auth: httpx.Auth,
    deadline: float | None = None,
) -> Answer:
    """Send one request and read its answer, up to the size cap and the deadline (loop's time).

    Raises:
        Interrupted: The status came, but the body broke off, is too large or too late, or cannot
            be unpacked.
        TimeoutError: No status came before the deadline.
        httpx.HTTPError, aiohttp.ClientError, OSError: There was no answer.
    """
    async with asyncio.timeout_at(deadline):
        response = await client.send(request, auth=auth, stream=True)
    status, coding = response.status_code, response.headers.get("content-encoding", "").lower()
    packed = bytearray()
    try:
        async with asyncio.timeout_at(deadline):
            async for chunk in response.aiter_raw():
                packed += chunk
                if len(packed) > MAX_ANSWER_BYTES:
                    break
    except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
        partial = _unpacked(bytes(packed), coding) or bytes(packed)
        raise Interrupted(status, partial, "the answer broke off") from error
    finally:
        await response.aclose()
    body = _unpacked(bytes(packed), coding)
    if body is None:
        raise Interrupted(status, bytes(packed), "the answer is packed in an unknown way")
    if len(packed) > MAX_ANSWER_BYTES or len(body) > MAX_ANSWER_BYTES:
        reason = f"the answer is larger than {MAX_ANSWER_BYTES // 1024 // 1024} MiB"
        raise Interrupted(status, body, reason)
    return Answer(status, response.headers, body)


def _unpacked(packed: bytes, coding: str) -> bytes | None:
    """Unpack an answer that came packed although nobody asked for it; None if that cannot be done.

    No more is unpacked than an answer may have, and a byte to show that it has more. httpx would
    unpack as much as came at once, and what was packed twice again: gigabytes from a few kB.
    """
    if coding in {"", "identity"}:
        return packed
    if coding not in {"gzip", "x-gzip", "deflate"}:
        return None
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(packed, MAX_ANSWER_BYTES + 1)
    except zlib.error:
        return None


def never_reached_luma(error: BaseException) -> bool:
    """Tell whether a failure is proof that no byte of the request reached Luma.

    The type of the httpx error is no proof: httpx-aiohttp reports a connection that was reset
    after the request was read as ConnectTimeout. The aiohttp error beneath it is: these two are
    raised only while a connection is being made (refused, name not found, TLS, no answer to SYN).
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return True
        cause = cause.__cause__
    return False
