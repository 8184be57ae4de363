"""What a failed answer of Luma means: one function from answer to error."""

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from luma_mcp.errors import (
    BadResponse,
    InsufficientCredits,
    InvalidRequest,
    KeyRejected,
    LumaMcpError,
    NotFound,
    RateLimited,
    Unavailable,
)
from luma_mcp.luma.apis import Api
from luma_mcp.luma.transport import Answer
from luma_mcp.redaction import quoted

MAX_RETRY_AFTER_SECONDS = 3600.0
# Luma publishes no status for an empty account; 402 or these words will do.
_OUT_OF_MONEY = re.compile(r"insufficient (credits|balance|funds)", re.IGNORECASE)


def detail_of(answer: Answer) -> str | None:
    """Find Luma's own words: every refusal is `{"detail": "<text>"}` (OpenAPI `Error`)."""
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    detail = body.get("detail") if isinstance(body, dict) else None
    if isinstance(detail, str) and detail.strip():
        return quoted(detail)
    return None


def retry_after_seconds(headers: httpx.Headers) -> float | None:
    """Read Retry-After, seconds or a date (RFC 9110 section 10.2.3); None when unreadable."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", value):
        seconds = float(value)
    else:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def _sentence(start: str, detail: str | None) -> str:
    return f'{start}: "{detail}"' if detail else f"{start}."


# What a 4xx stands for; any other than these is an invalid request. The meanings are those of
# the error classes of Luma's SDKs `lumaai` 1.21 and `luma-agents` 0.5; 403 is also seen for another
# product's keys.
_REFUSALS: dict[int, tuple[type[LumaMcpError], str]] = {
    401: (KeyRejected, "{who} does not accept the API key"),
    402: (InsufficientCredits, "The Luma account has too few credits"),
    403: (KeyRejected, "{who} does not allow this with the API key"),
    404: (NotFound, "{who} does not know this with your key"),
    408: (Unavailable, "{who} gave up waiting for the request (408)"),
    429: (RateLimited, "{who} takes no more requests from this key just now"),
}


def _advice(kind: type[LumaMcpError], api: Api) -> str | None:
    """Say what to do about a refusal where that is not the same for both APIs."""
    if kind is InvalidRequest:
        return "Change the arguments as the text says; nothing was spent."
    if kind is KeyRejected:
        return (
            "Check the key in your client's settings: it may be mistyped, revoked, or made for "
            f"another Luma product. Keys of the {api.title} are made at {api.keys_page}."
        )
    return {NotFound: api.not_found, InsufficientCredits: api.top_up}.get(kind)


def _refusal(answer: Answer, api: Api) -> LumaMcpError:
    detail = detail_of(answer)
    status = 402 if _OUT_OF_MONEY.search(detail or "") else answer.status
    kind, start = _REFUSALS.get(status, (InvalidRequest, f"{{who}} refused the request ({status})"))
    return kind(
        _sentence(start.format(who=api.who), detail),
        advice=_advice(kind, api),
        retry_after_seconds=retry_after_seconds(answer.headers),
    )


def error_from(answer: Answer, api: Api) -> LumaMcpError | None:
    """Decipher an answer: None when it is a success, else the error that it stands for.

    The statuses of validation errors are not published: 400 and 422 mean the same here.
    """
    if httpx.codes.is_success(answer.status):
        return None
    if httpx.codes.is_client_error(answer.status):
        return _refusal(answer, api)
    if httpx.codes.is_server_error(answer.status):
        return Unavailable(
            _sentence(f"{api.who} has a fault of its own ({answer.status})", detail_of(answer)),
            retry_after_seconds=retry_after_seconds(answer.headers),
        )
    if httpx.codes.is_redirect(answer.status):
        return BadResponse(
            f"{api.who} answered with a redirect ({answer.status}), "
            "which is not followed so that the key stays here."
        )
    return BadResponse(
        f"{api.who} answered with the status {answer.status}, which has no meaning here."
    )
