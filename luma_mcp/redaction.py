"""What may be shown: texts without keys, signatures of links and control characters."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

MAX_QUOTE = 300
# Half a surrogate pair, which JSON can hold, could not even be written.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+"
)

HIDDEN = "[hidden]"
_secrets: ContextVar[tuple[str, ...]] = ContextVar("secrets", default=())

# Keys as Luma makes them, whatever follows a Bearer scheme, and the query of a URL (that is
# where signatures of links are). The current caller's own keys are also hidden by value. What is
# hidden already is part of what follows, or the rest after it would stay.
_PATTERNS = (
    (re.compile(r"\bluma-[A-Za-z0-9_\-.]{6,}"), HIDDEN),
    (
        re.compile(r"(?i)\b(bearer)\s+(?!<key>)(?:\[hidden\]|[^\s'\",)\]])+"),
        rf"\1 {HIDDEN}",
    ),
    (
        re.compile(r"(https?://[^\s?'\"<>]+)\?(?:\[hidden\]|[^\s'\"<>)\]])*"),
        rf"\1?{HIDDEN}",
    ),
)


@contextmanager
def hiding(*values: str) -> Generator[None]:
    """Hide these values from every log line and text that is redacted within the block."""
    token = _secrets.set(_secrets.get() + tuple(value for value in values if value))
    try:
        yield
    finally:
        _secrets.reset(token)


def redact(text: str) -> str:
    """Take keys, bearer tokens and the query strings of URLs out of a text."""
    for secret in _secrets.get():
        text = text.replace(secret, HIDDEN)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def quoted(text: str) -> str:
    """Make foreign text fit for a sentence: one line, cut, nothing secret or unprintable."""
    text = " ".join(_UNPRINTABLE.sub(" ", redact(text)).split())
    return text if len(text) <= MAX_QUOTE else f"{text[:MAX_QUOTE].rstrip()}…"
