"""Faults on demand: words in a request that make its job, or the answer about it, go wrong.

A word is written `[sandbox:word]` or `[sandbox:word=value]` anywhere in the prompt of a
request that creates something; several may stand in one pair of brackets, with commas. `WORDS`
says what each does. They act on requests that pass all checks of form, and before limits and
credits; an unknown word is refused with 400, so that a misspelt test does not pass.

An address of a source that has `unreachable` in it stands for one that Luma cannot fetch: its job
fails as `[sandbox:fail=frames]` does. callback_url is no source.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from luma_mcp.sandbox.rules import read_integer, refuse

# docs.lumalabs.ai/docs/errors: what failure_reason may say.
FAILURES = {
    "moderation": "Advanced prompt moderation failed",
    "blacklist": "Contains blacklisted words",
    "frames": "Failed to read user input frames",
    "frame-moderation": "Frame moderation failed",
    "prompt": "Prompt processing failed",
    "dispatch": "Error dispatching job",
    "job": "Job failed",
    "callback": "Error processing callback",
    "image": "400: failed to moderate image",
}

ACCIDENTS = ("html", "redirect", "reset", "lost", "stall", "garbage", "empty", "truncated", "huge")

WORDS = {
    "[sandbox:fail=moderation]": (
        "The job fails once it has dreamt, and is refunded. Also: " + ", ".join(list(FAILURES)[1:])
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
URLS = {UNREACHABLE: "A source with this word in its address cannot be read, and the job fails"}

_MAX_SECONDS = 86_400
_MAX_TIMES = 1_000
_BRACKETS = re.compile(r"\[sandbox:([^\[\]]*)\]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Faults:
    """What is to go wrong.

    Attributes:
        failure_reason: Why the job fails.
        dreaming_seconds: How long it dreams, if not as usual.
        never: Whether it dreams for ever.
        get_status: Status of the first readings of the job.
        status: Status that the request gets instead of a job.
        retry_after: Value of Retry-After; "none" leaves it out even at 429.
        accident: What befalls the answer.
        times: How often; None for always.
    """

    failure_reason: str | None = None
    dreaming_seconds: int | None = None
    never: bool = False
    get_status: int | None = None
    status: int | None = None
    retry_after: str | None = None
    accident: str | None = None
    times: int | None = None


def parse_faults(prompt: str) -> Faults:
    """Read the words of a prompt.

    Raises:
        HTTPException: 400, if a word or its value is not one of `WORDS`.
    """
    found: dict[str, Any] = {}
    for brackets in _BRACKETS.findall(prompt):
        for item in brackets.split(","):
            name, _, value = item.strip().partition("=")
            found |= _read(name, value)
    return Faults(**found)


def _read(name: str, value: str) -> dict[str, Any]:
    if name in ACCIDENTS and not value:
        return {"accident": name}
    if name == "never" and not value:
        return {"never": True}
    try:
        field, read = _READERS[name]
        return {field: read(value)}
    except (KeyError, ValueError):
        refuse(f"Unknown sandbox word: {name[:40]}{'=' if value else ''}{value[:40]}")


def _read_retry_after(value: str) -> str:
    return value if value == "none" else str(read_integer(value, 0, _MAX_SECONDS))


_read_status = partial(read_integer, low=400, high=599)


_READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "fail": ("failure_reason", FAILURES.__getitem__),
    "seconds": ("dreaming_seconds", partial(read_integer, low=0, high=_MAX_SECONDS)),
    "get": ("get_status", _read_status),
    "http": ("status", _read_status),
    "retry-after": ("retry_after", _read_retry_after),
    "times": ("times", partial(read_integer, low=1, high=_MAX_TIMES)),
}
