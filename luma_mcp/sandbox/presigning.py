"""Presigned links, as S3 has them: who holds one needs no key until it expires."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from starlette.responses import Response

from luma_mcp.sandbox.clock import Clock

_DATE = "%Y%m%dT%H%M%SZ"


class LinkRefused(Exception):
    """A link is not, or no longer, one of the sandbox's.

    Attributes:
        status: What an HTTP client gets.
        code: S3's word for the reason.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def build_answer(self) -> Response:
        """The answer in S3's shape."""
        text = f"<Error><Code>{self.code}</Code><Message>{escape(str(self))}</Message></Error>"
        return Response(
            f'<?xml version="1.0" encoding="UTF-8"?>\n{text}',
            status_code=self.status,
            media_type="application/xml",
        )


class Presigner:
    """Signs links and checks them, by a secret that dies with the sandbox."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._secret = secrets.token_bytes(32)

    def sign(self, method: str, name: str, seconds: int) -> str:
        """The query of a link to a name that may be used for so many seconds."""
        date = self._clock.now().strftime(_DATE)
        return urlencode(
            {
                "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
                "X-Amz-Date": date,
                "X-Amz-Expires": seconds,
                "X-Amz-SignedHeaders": "host",
                "X-Amz-Signature": self._compute(method, name, date, str(seconds)),
            }
        )

    def check(self, method: str, name: str, query: Mapping[str, str]) -> None:
        """Check a link by its query.

        Raises:
            LinkRefused: 403, if it is not signed, signed for something else, or has expired.
        """
        date, expires = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
        signature = query.get("X-Amz-Signature", "")
        if not (date and expires and signature):
            raise LinkRefused(403, "AccessDenied", "Access Denied")
        expected = self._compute(method, name, date, expires)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise LinkRefused(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided.",
            )
        # What bears our signature was written by `sign`.
        begin = datetime.strptime(date, _DATE).replace(tzinfo=UTC)
        if self._clock.now() >= begin + timedelta(seconds=int(expires)):
            raise LinkRefused(403, "AccessDenied", "Request has expired")

    def _compute(self, *parts: str) -> str:
        return hmac.new(self._secret, "\n".join(parts).encode(), hashlib.sha256).hexdigest()
