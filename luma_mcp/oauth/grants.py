"""What a user allowed a client: to use these keys, perhaps only to look."""

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any, Self

from luma_mcp.credentials import ApiKey, Credentials


def hash_of(text: str) -> str:
    """Stand for a client id or a cookie in a token, which would be too long with either."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Grant:
    """One sign-in, from the consent to the last token that comes of it.

    Attributes:
        client: The hash of the client's id.
        credentials: The user's keys.
        readonly: Whether the client may only look.
        sign_in: Its name, by which it is ended.
    """

    client: str
    credentials: Credentials
    readonly: bool
    sign_in: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    def claims(self) -> dict[str, Any]:
        """Give what a token must hold of it."""
        keys = {
            name: key.secret
            for name, key in (
                ("dream_machine", self.credentials.dream_machine),
                ("agents", self.credentials.agents),
            )
            if key is not None
        }
        return {"sub": self.sign_in, "client": self.client, "keys": keys, "ro": self.readonly}

    @classmethod
    def of(cls, claims: dict[str, Any]) -> Self:
        """Read it from what a token held."""
        keys = {name: ApiKey(secret) for name, secret in claims["keys"].items()}
        return cls(claims["client"], Credentials(**keys), claims["ro"], claims["sub"])
