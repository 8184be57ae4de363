"""The page for people: what this server is, how to connect to it, and what it offers."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast, get_args
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from luma_mcp import __version__
from luma_mcp.luma.apis import APIS
from luma_mcp.luma.catalogue import Operation
from luma_mcp.luma.cheapest import cheapest
from luma_mcp.pages import page
from luma_mcp.services import Access, Services
from luma_mcp.settings import TOOLSETS, Settings
from luma_mcp.tools.definition import LumaTool
from luma_mcp.web.addresses import endpoint
from luma_mcp.web.recipes import recipes
from luma_mcp.wording import dollars

PATIENCE_SECONDS = 1.0  # how long the page waits to hear whether Luma answers


@dataclass(frozen=True)
class Offer:
    """A tool as the page shows it; price and setting are empty where no price is known."""

    name: str
    sentence: str
    price: str = ""
    setting: str = ""

    @classmethod
    def of(cls, tool: LumaTool) -> "Offer":
        """Show a tool."""
        sentence = (tool.description or "").splitlines()[0]
        creates = tool.name in get_args(Operation)
        least = cheapest(cast("Operation", tool.name)) if creates else None
        if least is None:
            return cls(tool.name, sentence)
        return cls(tool.name, sentence, dollars(least.usd), least.setting)


class Home:
    """Answers GET / with this server's own addresses filled in.

    Args:
        settings: What the operator set.
        tools: All tools; those on offer are shown.
        oauth_endpoint: Where clients connect whose users sign in; None if nobody can.
        patience_seconds: How long to wait to hear whether Luma answers.
    """

    def __init__(
        self,
        settings: Settings,
        tools: Iterable[LumaTool],
        *,
        oauth_endpoint: str | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._settings = settings
        self._oauth_endpoint = oauth_endpoint
        self._patience_seconds = patience_seconds
        self._check: asyncio.Task[bool] | None = None
        self._constant: dict[str, Any] = {
            "apis": APIS,
            "base": urlsplit(settings.public_url or "").path,
            "sandbox": settings.sandbox,
            "toolsets": _by_toolset(tools, Access.by(settings)),
            "upstream": "The sandbox" if settings.sandbox else "Luma",
            "version": __version__,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD."""
        request = Request(scope, receive)
        address = endpoint(request, self._settings)
        response = page(
            "home.html",
            script=True,
            endpoint=address,
            groups=recipes(address, self._oauth_endpoint),
            luma=await self._luma_answers(getattr(request.app.state, "services", None)),
            **self._constant,
        )
        await response(scope, receive, send)

    async def _luma_answers(self, services: Services | None) -> bool | None:
        """Tell whether Luma answers; None if that takes too long to wait for.

        The question goes on in that case, so that the next one who opens the page knows.
        """
        if services is None:
            return None
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(services.reachability.check())
        done, _ = await asyncio.wait({self._check}, timeout=self._patience_seconds)
        return self._check.result() if done else None


def _by_toolset(tools: Iterable[LumaTool], access: Access) -> dict[str, list[Offer]]:
    """Put the tools that a conversation has on offer into the last of their groups that is."""
    groups: dict[str, list[Offer]] = {name: [] for name in TOOLSETS}
    for tool in tools:
        if access.offers(tool.toolsets, reads_only=tool.reads_only) and not tool.is_for_pages:
            group = [name for name in tool.toolsets if name in access.toolsets][-1]
            groups[group].append(Offer.of(tool))
    return {name: offers for name, offers in groups.items() if offers}
