"""Sealed tokens: what this process gave out and gets back, which nobody else can read or make."""

import hashlib
import math
import secrets
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry
from joserfc.jwk import OctKey

KEY_BYTES = 32
MAX_TOKEN_LENGTH = 8192
# JWE in its compact form (RFC 7516): the claims are encrypted, the header is authenticated.
_HEADER = {"alg": "dir", "enc": "A256GCM"}
_REGISTRY = JWERegistry(algorithms=list(_HEADER.values()))


def _header(purpose: str) -> dict[str, Any]:
    return {**_HEADER, "typ": purpose}


@cache
def _start_of(purpose: str) -> str:
    """How every token of ours for a purpose begins.

    A header that somebody else wrote is not even read: it could name other algorithms, or be of a
    shape that the library stumbles over.
    """
    some_token = jwt.encode(_header(purpose), {}, OctKey.generate_key(256), registry=_REGISTRY)
    return some_token[: some_token.index(".") + 1]


def key_from(text: str) -> bytes:
    """Make a secret's text into a key; the text must be long and random, since this is fast."""
    return hashlib.blake2b(
        text.encode(), digest_size=KEY_BYTES, person=b"luma-mcp sealing"
    ).digest()


class Sealer:
    """Seals claims for one purpose and a limited time.

    Args:
        keys: Of 32 bytes each. The first seals and all open, so that a new one can be put before
            the old; by default a random one, which ends with the process.
        now: The time in seconds since 1970.
    """

    def __init__(self, *keys: bytes, now: Callable[[], float] = time.time) -> None:
        self._keys = [OctKey.import_key(key) for key in keys or [secrets.token_bytes(KEY_BYTES)]]
        self._now = now

    def seal(self, purpose: str, claims: dict[str, Any], seconds: float = math.inf) -> str:
        """Make a token that holds the claims and can be opened for so many seconds."""
        sealed = dict(claims)
        if seconds < math.inf:
            sealed["exp"] = int(self._now() + seconds)
        return jwt.encode(_header(purpose), sealed, self._keys[0], registry=_REGISTRY)

    def open(self, purpose: str, token: str) -> dict[str, Any] | None:
        """Give the claims, or None if the token is forged, expired or for another purpose."""
        if len(token) > MAX_TOKEN_LENGTH or not token.startswith(_start_of(purpose)):
            return None
        for key in self._keys:
            try:
                claims = jwt.decode(token, key, registry=_REGISTRY).claims
            except (JoseError, ValueError):
                continue
            return claims if claims.get("exp", math.inf) > self._now() else None
        return None
