"""The command line, as processes."""

import asyncio
import json
import signal
import socket
import sys

import httpx
import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport

from luma_mcp import __version__
from luma_mcp.sandbox.app import build_sandbox
from luma_mcp.tools import ALL
from tests.e2e.processes import ROOT, UNTRACED, fetch, finished, serving_process, start
from tests.e2e.requirements import need_ipv6
from tests.e2e.sign_in import SECRET_KEY, public_process
from tests.servers import bound_socket, misbehaving, serving

FAST = {"LUMA_MCP_SANDBOX_QUEUED_SECONDS": "0", "LUMA_MCP_SANDBOX_DREAMING_SECONDS": "0"}


async def test_the_server_with_its_sandbox_does_the_main_job_and_stops_on_sigterm() -> None:
    async with serving_process("--sandbox", "--log-format", "json", **FAST) as running:
        headers = {"Authorization": "Bearer luma-key-of-ada"}
        transport = StreamableHttpTransport(f"{running.url}/mcp", headers=headers)
        async with Client(transport) as ada:
            created = await ada.call_tool("create_generation", {"prompt": "A paper boat"})
            assert created.structured_content is not None
            wanted = {"generation_id": created.structured_content["id"]}
            seen = await ada.call_tool("get_generation", wanted)
        assert seen.structured_content is not None
        video = await fetch(seen.structured_content["assets"]["video"])
        assert video.headers["content-type"] == "video/mp4"
        status = await running.stop()
    assert status in {0, -signal.SIGTERM}
    log = "".join(running.log)
    calls = [json.loads(line) for line in running.log if '"event": "call"' in line]
    assert [call["tool"] for call in calls] == ["create_generation", "get_generation"]
    assert "luma-key-of-ada" not in log
    assert "Traceback" not in log


async def test_a_wrong_setting_stops_the_start_with_one_sentence() -> None:
    status, out, err = await finished(LUMA_MCP_UPSTREAM_CONNECTIONS="many")
    assert (status, out) == (2, "")
    assert err.startswith("luma-mcp: LUMA_MCP_UPSTREAM_CONNECTIONS must be a whole number.")
    assert err.count("\n") == 1


async def test_a_misspelt_setting_stops_the_start() -> None:
    status, _, err = await finished(LUMA_MCP_READ_ONLY="true")
    assert status == 2
    assert "Did you mean LUMA_MCP_READONLY?" in err


async def test_a_wrong_setting_stops_the_start_under_another_server_too() -> None:
    status, _, err = await finished(
        "-c", "import server; server.app", program=(), LUMA_MCP_PORT="many"
    )
    assert status == 2
    assert err == "luma-mcp: LUMA_MCP_PORT must be a whole number.\n"


async def test_a_fault_of_ours_is_not_taken_for_a_wrong_setting() -> None:
    start = "import sys; sys.modules['fastmcp'] = None; from luma_mcp.cli import main; main()"
    status, _, err = await finished("-c", start, "tools", program=())
    assert status == 1
    assert err.startswith("Traceback")


async def test_a_taken_port_stops_the_start_with_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, _, err = await finished("--port", str(port))
    assert status == 2
    assert err.startswith(f"luma-mcp: cannot listen on 127.0.0.1 port {port}: ")
    assert err.endswith("Choose another port with --port or LUMA_MCP_PORT.\n")
    assert err.count("\n") == 1


