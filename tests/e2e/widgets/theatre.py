"""Where widgets are seen: the server in front of its sandbox, a host's page, and a browser."""

import json
import subprocess
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from playwright.async_api import (
    Browser,
    ConsoleMessage,
    FrameLocator,
    Locator,
    Request,
    expect,
)
from playwright.async_api import Page as Tab
from starlette import requests
from starlette.applications import Starlette
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.waiting import WaitingRoom
from tests.clocks import pace_of
from tests.e2e.browsers import ARTEFACTS, PATIENCE_MS, Witness, open_chromium
from tests.e2e.conftest import until
from tests.e2e.requirements import WIDGETS, need_widgets
from tests.servers import application_and_url, serving

HERE = Path(__file__).parent
NOBODY = "'none'"
CHAT = {"width": 720, "height": 800}
# What Chromium writes when a policy forbids a picture or a video.
FORBIDDEN = "violates the following Content Security Policy directive"


def bundle() -> str:
    """Make one script of the host's page and of what it uses of the official SDK."""
    variables = need_widgets()
    program = WIDGETS / "node_modules" / ".bin" / "esbuild"
    made = subprocess.run(  # noqa: S603 - a program of ours
        [program, HERE / "host.ts", "--bundle", "--format=iife", "--minify"],
        env=variables,
        capture_output=True,
        check=False,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    return made.stdout


def policy(csp: dict[str, list[str]]) -> str:
    """Make the policy of what a page says it needs, as the specification of MCP Apps has it."""
    resources = csp.get("resourceDomains", [])
    allowed = {
        "default-src": [],
        "script-src": ["'self'", "'unsafe-inline'", *resources],
        "style-src": ["'self'", "'unsafe-inline'", *resources],
        "img-src": ["'self'", "data:", *resources],
        "font-src": ["'self'", *resources],
        "media-src": ["'self'", "data:", *resources],
        "connect-src": csp.get("connectDomains", []),
        "frame-src": csp.get("frameDomains", []),
        "object-src": [],
        "base-uri": csp.get("baseUriDomains", ["'self'"]),
    }
    return "; ".join(f"{name} {' '.join(words or [NOBODY])}" for name, words in allowed.items())


async def _proxy(request: requests.Request) -> Response:
    header = policy(json.loads(request.query_params["csp"]))
    return FileResponse(HERE / "proxy.html", headers={"Content-Security-Policy": header})


async def _host(_request: requests.Request) -> Response:
    return FileResponse(HERE / "host.html")


async def _shim(_request: requests.Request) -> Response:
    return FileResponse(HERE / "chatgpt.js")


def host_app() -> Starlette:
    """Build the host's pages: its own on 127.0.0.1, the sandbox proxy on localhost."""
    script = bundle()

    async def bundled(_request: requests.Request) -> Response:
        return Response(script, media_type="text/javascript")

    pages = {"/": _host, "/host.js": bundled, "/chatgpt.js": _shim, "/proxy": _proxy}
    return Starlette(routes=[Route(path, page) for path, page in pages.items()])


class CardWitness(Witness):
    """Notes as well what cards asked for by themselves, and what policies forbade them."""

    def __init__(self, tab: Tab) -> None:
        super().__init__(tab)
        self.asked_by_cards: set[str] = set()
        self.forbidden: list[str] = []
        tab.on("request", self._ask)

    def _ask(self, request: Request) -> None:
        if not request.is_navigation_request() and request.frame != request.frame.page.main_frame:
            self.asked_by_cards.add(request.url)

    def _hear(self, message: ConsoleMessage) -> None:
        if FORBIDDEN in message.text:
            self.forbidden.append(message.text)
        elif message.type != "debug":  # at which the SDK writes every message
            super()._hear(message)


@dataclass(frozen=True)
class Card:
    """The page of one tool call, as the host shows it."""

    tab: Tab
    number: int

    @property
    def page(self) -> FrameLocator:
        """What the innermost frame shows."""
        return self.tab.frame_locator(f"#card-{self.number}").frame_locator("iframe")

    @property
    def body(self) -> Locator:
        return self.page.locator("body")

    async def asked(self, what: str) -> list[Any]:
        """What the page asked of the host so far: toolCalls, messages, links, downloads, ..."""
        return await self.tab.evaluate(f"host.cards[{self.number}].asked.{what}")

    async def has_asked(self, what: str, count: int = 1) -> list[Any]:
        """Wait until the page has asked so often."""
        enough = f"host.cards[{self.number}].asked.{what}.length >= {count}"
        await self.tab.wait_for_function(enough)
        return await self.asked(what)

    async def result(self) -> dict[str, Any]:
        """The answer of the tool that the card belongs to."""
        return await self.tab.evaluate(f"host.cards[{self.number}].result")

    async def deliver(self, result: dict[str, Any] | None = None) -> None:
        """Give the page the answer that was kept, or another."""
        await self.tab.evaluate("values => host.deliver(...values)", [self.number, result])

    async def change(self, **context: object) -> None:
        """Tell the page that something around it has changed."""
        await self.tab.evaluate("values => host.change(...values)", [self.number, context])

    async def photograph(self, name: str) -> None:
        """Keep a picture of the tab for people to look at."""
        ARTEFACTS.mkdir(exist_ok=True)
        await self.tab.screenshot(path=ARTEFACTS / f"widgets-{name}.png", full_page=True)

    async def tear_down(self) -> None:
        await self.tab.evaluate(f"host.tearDown({self.number})")


@dataclass(frozen=True)
class Conversation:
    """One tab with a host that is connected to the server."""

    tab: Tab
    witness: CardWitness

    async def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool as the model would, without a card."""
        return await self.tab.evaluate("values => host.call(...values)", [tool, arguments])

    async def open(
        self, tool: str, wishes: dict[str, Any] | None = None, **arguments: object
    ) -> Card:
        """Call a tool as the model would, and show its page."""
        values = [tool, arguments, wishes or {}]
        number = await self.tab.evaluate("values => host.open(...values)", values)
        return Card(self.tab, number)


@dataclass(frozen=True)
class Theatre:
    """What all tests of a module share.

    Attributes:
        browser: Chromium.
        host: Where the host's page is.
        server: The server's base URL.
        app: The server itself.
        clock: What the sandbox's jobs, and those who wait for them, go by.
    """

    browser: Browser
    host: str
    server: str
    app: Starlette
    clock: TurnedClock

    @property
    def media(self) -> str:
        """How addresses of the sandbox's media begin."""
        return f"{self.server}/sandbox/media/"

    @asynccontextmanager
    async def conversation(
        self,
        keys: dict[str, str] | None = None,
        *,
        forbids: bool = False,
        **options: Any,  # noqa: ANN401 - Playwright's
    ) -> AsyncGenerator[Conversation]:
        """Open a host, and see at the end that its cards did what cards may do.

        Args:
            keys: The headers that say for whom it is; by default somebody new.
            forbids: Whether this host is one that forbids what pages ask to load.
            options: Of the browser's context.
        """
        async with await self.browser.new_context(**{"viewport": CHAT, **options}) as context:
            context.set_default_timeout(PATIENCE_MS)
            tab = await context.new_page()
            witness = CardWitness(tab)
            await tab.goto(self.host)
            values = [f"{self.server}/mcp", keys or new_keys()]
            await tab.evaluate("values => host.connect(...values)", values)
            yield Conversation(tab, witness)
            assert witness.complaints == []
            assert bool(witness.forbidden) == forbids, witness.forbidden
            assert all(url.startswith((self.media, "data:")) for url in witness.asked_by_cards)
            proxy = f"http://localhost:{urlsplit(self.host).port}"
            assert witness.asked <= {self.server, self.host, proxy}
        await until(lambda: self.room.waiters == 0)

    async def made(self, conversation: Conversation, tool: str, **arguments: object) -> str:
        """Let the model make something, and let it be ready; gives its id."""
        result = await conversation.call(tool, **arguments)
        self.clock.advance(60)
        return result["structuredContent"]["id"]

    async def draw(self, conversation: Conversation) -> None:
        """Let the sandbox draw what is ready: nobody waits long for a picture of it."""
        listed = await conversation.call("list_generations")
        async with httpx.AsyncClient() as http:
            for job in listed["structuredContent"]["generations"]:
                assets = job["assets"] or {}
                if url := assets.get("video") or assets.get("image"):
                    await http.get(url, timeout=PATIENCE_MS / 1000)

    @property
    def room(self) -> WaitingRoom:
        return self.app.state.services.waiting_room

    async def let_pass(self, seconds: float) -> None:
        """Let time pass once a page waits for news of its job: it sleeps, and so does the watch."""
        await self.clock.wait_for_sleepers(2)
        self.clock.advance(seconds)


def new_keys() -> dict[str, str]:
    """Keys of both APIs that nobody else has."""
    name = uuid.uuid4().hex
    return {"X-API-Key": f"luma-{name}", "X-Luma-Agents-API-Key": f"luma-api-{name}"}


@asynccontextmanager
async def open_theatre() -> AsyncGenerator[Theatre]:
    """Start Chromium, the host, and the server in front of its sandbox."""
    expect.set_options(timeout=PATIENCE_MS)
    clock = TurnedClock(datetime.now(UTC))
    async with (
        serving(host_app()) as host,
        application_and_url(clock, pace_of(clock), allowed_origins=(host,)) as (app, server),
        open_chromium() as browser,
    ):
        yield Theatre(browser, host, server, app, clock)
