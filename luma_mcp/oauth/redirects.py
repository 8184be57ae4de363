"""Where the answer of a sign-in may go: nowhere but to clients that the operator allows."""

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlsplit

from pydantic import AnyUrl, ConfigDict, TypeAdapter, ValidationError

from luma_mcp.settings import LOOPBACK

_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_LENGTH = 512
# A place that brought one of these itself would get it twice, and read the first.
_ANSWERS = frozenset({"code", "state", "error", "error_description", "error_uri"})
# URLs are read as browsers read them (the WHATWG's rules): `https:\\claude.ai@evil.example` goes to
# the same host here and there.
_URL = TypeAdapter(AnyUrl, config=ConfigDict(url_preserve_empty_path=True))
_ANY_PORT = re.compile(r"(http://(?:localhost|127\.0\.0\.1|\[::1\])):\*(?=/|$)")


def normalized(uri: str) -> str | None:
    """Write a URI as a browser understands it; None if it is none, or too long."""
    try:
        written = str(_URL.validate_python(_ANY_PORT.sub(r"\1", uri)))
    except ValidationError:
        return None
    return written if len(written) <= MAX_LENGTH else None


def is_loopback_redirect(uri: str) -> bool:
    """Tell whether an app on the user's own machine listens there (RFC 8252 section 7.3)."""
    parts = urlsplit(uri)
    return parts.scheme == "http" and parts.hostname in _LOOPBACK_HOSTS


def matches(registered: str, asked: str) -> bool:
    """Compare two normalized URIs: alike, save that an app listens at whatever port is free."""
    if is_loopback_redirect(registered) and is_loopback_redirect(asked):
        return _without_port(registered) == _without_port(asked)
    return registered == asked


def _without_port(uri: str) -> tuple[str | None, str, str]:
    parts = urlsplit(uri)
    return parts.hostname, parts.path or "/", parts.query


class Redirects:
    """What the operator allows.

    Args:
        allowed: Hosts, schemes such as `cursor:`, and the word loopback.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        words = frozenset(allowed)
        self._loopback = LOOPBACK in words
        self._schemes = frozenset(word for word in words if word.endswith(":"))
        self._hosts = words - self._schemes - {LOOPBACK}

    def allow(self, uri: str) -> bool:
        """Tell whether an answer may go to this normalized URI."""
        parts = urlsplit(uri)
        own = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        if "@" in parts.netloc or "#" in uri or own & _ANSWERS:
            return False
        if parts.scheme == "https":
            return parts.netloc in self._hosts
        if parts.scheme == "http":
            return self._loopback and is_loopback_redirect(uri)
        return f"{parts.scheme}:" in self._schemes
