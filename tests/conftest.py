"""Fixtures that every test shares: the sandbox with a clock to turn, and what is before it."""

from collections.abc import AsyncIterator, Generator, Iterator
from fnmatch import fnmatch
from pathlib import Path

import httpx
import hypothesis
import pytest
from coverage import Coverage
from fastmcp import Client
from starlette.applications import Starlette

from luma_mcp.mcp_server import build_mcp
from luma_mcp.sandbox.app import build_sandbox
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.settings import Settings, load_settings
from tests.authorities import trust_no_other
from tests.e2e.processes import ROOT, UNTRACED
from tests.services import access_with, open_services_over

# No test fails by the clock; in a fresh clone Hypothesis begins with seconds of tables.
hypothesis.settings.register_profile(
    "ours", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("ours")

KEY = "luma-test-key"
AGENTS_KEY = "luma-api-test-key"


LONGEST = ("tests/e2e/", "tests/faults/", "tests/conformance/", "tests/test_bench.py")


@pytest.hookimpl(trylast=True)  # once they are shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: at the end one process would be alone with it."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure no coverage while a test runs whose file is left out of it.

    What such a test runs of the package others run too, at a half or a third of the time.
    """
    measuring = Coverage.current()
    if measuring is None or not is_left_out(item.path, measuring):
        return (yield)
    measuring.stop()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in UNTRACED.items():
            patch.setenv(name, value)
        try:
            return (yield)
        finally:
            measuring.start()


def is_left_out(path: Path, measuring: Coverage) -> bool:
    """Tell whether the settings of coverage leave a file of tests out."""
    place = path.relative_to(ROOT).as_posix()
    return any(fnmatch(place, one) for one in measuring.get_option("run:omit") or ())


@pytest.fixture(scope="session", autouse=True)
def _trusting() -> Iterator[None]:
    with trust_no_other():
        yield


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings() -> Settings:
    return load_settings(
        dream_machine_url="http://sandbox/dream-machine/v1", agents_url="http://sandbox/agents/v1"
    )


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def sandbox(clock: TurnedClock) -> Starlette:
    return build_sandbox(clock=clock)


@pytest.fixture
def sandbox_transport(sandbox: Starlette) -> httpx.ASGITransport:
    return httpx.ASGITransport(sandbox)


@pytest.fixture
async def mcp_client(
    settings: Settings, sandbox_transport: httpx.ASGITransport
) -> AsyncIterator[Client]:
    """The MCP client of a user with both keys, in memory, in front of the sandbox."""
    access = access_with(KEY, AGENTS_KEY)
    server = build_mcp(lambda: open_services_over(sandbox_transport, settings, access))
    async with Client(server) as client:
        yield client
