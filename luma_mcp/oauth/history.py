"""What became of sign-ins: a code is used once, a refresh token is followed by the next."""

import time
from collections.abc import Callable

from luma_mcp.ledger import Ledger

REFRESH_SECONDS = 30 * 24 * 3600
# A client whose answer was lost on the way, or that runs twice, may use a refresh token again.
AGAIN_SECONDS = 120
_TIMES = 2**33
ENDED = 2**53 - 1  # more than any step at any time


class History:
    """Remembers the last step of each sign-in in the ledger, as long as its tokens may last.

    The code is the first step, each refresh token the next. A step is noted with the time that it
    was taken at, counted down: what is noted first is then the highest, and stays.

    Args:
        ledger: Shared by all processes of the server.
        now: The time in seconds since 1970.
    """

    def __init__(self, ledger: Ledger, now: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._now = now

    async def take(self, sign_in: str, step: int) -> bool:
        """Take the next step of a sign-in; whoever takes one that was taken ends it.

        A code or a token that comes back was stolen, and nobody knows by which of the two who
        have it (RFC 6749 section 4.1.2, RFC 9700 section 4.14.2).
        """
        noted = step * _TIMES + _TIMES - 1 - int(self._now())
        if await self._ledger.advance(_name(sign_in), noted, REFRESH_SECONDS):
            return True
        if step > 1 and await self._was_taken_just_now(sign_in, step):
            return True
        await self.end(sign_in)
        return False

    async def _was_taken_just_now(self, sign_in: str, step: int) -> bool:
        last, left = divmod(await self._ledger.highest(_name(sign_in)) or 0, _TIMES)
        return last == step and self._now() - (_TIMES - 1 - left) < AGAIN_SECONDS

    async def end(self, sign_in: str) -> None:
        """Let no token of this sign-in be used any more."""
        await self._ledger.advance(_name(sign_in), ENDED, REFRESH_SECONDS)

    async def has_ended(self, sign_in: str) -> bool:
        """Tell whether it was revoked, or ended by a token that came back."""
        return await self._ledger.highest(_name(sign_in)) == ENDED


def _name(sign_in: str) -> str:
    return f"sign-in:{sign_in}"
