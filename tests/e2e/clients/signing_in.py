"""What both generations of the Python SDK need to sign in; the standard library is enough."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

REDIRECT = "http://127.0.0.1:7777/callback"
METADATA = {"client_name": "A program in Python", "redirect_uris": [REDIRECT]}
LONG_AGO = 1.0

Json = dict[str, Any]


class Storage:
    """A TokenStorage in memory, which remembers earlier tokens too."""

    def __init__(self) -> None:
        self.client: Any = None
        self.tokens: list[Any] = []

    async def get_tokens(self) -> Any:  # noqa: ANN401 - a class of the SDK's
        return self.tokens[-1] if self.tokens else None

    async def set_tokens(self, tokens: Any) -> None:  # noqa: ANN401
        self.tokens.append(tokens)

    async def get_client_info(self) -> Any:  # noqa: ANN401
        return self.client

    async def set_client_info(self, client_info: Any) -> None:  # noqa: ANN401
        self.client = client_info

    def report(self, tools: list[str], *answers: Json | None) -> Json:
        """Tell what was seen, as sign_in.mjs does."""
        return {
            "client_id": self.client.client_id,
            "tools": tools,
            "answers": answers,
            "refresh_tokens": [tokens.refresh_token for tokens in self.tokens],
        }


def parameters_of(url: str) -> dict[str, str]:
    """Read what the user's browser brought back."""
    return dict(parse_qsl(urlsplit(url.strip()).query))
