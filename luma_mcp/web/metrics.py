"""The page that Prometheus reads, for who knows the operator's token."""

import asyncio
from hmac import compare_digest

from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from luma_mcp.errors import InvalidToken, NotFound
from luma_mcp.metrics import Metrics
from luma_mcp.settings import Settings, variable_name
from luma_mcp.web.refusals import refusal

_TOKEN, _PORT = variable_name("metrics_token"), variable_name("metrics_port")


class MetricsPage:
    """Shows the metrics on the server's own port, where the operator has set a token."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        token = settings.metrics_token
        self._expected = f"Bearer {token.get_secret_value()}".encode() if token else None
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or say what is missing."""
        answer = await self._answer(Request(scope))
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if self._expected is None:
            error = NotFound(
                "Metrics are not shown here.",
                advice=f"Operators can set {_TOKEN}, or {_PORT} for a port of their own.",
            )
            return refusal(error, 404)
        given = request.headers.get("authorization", "").encode("latin-1")
        if not compare_digest(given, self._expected):
            error = InvalidToken(
                "Metrics are shown to who knows the token of the operator.",
                advice=f"Send the header 'Authorization: Bearer <token>', with what {_TOKEN} is.",
            )
            return refusal(error)
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        # In a thread: those of several workers are read from files.
        text = await asyncio.to_thread(encode, self._metrics.registry)
        return Response(text, media_type=None, headers={"Content-Type": content_type})
