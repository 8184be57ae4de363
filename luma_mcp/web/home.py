"""The page for people: what this server is and how to connect to it."""

from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from luma_mcp import __version__
from luma_mcp.services import Access
from luma_mcp.settings import Settings
from luma_mcp.tools.definition import LumaTool
from luma_mcp.web.addresses import endpoint

PAGES = Path(__file__).parent / "pages"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Home:
    """Answers GET / with the endpoint's own address filled in."""

    def __init__(self, settings: Settings, tools: Iterable[LumaTool]) -> None:
        pages = Environment(
            loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined
        )
        self._page = pages.get_template("home.html")
        self._settings = settings
        access = Access.by(settings)
        self._tools = [
            tool for tool in tools if access.offers(tool.toolsets, reads_only=tool.reads_only)
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD."""
        request = Request(scope, receive)
        html = self._page.render(
            endpoint=endpoint(request, self._settings),
            sandbox=self._settings.sandbox,
            tools=self._tools,
            version=__version__,
        )
        await HTMLResponse(html, headers=HEADERS)(scope, receive, send)
