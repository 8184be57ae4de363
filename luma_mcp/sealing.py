"""Sealed tokens: what this process gave out and gets back, which nobody else can read or make."""

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
MAX_TOKEN_LENGTH = 2048
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


class Sealer:
    """Seals claims for one purpose and a limited time.

    Args:
        secret: 32 bytes; by default random ones, which end with the process.
        now: The time in seconds since 1970.
    """

    def __init__(
        self, secret: bytes | None = None, *, now: Callable[[], float] = time.time
    ) -> None:
        self._key = OctKey.import_key(secret or secrets.token_bytes(KEY_BYTES))
        self._now = now

    def seal(self, purpose: str, claims: dict[str, Any], seconds: float) -> str:
        """Make a token that holds the claims and can be opened for so many seconds."""
        expiring = {**claims, "exp": int(self._now() + seconds)}
        return jwt.encode(_header(purpose), expiring, self._key, registry=_REGISTRY)

    def open(self, purpose: str, token: str) -> dict[str, Any] | None:
        """Give the claims, or None if the token is forged, expired or for another purpose."""
        if len(token) > MAX_TOKEN_LENGTH or not token.startswith(_start_of(purpose)):
            return None
        try:
            opened = jwt.decode(token, self._key, registry=_REGISTRY)
        except (JoseError, ValueError):
            return None
        return opened.claims if opened.claims["exp"] > self._now() else None
