"""What a user allowed a client: to use these keys, perhaps only to look."""

import secrets
from dataclasses import dataclass, field
from typing import Any, Self

from luma_mcp.credentials import ApiKey, Credentials
from luma_mcp.luma.apis import APIS, ApiName

# Some clients keep all that they know of a sign-in where 1,280 characters fit.
_SHORT: dict[ApiName, str] = {"dream_machine": "dm", "agents": "ag"}


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
        held = {api.name: self.credentials.key_for(api) for api in APIS}
        keys = {_SHORT[name]: key.secret for name, key in held.items() if key}
        return {"sub": self.sign_in, "client": self.client, "ro": self.readonly, **keys}

    @classmethod
    def of(cls, claims: dict[str, Any]) -> Self:
        """Read it from what a token held."""
        keys = {name: ApiKey(claims[short]) for name, short in _SHORT.items() if short in claims}
        return cls(claims["client"], Credentials(**keys), claims["ro"], claims["sub"])
