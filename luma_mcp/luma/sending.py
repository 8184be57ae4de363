"""When a request may be sent, sent again, or must not: reading is free, a POST costs money.

What costs nothing goes out up to three times within the deadline. A POST that creates a job goes
out again only when it surely never reached Luma, or when Luma refused it with 429; after anything
else the error says that the job may exist, because a second POST could be a second charge.
"""

import asyncio
import functools
import json
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlencode

import aiohttp
import httpx
from opentelemetry.trace import Span

from luma_mcp.errors import BadResponse, LumaMcpError, NotFound, TimedOut, Unavailable
from luma_mcp.luma.apis import DREAM_MACHINE, Api
from luma_mcp.luma.ids import ID_PATTERN, is_id
from luma_mcp.luma.refusals import error_from
from luma_mcp.luma.transport import Answer, Interrupted, never_reached_luma, read_answer
from luma_mcp.metrics import Metrics
from luma_mcp.telemetry import get_logger
from luma_mcp.tracing import Tracing, note_status

_log = get_logger()

MAX_ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.5
REQUEST_TIMEOUT = 408  # the one 4xx that does not say that nothing was done
PASSING_STATUSES = frozenset({REQUEST_TIMEOUT, 429, 502, 503, 504})
_NEXT_ID = re.compile(rf'"id"\s*:\s*"({ID_PATTERN})"'.encode())


