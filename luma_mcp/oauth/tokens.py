"""What a sign-in gives out: sealed tokens that hold all there is to know; nothing is stored."""

import base64
import hashlib
import math
from typing import Any, Literal

from luma_mcp.credentials import TOKEN_MARK
from luma_mcp.sealing import Sealer

Kind = Literal["access", "refresh", "code", "client", "request"]


def hash_of(text: str) -> str:
    """Stand for a text in a token, which would be too long with it: 96 bits of its SHA-256."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:12]).decode()


def _start_of(kind: Kind) -> str:
    return f"{TOKEN_MARK}{kind}_"


class Tokens:
    """Makes tokens of one kind that are good for no other, on no other server.

    Args:
        sealer: Seals them.
        audience: The resource that they are for.
    """

    def __init__(self, sealer: Sealer, audience: str) -> None:
        self._sealer = sealer
        self._audience = hash_of(audience)

    def make(self, kind: Kind, claims: dict[str, Any], seconds: float = math.inf) -> str:
        """Make a token, which lasts so many seconds, or as long as the secret that seals it."""
        bound = {**claims, "aud": self._audience}
        return _start_of(kind) + self._sealer.seal(kind, bound, seconds)

    def read(self, kind: Kind, token: str) -> dict[str, Any] | None:
        """Give what a token holds; None if it is of another kind, not ours, or has expired."""
        if not token.startswith(_start_of(kind)):
            return None
        claims = self._sealer.open(kind, token.removeprefix(_start_of(kind)))
        return claims if claims is not None and claims["aud"] == self._audience else None
