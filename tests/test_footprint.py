"""What a command imports: a process pays, in time and memory, only for what it needs."""

import signal

import pytest

from tests.e2e.processes import UNTRACED, finished, serving_process

HEAVY = {"aiohttp", "fastmcp", "httpx", "mcp", "pydantic", "starlette", "uvicorn"}
DRAWING = {"av", "PIL"}
LOADED = """
import sys
from luma_mcp.cli import main
try:
    main()
finally:
    print("\\n", *sys.modules)
"""


async def loaded_by(*command: str, **variables: str) -> set[str]:
    """Run a command to its end; gives the modules that its process loaded."""
    _, out, _ = await finished("-c", LOADED, *command, program=(), **variables, **UNTRACED)
    return set(out.splitlines()[-1].split())


@pytest.mark.parametrize("option", ["--version", "--help"])
async def test_what_only_prints_loads_nothing_of_the_server(option: str) -> None:
    loaded = await loaded_by(option)
    assert "luma_mcp.cli" in loaded
    assert loaded.isdisjoint(HEAVY | DRAWING)


async def test_the_catalogue_of_tools_loads_neither_web_nor_sandbox() -> None:
    loaded = await loaded_by("tools")
    assert "luma_mcp.tools.videos" in loaded
    assert loaded.isdisjoint({"luma_mcp.web", "luma_mcp.sandbox", *DRAWING})


async def test_a_server_without_the_sandbox_never_loads_what_draws() -> None:
    build = "import server, sys; server.app; print(*sys.modules)"
    _, out, _ = await finished("-c", build, program=(), **UNTRACED)
    loaded = set(out.split())
    assert "luma_mcp.web.app" in loaded
    assert loaded.isdisjoint(DRAWING)


async def test_the_sandbox_alone_loads_no_mcp() -> None:
    program = ("-c", LOADED)
    async with serving_process("sandbox", program=program, **UNTRACED) as running:
        running.process.send_signal(signal.SIGINT)  # after which Python goes on to the end
        assert running.process.stdout is not None
        loaded = set((await running.process.stdout.read()).decode().split())
    assert "luma_mcp.sandbox.app" in loaded
    assert loaded.isdisjoint({"fastmcp", "mcp", "luma_mcp.tools"})


async def test_stdio_loads_nothing_of_the_web() -> None:
    loaded = await loaded_by("stdio", LUMA_API_KEY="luma-ada")
    assert "luma_mcp.mcp_server" in loaded
    assert loaded.isdisjoint({"luma_mcp.web", "luma_mcp.serving", "luma_mcp.sandbox"})


@pytest.mark.parametrize("wrong", [{}, {"LUMA_API_KEY": "luma-ada", "LUMA_MCP_SANDBOX": "true"}])
async def test_stdio_says_what_is_wrong_before_it_loads_what_serves(wrong: dict[str, str]) -> None:
    loaded = await loaded_by("stdio", **wrong)
    assert "luma_mcp.stdio" in loaded
    assert loaded.isdisjoint({"aiohttp", "fastmcp", "mcp"})
