"""Faults on demand: words in a request that make its job, or the answer about it, go wrong.

A word is written `[sandbox:word]` or `[sandbox:word=value]` anywhere in the prompt of a
request that creates something; several may stand in one pair of brackets, with commas. `WORDS`
says what each does. They act on requests that pass all checks of form, and before limits and
credits; an unknown word is refused with 400, so that a misspelt test does not pass.

An address of a source that has `unreachable` in it stands for one that Luma cannot fetch: a job of
Dream Machine fails as `[sandbox:fail=frames]` does, and the Agents API refuses the request.
callback_url is no source.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.exceptions import HTTPException

from luma_mcp.sandbox.reading import read_integer


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a job fails.

    Attributes:
        reason: What a person reads.
        code: What a program reads; Dream Machine has none.
        refunded: Which part of the price comes back.
    """

    reason: str
    code: str | None = None
    refunded: float = 1.0


# docs.lumalabs.ai/docs/errors: what failure_reason may say.
DREAM_MACHINE_FAILURES = {
    word: Failure(reason=reason)
    for word, reason in {
        "moderation": "Advanced prompt moderation failed",
        "blacklist": "Contains blacklisted words",
        "frames": "Failed to read user input frames",
        "frame-moderation": "Frame moderation failed",
        "prompt": "Prompt processing failed",
        "dispatch": "Error dispatching job",
        "job": "Job failed",
        "callback": "Error processing callback",
        "image": "400: failed to moderate image",
    }.items()
}

# The codes are those of Luma's SDK luma-agents 0.5.0, the first four reasons and their refunds
# those of the guide to error handling. For the others it gives neither: both are the sandbox's own.
# "Partly" refunded, as the guide says of budget_exhausted, is half here.
_PARTLY = 0.5
AGENTS_FAILURES = {
    code: Failure(code=code, reason=reason, refunded=_PARTLY if code == "budget_exhausted" else 1.0)
    for code, reason in {
        "content_moderated": "Generation output was flagged by our content moderation system.",
        "generation_failed": "Generation failed",
        "output_not_found": "Output artifacts not found",
        "budget_exhausted": "Insufficient credits to complete this generation.",
        "rate_limited": "The model is rate limited at the moment.",
        "image_too_large": "An input image is too large.",
        "unsupported_format": "The format of an input is not supported.",
        "corrupt_input": "An input could not be read.",
        "invalid_request": "The request is not valid.",
    }.items()
}

ACCIDENTS = ("html", "redirect", "reset", "lost", "stall", "garbage", "empty", "truncated", "huge")

WORDS = {
    "[sandbox:fail=moderation]": (
        "Dream Machine: the job fails once it has dreamt, and is refunded. Also: "
        + ", ".join(list(DREAM_MACHINE_FAILURES)[1:])
    ),
    "[sandbox:fail=content_moderated]": (
        "Agents API: likewise, with this failure_code. Also: "
        + ", ".join(list(AGENTS_FAILURES)[1:])
        + "; budget_exhausted is refunded by half. In the name of a file, its ingest fails"
    ),
    "[sandbox:seconds=30]": "The job dreams for so many seconds (0 to 86400)",
    "[sandbox:never]": "The job dreams for ever",
    "[sandbox:get=503]": "The first reading of the job gets this status; with times=N the first N",
    "[sandbox:http=503]": "The request gets this status (400 to 599) and no job exists",
    "[sandbox:http=429,retry-after=7]": "Likewise, with this Retry-After; none leaves it out",
    "[sandbox:http=503,times=2]": (
        "Only the first two requests with this prompt get it; times goes with get and with "
        + ", ".join(ACCIDENTS)
        + " as well"
    ),
    "[sandbox:html]": "502 with a page of HTML; no job exists",
    "[sandbox:redirect]": "307 to another host; no job exists",
    "[sandbox:reset]": "The connection is reset before any answer; no job exists",
    "[sandbox:lost]": "The connection is reset before any answer, but the job exists",
    "[sandbox:stall]": "The job exists; its answer is held back for minutes",
    "[sandbox:garbage]": "The job exists; the answer is a success with a body that is not JSON",
    "[sandbox:empty]": "The job exists; the answer is a success without a body",
    "[sandbox:truncated]": "The job exists; the connection ends in the middle of the answer",
    "[sandbox:huge]": "The job exists; the answer is 50 MB of JSON",
}

UNREACHABLE = "unreachable"
URLS = {
    UNREACHABLE: (
        "A source with this word in its address cannot be read: Dream Machine's job fails, the "
        "Agents API refuses the request"
    )
}

_MAX_SECONDS = 86_400
_MAX_TIMES = 1_000
_BRACKETS = re.compile(r"\[sandbox:([^\[\]]*)\]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Faults:
    """What is to go wrong.

    Attributes:
        failure: Why the job fails.
        dreaming_seconds: How long it dreams, if not as usual.
        never: Whether it dreams for ever.
        get_status: Status of the first readings of the job.
        status: Status that the request gets instead of a job.
        retry_after: Value of Retry-After; "none" leaves it out even at 429.
        accident: What befalls the answer.
        times: How often; None for always.
    """

    failure: Failure | None = None
    dreaming_seconds: int | None = None
    never: bool = False
    get_status: int | None = None
    status: int | None = None
    retry_after: str | None = None
    accident: str | None = None
    times: int | None = None


def parse_faults(prompt: str, failures: Mapping[str, Failure]) -> Faults:
    """Read the words of a prompt.

    Args:
        prompt: Where they stand.
        failures: What `fail` may be.

    Raises:
        HTTPException: 400, if a word or its value is not one of `WORDS`, or of the other API.
    """
    found: dict[str, Any] = {}
    for brackets in _BRACKETS.findall(prompt):
        for item in brackets.split(","):
            name, _, value = item.strip().partition("=")
            found |= _read(name, value, failures)
    return Faults(**found)


def _read(name: str, value: str, failures: Mapping[str, Failure]) -> dict[str, Any]:
    if name in ACCIDENTS and not value:
        return {"accident": name}
    if name == "never" and not value:
        return {"never": True}
    try:
        if name == "fail":
            return {"failure": failures[value]}
        field, read = _READERS[name]
        return {field: read(value)}
    except (KeyError, ValueError):
        word = f"{name[:40]}{'=' if value else ''}{value[:40]}"
        raise HTTPException(400, f"Unknown sandbox word: {word}") from None


def _read_retry_after(value: str) -> str:
    return value if value == "none" else str(read_integer(value, 0, _MAX_SECONDS))


_read_status = partial(read_integer, low=400, high=599)


_READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "seconds": ("dreaming_seconds", partial(read_integer, low=0, high=_MAX_SECONDS)),
    "get": ("get_status", _read_status),
    "http": ("status", _read_status),
    "retry-after": ("retry_after", _read_retry_after),
    "times": ("times", partial(read_integer, low=1, high=_MAX_TIMES)),
}
