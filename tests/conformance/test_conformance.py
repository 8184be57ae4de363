"""The official conformance suite against the running server, in both eras of the protocol.

It meets the server twice: as it is, where whatever needs the example server of the suite fails,
and with what that example server offers (`fixtures.py`), where all that the framework can do must
work through the product's own gates as well. The files beside this one say what fails, and why.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luma_mcp.settings import load_settings
from luma_mcp.web.app import build_app
from tests.conformance.fixtures import add_fixtures
from tests.e2e.requirements import NODE, need_node_clients
from tests.servers import bound_socket, serving

# Where the suite only wants some tool that answers with text, or that fails, it gets a real one.
OURS = {b"test_simple_text": b"get_credits", b"test_error_handling": b"get_generation"}


@dataclass(frozen=True, repr=False)
class Outcome:
    """What the suite said, and what it wrote down about every check."""

    status: int
    said: str
    checks: dict[str, list[dict[str, str]]]

    @property
    def passed(self) -> int:
        return sum(check["status"] == "SUCCESS" for run in self.checks.values() for check in run)

    def __str__(self) -> str:
        """Give the suite's summary, and the reason of everything that failed, expected or not."""
        reasons = [
            f"{scenario}:{check['id']}: {check.get('errorMessage', check['description'])}"
            for scenario, run in self.checks.items()
            for check in run
            if check["status"] in {"FAILURE", "WARNING"}
        ]
        return "\n".join([self.said.rpartition("=== SUMMARY ===")[2], "Reasons:", *reasons])


class _ForTheSuite:
    """Adds what the suite cannot be told to send: a key, and the names of tools that are ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def translated() -> Message:
            message = await receive()
            return {**message, "body": _with_our_names(message.get("body", b""))}

        headers = [
            (name, _with_our_names(value))
            for name, value in scope["headers"]
            if name != b"content-length"
        ]
        headers.append((b"authorization", b"Bearer luma-sandbox"))
        await self._app({**scope, "headers": headers}, translated, send)


def _with_our_names(text: bytes) -> bytes:
    for theirs, ours in OURS.items():
        text = text.replace(theirs, ours)
    return text


@asynccontextmanager
async def server(*, with_fixtures: bool) -> AsyncGenerator[str]:
    """Run the whole server in front of its sandbox; gives the URL of its endpoint."""
    bound = bound_socket()
    app = build_app(load_settings(sandbox=True, port=bound.getsockname()[1]))
    if with_fixtures:
        add_fixtures(app.state.mcp)
    async with serving(_ForTheSuite(app), bound) as url:
        yield f"{url}/mcp"


async def run_suite(
    url: str, version: str, expected: Path, results: Path, **variables: str
) -> Outcome:
    """Run every scenario of one version of the protocol.

    The suite ends with an error when something fails that the file does not expect, and when
    something passes that it does.
    """
    process = await asyncio.create_subprocess_exec(
        NODE / "node_modules" / ".bin" / "conformance",
        "server",
        *("--url", url),
        *("--suite", "all"),
        *("--spec-version", version),
        *("--expected-failures", expected),
        *("--output-dir", results),
        env=variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return Outcome(process.returncode, said.decode(), checks_in(results))


def checks_in(results: Path) -> dict[str, list[dict[str, str]]]:
    """Read what the suite wrote into one folder a scenario, named after it and the time."""
    return {
        re.sub(r"^server-|-\d{4}-\d\d-\d\dT[\d-]+Z$", "", path.parent.name): json.loads(
            path.read_text()
        )
        for path in sorted(results.glob("*/checks.json"))
    }


@pytest.mark.filterwarnings("ignore:.*deprecated as of 2026-07-28")  # the suite asks for it
@pytest.mark.parametrize(
    ("offer", "version", "scenarios", "passed"),
    [
        ("alone", "2025-11-25", 33, 40),
        ("alone", "2026-07-28", 40, 95),
        ("with-fixtures", "2025-11-25", 33, 59),
        ("with-fixtures", "2026-07-28", 40, 145),
    ],
)
async def test_the_official_suite_finds_no_failure_that_is_not_explained(
    tmp_path: Path, offer: str, version: str, scenarios: int, passed: int
) -> None:
    variables = need_node_clients()
    expected = Path(__file__).with_name(f"expected-failures-{offer}-{version}.yml")
    async with server(with_fixtures=offer == "with-fixtures") as url:
        outcome = await run_suite(url, version, expected, tmp_path, **variables)
    report = str(outcome)
    assert outcome.status == 0, report
    assert len(outcome.checks) == scenarios, report
    assert outcome.passed >= passed, report
