"""Luma's callbacks to this server: a ring at the door, on which the poll loop looks early.

What a callback says is not read: Luma signs nothing, so that anybody could have sent it. Its URL
holds a sealed token that names the watch of the job, and Luma repeats the URL in what it says
about the job, where a wait in another request reads it. Another process cannot open the token: a
callback that reaches it does nothing, and waits there go on as they would without.
"""

import secrets

from luma_mcp.sealing import Sealer
from luma_mcp.telemetry import get_logger
from luma_mcp.waiting import CallSign

_log = get_logger()
PATH = "/callbacks"
PURPOSE = "callback"
# Far longer than any job takes; a token that has expired only makes waiting a little slower.
LIFETIME_SECONDS = 24 * 3600


class Callbacks:
    """Makes the URLs that Luma is to call, and reads them again.

    Args:
        public_url: Where Luma finds this server.
        sealer: Seals the tokens.
    """

    def __init__(self, public_url: str, sealer: Sealer) -> None:
        self._base = f"{public_url}{PATH}/"
        self._sealer = sealer
        self.in_use = True

    def give_up(self) -> None:
        """Ask for no more callbacks: a job has failed because Luma could not deliver one."""
        if self.in_use:
            self.in_use = False
            _log.error(
                "callbacks given up",
                advice="Luma could not reach LUMA_MCP_PUBLIC_URL, and a job failed over it. Mend "
                "that, or set LUMA_MCP_CALLBACKS=false.",
            )

    def make_url(self, key: str) -> str:
        """Make the URL for one new job of the key with this hash."""
        claims = {"key": key, "name": secrets.token_urlsafe(16)}
        return self._base + self._sealer.seal(PURPOSE, claims, LIFETIME_SECONDS)

    def read(self, token: str) -> CallSign | None:
        """Read a token; None if it is not ours or has expired."""
        claims = self._sealer.open(PURPOSE, token)
        return CallSign(claims["key"], claims["name"]) if claims else None

    def call_sign_of(self, followed: object) -> CallSign | None:
        """Read from a job how its callbacks call it; None if they do not come here.

        What else is waited for, such as a file, has none.
        """
        url = getattr(followed, "callback_url", None)
        if url is None or not url.startswith(self._base):
            return None
        return self.read(url.removeprefix(self._base))
