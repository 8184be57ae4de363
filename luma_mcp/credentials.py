"""The caller's own Luma API keys: read from headers, never printable, never kept."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from luma_mcp.errors import ConflictingKeys, InvalidRequest
from luma_mcp.luma.apis import AGENTS, APIS, DREAM_MACHINE, Api, ApiName

KEY_HEADERS = ("authorization", "x-api-key", "x-auth-token", "x-luma-api-key")
AGENTS_KEY_HEADER = AGENTS.key_header.lower()
AGENTS_KEY_PREFIX = "luma-api-"
# Tokens of sign-ins begin so, and no key of Luma's does: what carries the mark is never taken for
# a key, nor sent to Luma.
TOKEN_MARK = "lmcp_"  # noqa: S105 - no password
MAX_KEY_LENGTH = 512
_KEY = re.compile(r"[\x21-\x7e]+")  # what may stand in a header: visible ASCII, no blank


@dataclass(frozen=True)
class ApiKey:
    """One key of one API; only `secret` reveals it."""

    secret: str = field(repr=False)

    @cached_property
    def fingerprint(self) -> str:
        """The hash that stands for the key wherever something is shared or logged."""
        return hashlib.sha256(self.secret.encode()).hexdigest()


@dataclass(frozen=True)
class Credentials:
    """The keys that one request brought; at least one over HTTP."""

    dream_machine: ApiKey | None = None
    agents: ApiKey | None = None

    @property
    def keys(self) -> tuple[ApiKey, ...]:
        """The keys that are there."""
        return tuple(key for key in (self.dream_machine, self.agents) if key)

    def key_for(self, api: Api) -> ApiKey | None:
        """The key for this API, if there is one."""
        return self.agents if api is AGENTS else self.dream_machine

    @cached_property
    def principal(self) -> str:
        """Who calls: the hash of the key, or of both hashes when there are two keys."""
        prints = [key.fingerprint for key in self.keys]
        if len(prints) == 1:
            return prints[0]
        return hashlib.sha256(":".join(prints).encode()).hexdigest()


def _key_in(name: str, value: str) -> str | None:
    """Find the key in one header; an Authorization of another scheme carries none."""
    scheme, *rest = value.split(None, 1) or [""]
    if scheme.lower() == "bearer":  # people put the word into the other headers too
        return rest[0].strip() if rest else None
    return None if name == "authorization" else value.strip() or None


def checked_key(where: str, secret: str) -> ApiKey:
    """Take a text for a key.

    Args:
        where: Where it came from, for the error.
        secret: The text.

    Raises:
        InvalidRequest: It cannot be one.
    """
    if secret.startswith(TOKEN_MARK):
        raise InvalidRequest(f"The {where} holds the token of a sign-in, not an API key.")
    if len(secret) > MAX_KEY_LENGTH or not _KEY.fullmatch(secret):
        raise InvalidRequest(
            f"The {where} does not hold an API key.",
            advice=f"A key has at most {MAX_KEY_LENGTH} visible ASCII characters and no blanks.",
        )
    return ApiKey(secret)


def credentials_from_headers(
    headers: Iterable[tuple[str, str]], signed_in_with: Credentials | None = None
) -> Credentials | None:
    """Read the caller's keys from a request's headers (names in lower case).

    A key that starts with `luma-api-` is for the Agents API, any other for Dream Machine;
    X-Luma-Agents-API-Key always means the Agents API. The same key twice is fine. The token of a
    sign-in is none of them.

    Args:
        headers: The request's.
        signed_in_with: The keys that came in the token of a sign-in.

    Returns:
        The keys, or None when no header carries one.

    Raises:
        ConflictingKeys: Two different keys for the same API.
        InvalidRequest: A value that cannot be a key.
    """
    found: dict[ApiName, ApiKey] = {}
    if signed_in_with is not None:
        found |= {api.name: key for api in APIS if (key := signed_in_with.key_for(api))}
    for name, secret in _secrets_in(headers):
        if secret.startswith(TOKEN_MARK):
            continue
        agents = name == AGENTS_KEY_HEADER or secret.startswith(AGENTS_KEY_PREFIX)
        api = AGENTS if agents else DREAM_MACHINE
        key = checked_key(f"header {name}", secret)
        if found.setdefault(api.name, key) != key:
            raise ConflictingKeys(f"The request carries two different keys for Luma's {api.title}.")
    return Credentials(**found) if found else None


def token_from_headers(headers: Iterable[tuple[str, str]]) -> str | None:
    """Find the token of a sign-in among the headers that may carry a key.

    Raises:
        ConflictingKeys: Two different ones.
    """
    tokens = {secret for _, secret in _secrets_in(headers) if secret.startswith(TOKEN_MARK)}
    if len(tokens) > 1:
        raise ConflictingKeys("The request carries two different tokens of sign-ins.")
    return next(iter(tokens), None)


def _secrets_in(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        if name in KEY_HEADERS or name == AGENTS_KEY_HEADER:
            secret = _key_in(name, value)
            if secret is not None:
                yield name, secret
