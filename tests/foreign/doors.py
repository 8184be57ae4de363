"""The outermost door of the server, and what may never come out of it."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from jsonschema import Draft202012Validator
from starlette.requests import ClientDisconnect
from structlog.testing import capture_logs

from luma_mcp.errors import LumaMcpError
from tests.foreign.strategies import Json, written
from tests.messages import META, MODERN

LEGACY = "2025-06-18"
ACCEPT = (b"accept", b"application/json, text/event-stream")
JSON_TYPE = (b"content-type", b"application/json")
KEYS = {
    b"authorization",
    b"x-api-key",
    b"x-auth-token",
    b"x-luma-api-key",
    b"x-luma-agents-api-key",
}
LEAST_SECRET = 12
CODES = {
    "missing_key",
    "key_rejected",
    "invalid_request",
    "not_found",
    "insufficient_credits",
    "rate_limited",
    "unavailable",
    "timed_out",
    "bad_response",
    "refused_by_policy",
}
FIELDS = {
    "code",
    "message",
    "advice",
    "retryable",
    "retry_after_seconds",
    "request_id",
    "generation_id",
}
# What only our inside could have said.
INSIDES = ("Traceback", 'File "', "site-packages", "pydantic", "input_value", "luma_mcp.", "0x7f")

Headers = list[tuple[bytes, bytes]]


class Faults(logging.Handler):
    """Keeps what the product would write into its log about faults, of its libraries too."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep errors and tracebacks, but for those that the product does not write."""
        error = record.exc_info[1] if record.exc_info else None
        expected = isinstance(error, LumaMcpError | ClientDisconnect)
        if not expected and (error or record.levelno >= logging.ERROR):
            self.found.append(f"{record.name}: {record.getMessage()} {error!r}")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the place of the handlers, and the levels, that the product sets."""
        root, theirs = logging.getLogger(), logging.getLogger("fastmcp")
        servers = logging.getLogger("fastmcp.server.server")
        before = theirs.handlers[:], servers.level
        root.addHandler(self)
        theirs.handlers[:] = [self]
        servers.setLevel(logging.ERROR)
        try:
            yield
        finally:
            root.removeHandler(self)
            theirs.handlers[:], level = before
            servers.setLevel(level)


def headers_of(key: str, era: str, message: object) -> Headers:
    """Give the headers that a client of one protocol era sends along with a message.

    The key for Dream Machine comes with one for the Agents API.
    """
    agents_key = (b"x-luma-agents-api-key", f"luma-api-{key}".encode())
    headers = [ACCEPT, JSON_TYPE, (b"authorization", f"Bearer {key}".encode()), agents_key]
    if era != MODERN or not isinstance(message, dict):
        return headers
    params = message.get("params")
    named = {"mcp-method": message.get("method")}
    named["mcp-name"] = params.get("name") if isinstance(params, dict) else None
    headers += [
        (name.encode(), value.encode())
        for name, value in named.items()
        if isinstance(value, str) and value.isascii() and value.isprintable()
    ]
    return [*headers, (b"mcp-protocol-version", MODERN.encode())]


def request_of(era: str, method: str, params: Json) -> Json:
    """Build a message as a client of one protocol era does."""
    params = {**params, "_meta": META} if era == MODERN else params
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def messages_in(answer: httpx.Response) -> list[Json]:
    """Read the messages of JSON-RPC in an answer of either form."""
    if not answer.headers["content-type"].startswith("text/event-stream"):
        return [answer.json()]
    lines = answer.text.split("\r\n")
    return [json.loads(line.removeprefix("data:")) for line in lines if line.startswith("data:")]


def message_in(answer: httpx.Response) -> Json:
    """Read the one message that ends the exchange."""
    *others, last = messages_in(answer)
    assert all("method" in other for other in others)
    return last


def fields_in(answer: httpx.Response, schema: Json) -> Json:
    """Read what a tool answered, which is as its schema says, whether it is an error or not."""
    assert answer.status_code == 200, answer.text
    result = message_in(answer)["result"]
    fields = result["structuredContent"]
    Draft202012Validator(schema).validate(fields)
    assert result["content"][0]["text"]
    if result.get("isError"):
        assert set(fields) == FIELDS
        assert fields["code"] in CODES, fields
        assert fields["message"]
    else:
        assert "code" not in fields
    return fields


@dataclass
class Door:
    """The way in, watched: no exchange may leave a fault in the log.

    In process whatever the application raises comes up in the test.
    """

    transport: httpx.AsyncBaseTransport
    url: str
    faults: Faults

    async def send(
        self, headers: Headers, body: bytes, method: str = "POST", path: str = "/mcp"
    ) -> httpx.Response:
        """Send one request with hardly any header but these."""
        request = httpx.Request(method, self.url + path, headers=headers, content=body)
        with capture_logs() as lines:
            answer = await self.transport.handle_async_request(request)
            await answer.aread()
        assert not self.faults.found
        assert not [line for line in lines if "exc_info" in line or line["log_level"] == "error"]
        secrets = (
            value.decode("latin-1").split(" ")[-1] for name, value in headers if name in KEYS
        )
        said = answer.text + repr(lines)
        assert not [one for one in secrets if len(one) >= LEAST_SECRET and one in said]
        assert answer.status_code < 500, answer.text
        assert not [word for word in INSIDES if word in answer.text], answer.text
        return answer

    async def say(self, key: str, era: str, message: object) -> httpx.Response:
        """Send one message as a client of one protocol era does."""
        return await self.send(headers_of(key, era, message), written(message))

    async def call(self, key: str, era: str, tool: str, arguments: object) -> httpx.Response:
        """Call a tool."""
        params = {"name": tool, "arguments": arguments}
        return await self.say(key, era, request_of(era, "tools/call", params))
