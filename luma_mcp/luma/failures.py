"""Why a job failed, in Luma's words, and what they mean (docs.lumalabs.ai, page "Errors")."""

from dataclasses import dataclass
from typing import Literal

FailureCode = Literal["moderated", "unreadable_input", "luma_fault", "callback_failed", "unknown"]


@dataclass(frozen=True)
class FailureMeaning:
    """What kind of failure it is and what to do about it."""

    code: FailureCode
    advice: str


_MODERATED = FailureMeaning(
    "moderated", "Luma's moderation refused it: reword the prompt or use another picture."
)
_UNREADABLE = FailureMeaning(
    "unreadable_input",
    "Luma could not read an input picture or video: use a direct, public https link to a file, "
    "on another host if need be.",
)
_FAULT = FailureMeaning("luma_fault", "A fault on Luma's side: create it again.")
_CALLBACK = FailureMeaning(
    "callback_failed",
    "Luma could not deliver to callback_url: leave it out, or make the receiver answer 200.",
)
_UNKNOWN = FailureMeaning("unknown", "Change the prompt or the input and create it again.")

# Part of Luma's text, in lower case, and what it means; the first match counts.
_MEANINGS: tuple[tuple[str, FailureMeaning], ...] = (
    ("blacklisted", _MODERATED),
    ("failed to read", _UNREADABLE),
    ("failed to moderate image", _UNREADABLE),
    ("moderation", _MODERATED),
    ("prompt processing", _FAULT),
    ("dispatching job", _FAULT),
    ("job failed", _FAULT),
    ("callback", _CALLBACK),
)


def meaning_of(reason: str | None) -> FailureMeaning:
    """Explain a `failure_reason`; Luma gives a text only, no code."""
    text = (reason or "").lower()
    return next((meaning for part, meaning in _MEANINGS if part in text), _UNKNOWN)
