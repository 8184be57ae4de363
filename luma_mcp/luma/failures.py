"""Why a job failed, in Luma's words, and what they mean (docs.lumalabs.ai, page "Errors")."""

from dataclasses import dataclass
from typing import Literal

FailureCode = Literal["moderated", "unreadable_input", "luma_fault", "callback_failed", "unknown"]


@dataclass(frozen=True)
class FailureMeaning:
    """What kind of failure it is, what it means and what to do about it."""

    code: FailureCode
    advice: str


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


def meaning_of(reason: str | None) -> FailureMeaning:
    """Explain a `failure_reason`; Luma gives a text only, no code."""
    text = (reason or "").lower()
    return next((meaning for part, meaning in _MEANINGS if part in text), _UNKNOWN)
