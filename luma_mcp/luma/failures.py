"""Why a job failed, in Luma's words, and what they mean.

The Dream Machine API gives a text only (docs.lumalabs.ai, page "Errors"), the Agents API a code
and a text (docs.agents.lumalabs.ai, page "Error handling").
"""

from dataclasses import dataclass
from typing import Literal

from luma_mcp.luma.apis import AGENTS
from luma_mcp.redaction import quoted

FailureCode = Literal[
    "moderated",
    "unreadable_input",
    "luma_fault",
    "callback_failed",
    "insufficient_credits",
    "rate_limited",
    "invalid_request",
    "unknown",
]


@dataclass(frozen=True)
class FailureMeaning:
    """What kind of failure it is, what it means and what to do about it."""

    code: FailureCode
    advice: str


@dataclass(frozen=True)
class Failure:
    """Why one job failed.

    Attributes:
        reason: Luma's own words, fit to be shown.
        refunded: Whether Luma gives back all that it cost; None where it does not say, or where a
            part may be kept.
    """

    code: FailureCode
    reason: str
    advice: str
    refunded: bool | None


_WORDS = FailureMeaning(
    "moderated",
    "The prompt holds words that Luma does not allow: reword it, then create it again.",
)
_PROMPT = FailureMeaning(
    "moderated",
    "Luma's moderation refused the prompt: reword it, then create it again. It is strict now and "
    "then with harmless prompts.",
)
_PICTURE = FailureMeaning(
    "moderated",
    "Luma's moderation refused a picture: use another one, then create it again.",
)
_UNREADABLE = FailureMeaning(
    "unreadable_input",
    "Luma could not read an input picture or video: use a direct, public https link to a file, "
    "on another host if need be, then create it again.",
)
_FAULT = FailureMeaning(
    "luma_fault", "A fault on Luma's side, not in the request: create it again as it was."
)
UNDELIVERED = FailureMeaning(
    "callback_failed",
    "Luma could not deliver its callback: leave callback_url out if you gave one, else tell the "
    "operator of this server; then create it again.",
)
_UNKNOWN = FailureMeaning("unknown", "Change the prompt or the input and create it again.")

# Part of Luma's text, in lower case, and what it means; the first match counts.
_MEANINGS: tuple[tuple[str, FailureMeaning], ...] = (
    ("blacklisted", _WORDS),
    ("failed to read", _UNREADABLE),
    ("failed to moderate image", _UNREADABLE),
    ("frame moderation", _PICTURE),
    ("moderation", _PROMPT),
    ("prompt processing", _FAULT),
    ("dispatching job", _FAULT),
    ("job failed", _FAULT),
    ("callback", UNDELIVERED),
)


_TOO_LARGE = FailureMeaning(
    "unreadable_input",
    "A picture is too large: use a smaller one (at most 50 MB), then create it again.",
)
_FORMAT = FailureMeaning(
    "unreadable_input",
    "Luma does not read this format: use a JPEG, PNG, WebP or still GIF picture, or an MP4 video, "
    "then create it again.",
)
_CORRUPT = FailureMeaning(
    "unreadable_input",
    "An input file is damaged or cut off: export or upload it anew, then create it again.",
)
_REJECTED = FailureMeaning(
    "moderated",
    "Luma's moderation refused the request or its result: the same again will be refused again, "
    "so change the prompt or the pictures, then create it again.",
)
_UNPAID = FailureMeaning(
    "insufficient_credits",
    f"The balance did not last for this job. {AGENTS.top_up} Then create it again.",
)
_HURRIED = FailureMeaning(
    "rate_limited",
    "Too many jobs at once: wait a minute or for running jobs to end, then create it again.",
)
_WRONG = FailureMeaning(
    "invalid_request",
    "Luma cannot make this of what was asked: change what the reason names, then create it again.",
)

# By the codes of the Agents API: what it means, and whether it is refunded in full. Nothing is
# published about refunds of the other codes; of a job that ran out of funds a part may be kept.
_AGENTS_MEANINGS: dict[str, tuple[FailureMeaning, bool | None]] = {
    "content_moderated": (_REJECTED, True),
    "generation_failed": (_FAULT, True),
    "output_not_found": (_FAULT, True),
    "budget_exhausted": (_UNPAID, None),
    "rate_limited": (_HURRIED, None),
    "image_too_large": (_TOO_LARGE, None),
    "unsupported_format": (_FORMAT, None),
    "corrupt_input": (_CORRUPT, None),
    "invalid_request": (_WRONG, None),
}


def meaning_of(reason: str | None) -> FailureMeaning:
    """Explain a `failure_reason` of the Dream Machine API, which gives no code."""
    text = (reason or "").lower()
    return next((meaning for part, meaning in _MEANINGS if part in text), _UNKNOWN)


def failure_of_dream_machine(reason: str | None) -> Failure:
    """Explain a failed job of the Dream Machine API, which refunds it in full (its FAQ)."""
    return _failure(meaning_of(reason), reason, refunded=True)


def failure_of_agents(code: str | None, reason: str | None) -> Failure:
    """Explain a failed job of the Agents API by its `failure_code`; there may be new ones."""
    meaning, refunded = _AGENTS_MEANINGS.get(code or "", (_UNKNOWN, None))
    return _failure(meaning, reason, refunded=refunded)


def _failure(meaning: FailureMeaning, reason: str | None, *, refunded: bool | None) -> Failure:
    words = quoted(reason or "") or "Luma gave no reason."
    return Failure(meaning.code, words, meaning.advice, refunded)