async def test_an_address_that_is_not_this_machines_stops_the_start_with_one_sentence() -> None:
    status, _, err = await finished("--host", "203.0.113.1", "--port", "0")
    assert status == 2
    assert err.startswith("luma-mcp: cannot listen on 203.0.113.1 port 0: ")
    assert err.endswith("Choose another host with --host or LUMA_MCP_HOST.\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize("program", [("server.py",), ("-m", "luma_mcp")])
async def test_the_version_is_printed(program: tuple[str, ...]) -> None:
    assert await finished("--version", program=program) == (0, f"{__version__}\n", "")


async def test_another_server_can_serve_the_application() -> None:
    program = ("-m", "uvicorn", "server:app", "--ws", "none")
    options = ("--no-proxy-headers", "--no-access-log")
    async with serving_process(*options, program=program, **UNTRACED) as running:
        assert (await fetch(f"{running.url}/healthz")).json() == {"status": "alive"}


async def test_the_door_opens_nothing_else() -> None:
    status, _, err = await finished("-c", "import server; server.application", program=())
    assert status == 1
    assert "AttributeError" in err


async def test_the_catalogue_is_printed() -> None:
    status, out, _ = await finished("tools")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == [tool.__name__ for tool in ALL]


async def test_whoever_reads_only_the_beginning_of_the_catalogue_gets_no_traceback() -> None:
    process = await start("tools")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout._transport.close()  # noqa: SLF001 - as a reader that has gone
    assert await process.stderr.read() == b""
    assert await process.wait() == -signal.SIGPIPE


async def test_the_sandbox_runs_alone() -> None:
    async with serving_process("sandbox") as running:
        url = f"{running.url}/dream-machine/v1/credits"
        response = await fetch(url, Authorization="Bearer luma-ada")
    assert response.json() == {"credit_balance": 10_000.0}


async def test_stdio_serves_one_user_with_the_key_of_the_environment() -> None:
    async with serving(build_sandbox()) as luma:
        variables = {
            "LUMA_API_KEY": "luma-ada",
            "LUMA_MCP_DREAM_MACHINE_URL": f"{luma}/dream-machine/v1",
        }
        transport = StdioTransport(
            sys.executable, ["server.py", "stdio"], env=variables, cwd=str(ROOT), keep_alive=False
        )
        async with Client(transport) as ada:
            answer = await ada.call_tool("get_credits")
    assert answer.structured_content is not None
    assert answer.structured_content["credit_balance_usd"] == 100


async def test_a_running_call_ends_well_when_the_server_is_asked_to_stop() -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def answer_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await release.wait()
        body = b'{"credit_balance": 1700}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    call = {"name": "get_credits", "arguments": {}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    headers = {"X-API-Key": "luma-ada", "Accept": "application/json, text/event-stream"}
    async with (
        misbehaving(answer_late) as luma,
        serving_process(LUMA_MCP_DREAM_MACHINE_URL=luma) as running,
        httpx.AsyncClient(timeout=60) as client,
        asyncio.TaskGroup() as tasks,
    ):
        calling = tasks.create_task(
            client.post(f"{running.url}/mcp", json=message, headers=headers)
        )
        await asked.wait()
        stopping = tasks.create_task(running.stop())
        await running.wrote("Shutting down")
        release.set()
        assert "$17.00" in (await calling).text
        await stopping


@pytest.mark.parametrize(("trusted", "scheme"), [("", "http"), ("127.0.0.1", "https")])
async def test_forwarded_headers_count_only_from_a_trusted_proxy(trusted: str, scheme: str) -> None:
    async with serving_process(LUMA_MCP_TRUSTED_PROXIES=trusted, **UNTRACED) as running:
        page = await fetch(running.url, **{"X-Forwarded-Proto": "https"})
    assert f"{scheme}://{running.url.removeprefix('http://')}/mcp" in page.text


@pytest.mark.parametrize("command", ["--sandbox", "sandbox"])
async def test_without_its_drawing_libraries_the_sandbox_says_what_to_install(
    command: str,
) -> None:
    start = "import sys; sys.modules['av'] = None; from luma_mcp.cli import main; main()"
    status, _, err = await finished("-c", start, command, "--port", "0", program=())
    assert status == 2
    assert err == (
        "luma-mcp: The sandbox needs its drawing libraries. "
        'Install the server with its extra "sandbox": pip install ".[sandbox]" in its source.\n'
    )


@pytest.mark.parametrize("key", [{}, {"LUMA_API_KEY": ""}, {"LUMA_API_KEY": "two words"}])
async def test_stdio_without_a_key_says_what_to_set(key: dict[str, str]) -> None:
    status, out, err = await finished("stdio", **key)
    assert (status, out) == (2, "")
    assert "LUMA_API_KEY" in err
    assert "two words" not in err


async def test_stdio_takes_no_sandbox() -> None:
    status, _, err = await finished("stdio", LUMA_API_KEY="luma-ada", LUMA_MCP_SANDBOX="true")
    assert status == 2
    assert "luma-mcp sandbox" in err
    assert err.count("\n") == 1


async def test_the_welcome_names_an_address_that_answers() -> None:
    everywhere = ("--host", "0.0.0.0")  # noqa: S104 - the case in question
    async with serving_process("--sandbox", *everywhere, **UNTRACED) as running:
        assert (await fetch(f"{running.url}/healthz")).status_code == 200


async def test_a_server_on_every_address_serves_ipv4_and_ipv6_alike() -> None:
    need_ipv6()
    with bound_socket() as held:
        port = held.getsockname()[1]
    async with serving_process("--sandbox", "--host", "::", port=port, **UNTRACED) as running:
        assert running.url == f"http://[::1]:{port}"
        for address in (f"127.0.0.1:{port}", f"[::1]:{port}", f"[::ffff:127.0.0.1]:{port}"):
            assert (await fetch(f"http://{address}/")).status_code == 200
            told = await fetch(f"http://{address}/", **{"X-Forwarded-Proto": "https"})
            assert "https://" + address not in told.text


async def test_the_welcome_names_where_clients_sign_in() -> None:
    async with public_process(**UNTRACED) as (running, url):
        assert (await fetch(f"{url}/oauth/mcp")).status_code == 401
        await running.stop()
    log = "".join(running.log)
    assert f"{url}/mcp, or {url}/oauth/mcp to sign in\n" in log
    assert SECRET_KEY not in log


async def test_a_memory_to_share_that_cannot_be_used_stops_the_start_with_one_sentence() -> None:
    url = "redis://:pa55@cache:6379/0?no_such_option=1"
    status, out, err = await finished("--port", "0", LUMA_MCP_REDIS_URL=url)
    assert (status, out) == (2, "")
    assert err.startswith("luma-mcp: LUMA_MCP_REDIS_URL must be a URL that begins with redis://")
    assert err.count("\n") == 1
    assert "pa55" not in err


async def test_a_websocket_handshake_puts_no_header_into_the_log() -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    upgrade |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "X-API-Key": "opaque-key-123"}
    async with serving_process(LUMA_MCP_LOG_LEVEL="debug", **UNTRACED) as running:
        await fetch(f"{running.url}/mcp?key=opaque-key-456", **upgrade)
        await running.stop()
    assert "opaque-key" not in "".join(running.log)


async def test_over_http_the_key_of_the_environment_is_never_used() -> None:
    async with serving_process("--sandbox", LUMA_API_KEY="luma-operator", **UNTRACED) as running:
        response = await fetch(f"{running.url}/mcp")
    assert response.status_code == 401
