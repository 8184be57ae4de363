"""Calls with a key that Luma refuses, of a user who signed in: the client must ask them again.

That the key is refused shows only during a call, and a client asks its user again only if the
request itself is refused. So such an answer is not begun before its first word is known.
"""

from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Instead = Callable[[], Awaitable[ASGIApp | None]]


class HeldBack:
    """The sending end of one request, until there is something to send.

    Args:
        scope: The request's.
        receive: The request's.
        send: The request's.
        instead: Gives what to answer after a key was refused; None lets the answer go.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, instead: Instead) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._instead = instead
        self._start: Message | None = None
        self._is_refused = self._is_replaced = False

    def on_rejected_key(self) -> None:
        """Take note that Luma refused a key in this request."""
        self._is_refused = True

    async def send(self, message: Message) -> None:
        """Send a part of the answer, unless another was sent in its place."""
        if self._is_replaced:
            return
        if message["type"] == "http.response.start":
            self._start = message
            return
        if self._start is not None:
            if not message.get("body") and message.get("more_body"):
                return
            start, self._start = self._start, None
            if await self._replace():
                return
            await self._send(start)
        await self._send(message)

    async def _replace(self) -> bool:
        answer = await self._instead() if self._is_refused else None
        if answer is not None:
            self._is_replaced = True
            await answer(self._scope, self._receive, self._send)
        return self._is_replaced
