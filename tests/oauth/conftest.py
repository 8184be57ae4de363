"""One server for the tests of a module, asked in process, and whoever signs in there."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

import httpx
import pytest
from hypothesis import HealthCheck, settings
from starlette.applications import Starlette

from luma_mcp.oauth.history import History
from luma_mcp.oauth.tokens import Tokens
from luma_mcp.sealing import Sealer, key_from
from luma_mcp.services import Services
from luma_mcp.watching import Pace
from tests.e2e.sign_in import PATH, SECRET_KEY, SignedIn, sign_in
from tests.servers import application_and_url

_addresses = count(1)


def an_address() -> str:
    """Give an address that nobody has had: what is counted is counted by address."""
    number = next(_addresses)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


@dataclass(frozen=True)
class Site:
    """A server with sign-ins, as somebody sees it who knows its secret."""

    app: Starlette
    url: str

    @property
    def endpoint(self) -> str:
        return self.url + PATH

    @property
    def services(self) -> Services:
        return self.app.state.services

    def visitor(self, address: str | None = None) -> httpx.AsyncClient:
        """Open a client, with cookies and an address of its own; faults are raised."""
        transport = httpx.ASGITransport(self.app, client=(address or an_address(), 1))
        return httpx.AsyncClient(transport=transport, base_url=self.url)

    def tokens(
        self, seconds: float = 0, secret: str = SECRET_KEY, audience: str | None = None
    ) -> Tokens:
        """Make tokens as the server did so many seconds ago, or as another server does."""
        now = _ago(seconds)
        return Tokens(Sealer(key_from(secret), now=now), audience or self.endpoint)

    def history(self, seconds: float = 0) -> History:
        """Note what becomes of sign-ins as the server did so many seconds ago."""
        return History(self.services.ledger, _ago(seconds))


def _ago(seconds: float) -> Callable[[], float]:
    return lambda: time.time() - seconds


@asynccontextmanager
async def open_site(pace: Pace | None = None, **options: object) -> AsyncGenerator[Site]:
    """Run a server with sign-ins, by default in front of its sandbox."""
    options = {"secret_key": SECRET_KEY, **options}
    async with application_and_url(pace=pace, is_public=True, **options) as (app, url):
        yield Site(app, url)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def site() -> AsyncIterator[Site]:
    async with open_site() as opened:
        yield opened


@pytest.fixture
async def http(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """A client and a browser in one, from an address of its own."""
    async with site.visitor() as client:
        yield client


@pytest.fixture
async def ada(site: Site, http: httpx.AsyncClient) -> SignedIn:
    """A client that Ada signed in to, with her key for Dream Machine."""
    return await sign_in(http, site.endpoint)


def error_of(answer: httpx.Response) -> tuple[int, str]:
    """Give the status of a refusal and the error that a client goes by."""
    return answer.status_code, answer.json()["error"]


# Fixtures of a module do not change from one example to the next.
MODEST = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