@dataclass(frozen=True)
class Call:
    """One call of Luma's API, before anybody's key is on it.

    Its `route` is the path with `{id}` where the `id` belongs: metrics and traces name it so. It
    goes out `attempts` times at most. A POST creates a job, unless it `is_free`: files cost
    nothing, so that storing one twice does no harm.
    """

    method: str
    route: str
    query: Mapping[str, int | str] = field(default_factory=dict)
    body: bytes | None = None
    attempts: int = MAX_ATTEMPTS
    content_type: str = "application/json"
    is_free: bool = False
    id: str = ""

    @property
    def operation(self) -> str:
        """Which of Luma's operations it is."""
        return f"{self.method} {self.route}"

    @property
    def path(self) -> str:
        """The path below the base URL."""
        return self.route.replace("{id}", self.id)

    @property
    def path_and_query(self) -> str:
        """What follows the base URL."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    @property
    def spends(self) -> bool:
        """Whether the call can cost money."""
        return self.method == "POST" and not self.is_free


def id_in(body: bytes, call: Call) -> str | None:
    """Rescue the id of a created job from an answer that cannot be read as a whole.

    The id at the top is the job's. Where the text is no JSON, it is the first that the request
    itself did not name (keyframes are echoed).
    """
    with suppress(ValueError, RecursionError):
        whole = json.loads(body)
        found = whole.get("id") if isinstance(whole, dict) else None
        if isinstance(found, str) and is_id(found):
            return found
    named = {found.lower() for found in _NEXT_ID.findall(call.body or b"")}
    for found in _NEXT_ID.findall(body):
        if found.lower() not in named:
            return found.decode()
    return None


def job_id_in(body: bytes, call: Call, api: Api) -> str | None:
    """Rescue the id of a created job, as callers write it."""
    found = id_in(body, call)
    return f"{api.id_prefix}{found}" if found else None


def may_exist(error: LumaMcpError, call: Call, body: bytes, api: Api) -> LumaMcpError:
    """Let the error of a paid call in doubt say so, with the id if anything of it came."""
    error.advice = api.may_exist
    error.retryable = False
    error.generation_id = job_id_in(body, call, api)
    return error


class _Failure(Exception):
    """One attempt failed.

    Attributes:
        error: What the failure stands for.
        end: Its status, or how it ended without one, for metrics and traces.
        passing: Whether another attempt may do better.
        in_doubt: Whether Luma may have done what was asked all the same.
        body: What came of the answer.
    """

    def __init__(
        self, error: LumaMcpError, end: str, *, passing: bool, in_doubt: bool, body: bytes = b""
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.end = end
        self.passing = passing
        self.in_doubt = in_doubt
        self.body = body

    def as_error_of(self, call: Call, api: Api) -> LumaMcpError:
        """Give the error, which for a paid call in doubt says that the job may exist."""
        if call.spends and self.in_doubt:
            return may_exist(self.error, call, self.body, api)
        return self.error


def _refused(answer: Answer, error: LumaMcpError) -> _Failure:
    """Judge an answer that is no success; only a 4xx is proof that nothing was done."""
    return _Failure(
        error,
        str(answer.status),
        passing=error.retryable and answer.status in PASSING_STATUSES,
        in_doubt=isinstance(error, Unavailable | BadResponse),
        body=answer.body,
    )


def _broken_off(fault: Interrupted) -> _Failure:
    """Judge an answer that began and could not be read whole."""
    error = BadResponse(f"Luma's answer ({fault.status}) cannot be read: {fault.reason}.")
    too_large = fault.__cause__ is None
    refused = httpx.codes.is_client_error(fault.status) and fault.status != REQUEST_TIMEOUT
    passing = not too_large and (not refused or fault.status in PASSING_STATUSES)
    return _Failure(error, "broken", passing=passing, in_doubt=not refused, body=fault.partial)


def _unanswered(fault: Exception, api: Api) -> _Failure:
    """Judge a request without any answer."""
    if never_reached_luma(fault):
        error: LumaMcpError = Unavailable(f"{api.who} cannot be reached; nothing was sent.")
        return _Failure(error, "refused", passing=True, in_doubt=False)
    error = Unavailable(f"The connection to {api.who} broke before an answer came.")
    return _Failure(error, "reset", passing=True, in_doubt=True)


def _tell(call: Call, api: Api, paid: asyncio.Task[Answer]) -> None:
    """Write down what came of a paid call whose caller had left."""
    if paid.cancelled():
        return
    error = paid.exception()
    if error is None:
        made = job_id_in(paid.result().body, call, api)
    else:
        made = error.generation_id if isinstance(error, LumaMcpError) else None
    _log.warning("left", path=call.path, generation_id=made, error=error)


class _Attempt:
    """One attempt at Luma, from its beginning to its end, which it tells unless the caller left.

    A class, because a generator for each attempt cost more than all that is counted.
    """

    __slots__ = ("_call", "_metrics", "_span", "_started", "_whose", "end")

    def __init__(self, call: Call, whose: str, metrics: Metrics, span: Span) -> None:
        self._call = call
        self._whose = whose
        self._metrics = metrics
        self._span = span
        self._started = time.perf_counter()
        self.end = "cancelled"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, raised: BaseException | None, _traceback: object) -> None:
        if isinstance(raised, _Failure):
            self.end = raised.end
        elif isinstance(raised, Exception):
            self.end = "failed"
        seconds = time.perf_counter() - self._started
        self._metrics.asked(self._whose, self._call.operation, self.end, seconds)
        note_status(self._span, self.end)
        self._span.end()


class Witness:
    """Sees every attempt at Luma, for metrics and traces."""

    def __init__(self, metrics: Metrics, tracing: Tracing) -> None:
        self._metrics = metrics
        self._tracing = tracing

    def seeing(self, call: Call, api: Api, base: httpx.URL, number: int) -> _Attempt:
        """See an attempt that begins now."""
        span = self._tracing.attempt(call.method, call.route, base.host, base.port, number)
        return _Attempt(call, api.name, self._metrics, span)


class Sender:
    """Sends calls of one API over the shared client, by the rules above.

    Args:
        client: The process's client.
        slots: The fair queue (first come, first served) in front of the client's connections.
        base_url: Where Luma is; from the settings, never from a caller.
        timeout_seconds: Deadline of a call, with its queueing, pauses and repetitions.
        api: Which of Luma's APIs is there.
        sleep: How to pause between attempts, in seconds.
        jitter: Gives a factor for each pause, so that callers do not come back in step.
        witness: Sees every attempt.

    Attributes:
        queued: How many calls wait for a slot.
        running: How many attempts have one.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        slots: asyncio.Semaphore,
        base_url: str,
        timeout_seconds: float,
        *,
        api: Api = DREAM_MACHINE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = lambda: random.uniform(0.75, 1.0),  # noqa: S311 - no secret
        witness: Witness | None = None,
    ) -> None:
        self.api = api
        self.queued = self.running = 0
        self._client = client
        self._slots = slots
        self._base_url = base_url
        self._base = httpx.URL(base_url)
        self._witness = witness or Witness(Metrics(), Tracing())
        self._timeout_seconds = timeout_seconds
        self._paid: set[asyncio.Task[Answer]] = set()
        self._sleep = sleep
        self._jitter = jitter

    async def send(self, call: Call, auth: httpx.Auth) -> Answer:
        """Send the call and return its successful answer.

        A caller who leaves does not take a paid call along: it is seen through to its end, and
        the log tells which job came of it.

        Raises:
            LumaMcpError: The one error that the failure stands for.
        """
        if not call.spends:
            return await self._send(call, auth)
        paid = asyncio.create_task(self._send(call, auth))
        self._paid.add(paid)
        paid.add_done_callback(self._paid.discard)
        try:
            return await asyncio.shield(paid)
        except asyncio.CancelledError:
            paid.add_done_callback(functools.partial(_tell, call, self.api))
            raise

    async def finish(self) -> None:
        """Wait for paid calls that nobody waits for any more; each has its deadline."""
        while self._paid:
            await asyncio.wait(self._paid)

    async def _send(self, call: Call, auth: httpx.Auth) -> Answer:
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        in_doubt, number = False, 0
        while True:
            number += 1
            try:
                return await self._try_once(call, auth, deadline, number)
            except _Failure as failure:
                if call.method == "DELETE" and in_doubt and isinstance(failure.error, NotFound):
                    return Answer(httpx.codes.NO_CONTENT, httpx.Headers(), b"")
                in_doubt = in_doubt or failure.in_doubt
                pause = self._pause(failure, number)
                late = asyncio.get_running_loop().time() + pause >= deadline
                repeatable = failure.passing and not (call.spends and in_doubt)
                if late or not repeatable or number == call.attempts:
                    raise failure.as_error_of(call, self.api) from failure.__cause__
            await self._sleep(pause)

    def _pause(self, failure: _Failure, number: int) -> float:
        backoff = FIRST_PAUSE_SECONDS * 2 ** (number - 1) * self._jitter()
        return max(failure.error.retry_after_seconds or 0.0, backoff)

    async def _try_once(self, call: Call, auth: httpx.Auth, deadline: float, number: int) -> Answer:
        await self._take_slot(deadline)
        self.running += 1
        try:
            with self._witness.seeing(call, self.api, self._base, number) as attempt:
                answer = await self._ask(call, auth, deadline)
                attempt.end = str(answer.status)
        finally:
            self.running -= 1
            self._slots.release()
        return answer

    async def _ask(self, call: Call, auth: httpx.Auth, deadline: float) -> Answer:
        try:
            answer = await read_answer(self._client, self._request(call), auth, deadline)
        except Interrupted as fault:
            if isinstance(fault.__cause__, TimeoutError):
                raise self._too_late(fault.partial) from fault
            raise _broken_off(fault) from fault
        except TimeoutError as fault:
            raise self._too_late() from fault
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as fault:
            raise _unanswered(fault, self.api) from fault
        if error := error_from(answer, self.api):
            raise _refused(answer, error)
        return answer

    def _too_late(self, partial: bytes = b"") -> _Failure:
        error = TimedOut(f"{self.api.who} did not answer within {self._timeout_seconds:g} seconds.")
        return _Failure(error, "timeout", passing=False, in_doubt=True, body=partial)

    async def _take_slot(self, deadline: float) -> None:
        self.queued += 1
        try:
            async with asyncio.timeout_at(deadline):
                await self._slots.acquire()
        except TimeoutError:
            error = Unavailable("This server is too busy to reach Luma; nothing was sent.")
            raise _Failure(error, "queued", passing=False, in_doubt=False) from None
        finally:
            self.queued -= 1

    def _request(self, call: Call) -> httpx.Request:
        headers = httpx.Headers(self._client.headers)
        if call.body or call.method == "POST":  # without a body, aiohttp would call it a stream
            headers["Content-Type"] = call.content_type
        return httpx.Request(
            call.method,
            _parsed(f"{self._base_url}{call.path_and_query}"),
            content=call.body,
            headers=headers,
            extensions={"timeout": self._client.timeout.as_dict()},
        )


@functools.lru_cache(maxsize=1_024)
def _parsed(url: str) -> httpx.URL:
    """Parse a URL once: jobs are looked at again and again, and all are created at few places.

    It was half of what making a request cost. No URL of Luma's API holds anything secret.
    """
    return httpx.URL(url)
