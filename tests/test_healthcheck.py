"""The image's health check, held against real processes and real servers."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from luma_mcp.healthcheck import ask, find_server, main, read_arguments
from luma_mcp.settings import load_settings
from tests.servers import bound_socket, misbehaving, serving

LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what an image listens on
WAITS = ("-S", "-c", "import sys; print(flush=True); sys.stdin.read()")


@asynccontextmanager
async def waiting(*words: str) -> AsyncGenerator[int]:
    """Run a process with these arguments until the end of the block; gives its number."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *WAITS, *words, stdin=PIPE, stdout=PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()  # while it only begins, /proc knows no arguments yet
    try:
        yield process.pid
    finally:
        await process.communicate(b"")  # which ends its stdin


@asynccontextmanager
async def container(home: Path, *commands: str) -> AsyncGenerator[Path]:
    """Run processes with these arguments, and list them as /proc does, from number 1 on."""
    (home / "self").mkdir()
    async with AsyncExitStack() as stack:
        for number, command in enumerate(commands, start=1):
            process = await stack.enter_async_context(waiting(*command.split()))
            (home / str(number)).symlink_to(f"/proc/{process}")
        yield home


@pytest.mark.parametrize(
    ("commands", "arguments"),
    [
        (["-m luma_mcp"], []),
        (["-m luma_mcp serve --port 9000"], ["serve", "--port", "9000"]),
        (["-- python -m luma_mcp sandbox", "-m luma_mcp sandbox"], ["sandbox"]),
        (["-m luma_mcp.healthcheck", "-m luma_mcp stdio"], ["stdio"]),
        (["-m luma_mcp stdio", "-m luma_mcp.healthcheck", "-m luma_mcp tools"], ["stdio"]),
        ([*["-m other"] * 9, "-m luma_mcp stdio"], ["stdio"]),
        (["-m luma_mcp.healthcheck"], []),
    ],
)
async def test_the_oldest_process_of_the_command_line_is_found(
    commands: list[str], arguments: list[str], tmp_path: Path
) -> None:
    async with container(tmp_path, *commands) as processes:
        assert read_arguments(processes) == arguments


async def test_a_process_that_ends_meanwhile_does_not_disturb(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    async with container(tmp_path, "-m luma_mcp stdio") as processes:
        assert read_arguments(processes) == ["stdio"]


@pytest.mark.parametrize(
    ("arguments", "environment", "server"),
    [
        ("", {}, (LOOPBACK, 8000)),
        ("serve", {"LUMA_MCP_PORT": "9000"}, (LOOPBACK, 9000)),
        ("--sandbox --port 9001", {"LUMA_MCP_PORT": "9000"}, (LOOPBACK, 9001)),
        ("sandbox --port=9001", {"LUMA_MCP_PORT": "9000"}, (LOOPBACK, 9001)),
        ("sandbox", {"LUMA_MCP_HOST": EVERYWHERE}, (LOOPBACK, 8000)),
        ("--host ::", {"LUMA_MCP_HOST": "10.0.0.7"}, (LOOPBACK, 8000)),
        ("--host=10.0.0.8", {"LUMA_MCP_HOST": EVERYWHERE}, ("10.0.0.8", 8000)),
        ("", {"LUMA_MCP_HOST": "fd00::7"}, ("fd00::7", 8000)),
        ("stdio", {"LUMA_MCP_PORT": "9000"}, None),
        ("tools", {}, None),
        ("--version", {}, None),
    ],
)
def test_the_server_is_asked_where_it_listens(
    arguments: str, environment: dict[str, str], server: tuple[str, int] | None
) -> None:
    assert find_server(arguments.split(), environment) == server


@pytest.mark.parametrize(
    "environment",
    [
        {"LUMA_MCP_HOST": "127.0.0.2", "LUMA_MCP_PORT": "9000"},
        {"LUMA_MCP_HOST": "", "LUMA_MCP_PORT": ""},
        {"luma_mcp_host": "127.0.0.2", "luma_mcp_port": "9000"},
        {"LUMA_MCP_PORT": "tcp://10.0.0.1:8000"},
    ],
    ids=str,
)
def test_the_check_reads_the_environment_as_the_server_does(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert find_server([], environment) == (settings.host, settings.port)


async def check(arguments: str, home: Path) -> str | int | None:
    """Run the whole check beside a process with these arguments; gives what it ends with."""
    async with container(home, f"-m luma_mcp {arguments}") as processes:
        with pytest.raises(SystemExit) as ended:
            await asyncio.to_thread(main, processes)
    return ended.value.code


def port_of(url: str) -> str:
    return url.rpartition(":")[2]


@pytest.mark.parametrize(("status", "code"), [(200, None), (503, " answers 503")])
async def test_a_server_is_as_healthy_as_it_says(
    status: int, code: str | None, tmp_path: Path
) -> None:
    answer = PlainTextResponse("", status)
    async with serving(Starlette(routes=[Route("/healthz", lambda _: answer)])) as url:
        found = await check(f"serve --port {port_of(url)}", tmp_path)
        assert found == (code and f"{LOOPBACK} port {port_of(url)}{code}")


async def test_nobody_at_the_port_is_unhealthy(tmp_path: Path) -> None:
    with bound_socket() as nobody:
        port = nobody.getsockname()[1]
        found = await check(f"sandbox --port={port}", tmp_path)
    assert found == f"{LOOPBACK} port {port} does not answer: [Errno 111] Connection refused"


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n"])
async def test_what_is_no_answer_is_unhealthy(answer: bytes) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with misbehaving(hang_up) as url:
        found = await asyncio.to_thread(ask, LOOPBACK, int(port_of(url)))
    assert (found or "").startswith(f"{LOOPBACK} port {port_of(url)} does not answer: ")


async def test_stdio_is_healthy_while_it_lives(tmp_path: Path) -> None:
    assert await check("stdio", tmp_path) is None
