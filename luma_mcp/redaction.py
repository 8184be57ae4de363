"""What may be shown: texts without keys, signatures of links and control characters."""

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

from luma_mcp.wording import MAX_QUOTE, one_line

HIDDEN = "[hidden]"
_secrets: ContextVar[tuple[str, ...]] = ContextVar("secrets", default=())

# Shorter values are no secrets, and hiding them would garble the text around them.
MIN_SECRET = 6

# Keys as Luma makes them, tokens of sign-ins, whatever follows a Bearer scheme, and of a URL the
# user, the query and the fragment (where signatures of links are). The current caller's own keys
# are also hidden by value. What is hidden already is part of what follows, or the rest after it
# would stay. Each pattern takes time that grows with the text, not with its square: foreign text
# comes here. It is searched for only in a text with its mark, in lower case, since most texts have
# none.
_PATTERNS: tuple[tuple[str, re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    ("luma-", re.compile(r"\bluma-[A-Za-z0-9_\-.]{6,}"), HIDDEN),
    ("lmcp_", re.compile(r"\blmcp_[A-Za-z0-9_\-.]+"), HIDDEN),
    (
        "bearer",
        re.compile(r"(?i)\b(bearer)\s+(?!<key>)(?:\[hidden\]|[^\s'\",)\]])+"),
        rf"\1 {HIDDEN}",
    ),
    ("://", re.compile(r"(\b\w{1,12}://)[^\s/@'\"<>]{1,256}@"), rf"\1{HIDDEN}@"),
    (
        "://",
        re.compile(r"(\b\w{1,12}://[^\s?#'\"<>]+)(?:([?#])(?:\[hidden\]|[^\s'\"<>)\]])*)?"),
        lambda url: f"{url[1]}{url[2]}{HIDDEN}" if url[2] else url[1],
    ),
)


@contextmanager
def hiding(*values: str) -> Generator[None]:
    """Hide these values from every log line and text that is redacted within the block."""
    found = {*_secrets.get(), *(value for value in values if len(value) >= MIN_SECRET)}
    # The longest first: one may be the beginning of another.
    token = _secrets.set(tuple(sorted(found, key=len, reverse=True)))
    try:
        yield
    finally:
        _secrets.reset(token)


def redact(text: str) -> str:
    """Take keys, bearer tokens and the query strings of URLs out of a text."""
    for secret in _secrets.get():
        text = text.replace(secret, HIDDEN)
    lowered = text.lower()
    for mark, pattern, replacement in _PATTERNS:
        if mark in lowered:
            text = pattern.sub(replacement, text)
    return text


def quoted(text: str, length: int = MAX_QUOTE) -> str:
    """Make foreign text fit for a sentence: one line, cut, nothing secret or unprintable."""
    return one_line(redact(text[: length * 32]), length)
