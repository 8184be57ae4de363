"""A token as a sign-in at the measured server gives it out."""

from luma_mcp.credentials import ApiKey, Credentials
from luma_mcp.oauth.grants import Grant
from luma_mcp.oauth.provider import ACCESS_SECONDS
from luma_mcp.oauth.server import RESOURCE_PATH
from luma_mcp.oauth.tokens import Tokens
from luma_mcp.sealing import Sealer, key_from

PUBLIC_URL = "https://luma.example.com"
SECRET_KEY = "of a length that will do for a measurement"


def access_token(key: str) -> str:
    """Make the token of a user of this Dream Machine key."""
    tokens = Tokens(Sealer(key_from(SECRET_KEY)), f"{PUBLIC_URL}{RESOURCE_PATH}")
    grant = Grant("a client", Credentials(dream_machine=ApiKey(key)), readonly=False)
    return tokens.make("access", grant.claims(), ACCESS_SECONDS)
