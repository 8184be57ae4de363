"""Reading a request: its body within bounds, what its JSON says, and where it was sent to."""

from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, from_json
from starlette.exceptions import HTTPException
from starlette.requests import Request

from luma_mcp.sandbox.behaviour import Behaviour

P = TypeVar("P", bound="Part")


class Part(BaseModel):
    """An object in a body, read as it stands: no text is taken for a number."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


async def stream_body(request: Request, limit_bytes: int, text: str) -> AsyncGenerator[bytes]:
    """Give the body in the parts in which it arrives, as long as it is within its limit.

    Raises:
        HTTPException: 413 with the text; Starlette's own limit answers in plain text.
    """
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit_bytes:
            raise HTTPException(413, text)
        yield part


async def read_body(request: Request, limit_bytes: int, text: str = "Content Too Large") -> bytes:
    """Read the whole body.

    Raises:
        HTTPException: 413 with the text, if it is larger than its limit.
    """
    content = bytearray()
    async for part in stream_body(request, limit_bytes, text):
        content += part
    return bytes(content)


def describe_error(error: ErrorDetails) -> str:
    """Say which field is wrong, and why."""
    place = ".".join(str(step) for step in error["loc"])
    return f"{place}: {error['msg'].removeprefix('Value error, ')}"


def parse_body(
    raw: bytes,
    shape: type[P],
    status: int,
    describe: Callable[[ErrorDetails], str] = describe_error,
) -> P:
    """Read a request's body.

    A member that is null counts as not sent.

    Raises:
        HTTPException: With the status, and a text that names the field that is wrong.
    """
    if not raw:
        raise HTTPException(status, "Request body is required")
    try:
        sent = from_json(raw, allow_inf_nan=False)
    except ValueError:
        raise HTTPException(status, "Request body is not valid JSON") from None
    if not isinstance(sent, dict):
        raise HTTPException(status, "Request body must be a JSON object")
    return check_shape(sent, shape, status, describe)


def check_shape(
    sent: dict[str, Any],
    shape: type[P],
    status: int,
    describe: Callable[[ErrorDetails], str] = describe_error,
) -> P:
    """Make a body of its members.

    Raises:
        HTTPException: With the status, and a text that names the field that is wrong.
    """
    try:
        return shape.model_validate({name: v for name, v in sent.items() if v is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise HTTPException(status, describe(first)) from None


def read_integer(text: str, low: int, high: int) -> int:
    """Read a whole number, written in nothing but digits, within bounds that count themselves.

    Raises:
        ValueError: It is no such number, or out of bounds.
    """
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(high))
    if not digits or not low <= int(text) <= high:
        raise ValueError(f"must be an integer from {low} to {high}")
    return int(text)


def read_query_integer(
    request: Request, name: str, *, default: int, low: int, high: int, status: int
) -> int:
    """Read a whole number of the query.

    Raises:
        HTTPException: With the status, if it is no number within its bounds.
    """
    try:
        return read_integer(request.query_params.get(name, str(default)), low, high)
    except ValueError as error:
        raise HTTPException(status, f"{name}: {error}") from None


def parse_web_address(text: str) -> httpx.URL:
    """Read an address of the web.

    Raises:
        ValueError: It is none.
    """
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("must be an http or https URL")
    return url


def get_public_url(request: Request, behaviour: Behaviour, below: str = "") -> str:
    """Where the sandbox is, as its caller sees it.

    Args:
        request: What the caller sent.
        behaviour: It may know the address better.
        below: The path of the API within the sandbox, if that is an application of its own.
    """
    if behaviour.public_url is not None:
        return behaviour.public_url.rstrip("/")
    url = request.url
    root = request.scope.get("root_path", "").removesuffix(below)
    return f"{url.scheme}://{url.netloc}{root}"
