"""A real browser, and what a page must not do in it."""

import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, ConsoleMessage, async_playwright
from playwright.async_api import Page as Tab

from tests.e2e.requirements import need_program

CHROMIUM = "chromium"
ARTEFACTS = Path(__file__).parent / "artefacts"
PATIENCE_MS = 20_000  # with what should happen, before the test fails
NARROWEST = 320
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# What Chromium writes to the console whenever a page comes with such a status.
EXPECTED = "Failed to load resource: the server responded with a status of 4"


@asynccontextmanager
async def open_chromium() -> AsyncGenerator[Browser]:
    """Start Chromium, or skip the test that needs it."""
    need_program(CHROMIUM)
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(
            executable_path=shutil.which(CHROMIUM), args=["--no-sandbox"]
        ) as browser,
    ):
        yield browser


class Witness:
    """Notes what a page must not do: complain, or ask anybody but its server."""

    def __init__(self, tab: Tab) -> None:
        self.complaints: list[str] = []
        self.asked: set[str] = set()
        tab.on("console", self._hear)
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("request", lambda request: self.asked.add(origin_of(request.url)))

    def _hear(self, message: ConsoleMessage) -> None:
        if not message.text.startswith(EXPECTED):
            self.complaints.append(message.text)


def origin_of(url: str) -> str:
    return "{0.scheme}://{0.netloc}".format(urlsplit(url))
