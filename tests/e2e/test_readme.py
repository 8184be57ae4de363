"""The README's examples, word for word but for the port."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from luma_mcp.sandbox.clock import SystemClock
from tests.documents import README
from tests.e2e.requirements import NODE, need_node_clients, need_program
from tests.servers import product

ADDRESS = "http://127.0.0.1:8000"


def example(language: str, containing: str) -> str:
    """Find one code block of the README."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)
    (found,) = [block for block in blocks if containing in block]
    return found


async def run(
    *command: str, cwd: Path | None = None, must_succeed: bool = True, **variables: str
) -> str:
    """Run a command, which must succeed unless told otherwise; gives what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, **variables},  # noqa: TID251 - for a child
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0 or not must_succeed, err.decode()
    return out.decode()


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """A server in front of a sandbox that is done at once."""
    quick = {"sandbox_queued_seconds": 0, "sandbox_dreaming_seconds": 0}
    async with product(SystemClock(), **quick) as url:
        yield url


async def test_the_example_with_the_fastmcp_client_prints_the_link_of_a_video(
    address: str,
) -> None:
    code = example("python", "StreamableHttpTransport").replace(ADDRESS, address)
    out = await run(sys.executable, "-c", code)
    state, link = out.split()
    assert state == "completed"
    assert link.startswith(f"{address}/sandbox/media/")
    assert link.endswith(".mp4")


async def test_the_example_with_curl_prints_the_balance(address: str) -> None:
    need_program("curl")
    out = await run("bash", "-c", example("bash", "curl").replace(ADDRESS, address))
    data = json.loads(out)
    assert data["result"]["structuredContent"]["credit_balance_usd"] == 100


async def test_the_example_with_the_inspector_lists_generations(address: str) -> None:
    variables = need_node_clients()
    command = example("bash", "inspector").replace(ADDRESS, address)
    out = await run("bash", "-c", command, cwd=NODE, **variables)
    assert json.loads(out)["structuredContent"] == {
        "generations": [],
        "count": 0,
        "limit": 5,
        "offset": 0,
        "has_more": False,
        "next_offset": None,
    }


async def test_the_inspector_shows_what_an_error_says(address: str) -> None:
    variables = need_node_clients()
    command = example("bash", "inspector").replace(ADDRESS, address).replace("limit=5", "limit=0")
    out = await run("bash", "-c", command, cwd=NODE, must_succeed=False, **variables)
    assert "limit must be at least 1." in out
    assert '"code": "invalid_request"' in out


@pytest.mark.parametrize(("sdk", "state"), [("LumaAI", "completed"), ("luma_agents", "queued")])
async def test_the_examples_with_lumas_own_sdks_print_the_state(
    address: str, sdk: str, state: str
) -> None:
    code = example("python", sdk).replace(ADDRESS, address)
    assert await run(sys.executable, "-c", code) == f"{state}\n"
