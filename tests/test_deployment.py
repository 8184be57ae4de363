"""What the server is deployed with: image, containers, proxy, unit, and the registry's entry.

What their files name is held against the repository and the code; `tests.containers` builds them.
"""

import asyncio
import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from luma_mcp import __version__
from luma_mcp.settings import SECRETS, Settings, file_variable, load_settings, variable_name
from tests.documents import ROOT
from tests.e2e.containment import Contained, contained
from tests.e2e.processes import CADDYFILE, address, caddy, fetch, serving_process
from tests.e2e.requirements import need_program
from tests.e2e.test_draining import user
from tests.servers import bound_socket, misbehaving, product, serving, url_of

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = ROOT / "docker-compose.yml"
VALKEY = ROOT / "deploy" / "valkey.url"  # the address, as a file
UNIT = ROOT / "deploy" / "luma-mcp.service"
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*")
FILES = {file_variable(name) for name in SECRETS}
VARIABLES = {variable_name(name) for name in Settings.model_fields} | FILES
OURS = ("luma-mcp-1", "luma-mcp-2", "luma-mcp-sandbox-1", "luma-mcp-sandbox-2", "sandbox")
SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"


async def run(*command: str, **variables: str) -> tuple[int, str]:
    """Run a program; gives its status, and what it says on either output."""
    need_program(command[0])
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**os.environ, **variables},  # noqa: TID251 - for a child
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


# --- The image


def words_of(instruction: str) -> list[str]:
    """Give the words behind an instruction of the Dockerfile, of its last stage."""
    found = re.findall(rf"^ *{instruction} (.+)$", DOCKERFILE, re.MULTILINE)
    return json.loads(found[-1]) if found[-1].startswith("[") else shlex.split(found[-1])


def test_the_image_copies_what_there_is_and_what_docker_is_shown() -> None:
    shown = (ROOT / ".dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE)
    assert copied == ["requirements.lock", "luma_mcp"]
    for path in copied:
        assert (ROOT / path).exists()
        assert f"!{path}" in shown


def test_the_image_sets_only_variables_that_there_are() -> None:
    assert set(re.findall(r"LUMA_MCP_\w+", DOCKERFILE)) <= VARIABLES


def test_the_image_is_pinned_and_runs_as_nobody() -> None:
    images = {line.split()[1] for line in DOCKERFILE.splitlines() if line.startswith("FROM")}
    assert all(PINNED.fullmatch(image) for image in images)
    assert len(images) == 1
    assert words_of("USER") == ["65534:65534"]


def test_the_image_holds_only_hashed_dependencies_and_all_of_them() -> None:
    (steps,) = re.findall(r"^RUN (python -m venv .+?)\n\n", DOCKERFILE, re.MULTILINE | re.DOTALL)
    _, install, check, _ = (shlex.split(step) for step in steps.replace("\\\n", "").split("&&"))
    assert {"--no-deps", "--require-hashes", "requirements.lock"} <= set(install)
    assert check == ["/opt/luma-mcp/bin/pip", "check"]


HEALTHY = (0, "", "")


def entry_point(*command: str) -> tuple[str, ...]:
    """Give what the image runs for this command, with the Python of the tests."""
    python, *entry = words_of("ENTRYPOINT")
    assert python == "python"
    return (sys.executable, *entry, *command)


async def health_of(container: Contained) -> tuple[int, str, str]:
    """Run the image's health check in a container."""
    python, *check = words_of("CMD")
    assert python == "python"
    return await container.runs(sys.executable, *check)


@pytest.mark.parametrize("command", ["serve", "sandbox"])
async def test_the_image_is_healthy_once_it_listens_at_the_port_that_is_set(command: str) -> None:
    with bound_socket() as held:
        port = str(held.getsockname()[1])
        async with contained(*entry_point(command), LUMA_MCP_PORT=port) as container:
            assert container.process.stderr is not None
            await container.process.stderr.readuntil(b"\n")
            assert await health_of(container) == HEALTHY


async def test_the_image_is_healthy_at_a_port_of_its_command_line() -> None:
    with bound_socket() as held:
        command = entry_point("--port", str(held.getsockname()[1]))
        async with contained(*command, LUMA_MCP_PORT="9") as container:
            assert container.process.stderr is not None
            await container.process.stderr.readuntil(b"\n")
            assert await health_of(container) == HEALTHY


async def test_the_image_is_healthy_for_one_user_over_stdin() -> None:
    async with contained(*entry_point("stdio"), LUMA_API_KEY="luma-ada") as container:
        stdin, stdout = container.process.stdin, container.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
        assert json.loads(await stdout.readline()) == {"jsonrpc": "2.0", "id": 1, "result": {}}
        assert await health_of(container) == HEALTHY


async def test_below_the_server_the_sandbox_answers_only_what_luma_does() -> None:
    async with product() as url:
        assert (await fetch(f"{url}/sandbox/healthz")).status_code == 404


# --- The containers


def services() -> dict[str, dict[str, Any]]:
    return yaml.safe_load(COMPOSE.read_text())["services"]


SANDBOX = ("--profile", "sandbox")


@pytest.mark.parametrize("profiles", [(), ("sandbox",), ("monitoring",)], ids=str)
async def test_the_containers_are_described_as_compose_wants_it(profiles: tuple[str, ...]) -> None:
    chosen = [word for profile in profiles for word in ("--profile", profile)]
    status, said = await run("docker-compose", "--file", str(COMPOSE), *chosen, "config", "--quiet")
    assert (status, said) == (0, "")


REPLICAS = OURS[:2]
SANDBOX_REPLICAS = OURS[2:4]


async def composed(**variables: str) -> dict[str, Any]:
    """Let Compose say what comes of both files together with these variables."""
    files = ("--file", str(COMPOSE), "--file", str(ROOT / "deploy" / "compose.secrets.yml"))
    status, said = await run("docker-compose", *files, *SANDBOX, "config", **variables)
    assert status == 0, said
    return yaml.safe_load(said)


def mounts(project: dict[str, Any], name: str) -> dict[str, str]:
    """Tell which file of this machine a container finds at which path."""
    secrets = project["services"][name]["secrets"]
    return {one["target"]: project["secrets"][one["source"]]["file"] for one in secrets}


def environment_of(project: dict[str, Any], name: str) -> dict[str, str]:
    """Give what is set in a container's environment, and is not empty."""
    everything = project["services"][name]["environment"]
    return {variable: value for variable, value in everything.items() if value}


async def test_containers_find_the_files_of_secrets_where_this_machine_has_them() -> None:
    files = {variable: f"/etc/luma-mcp/{variable}" for variable in FILES}
    project = await composed(**files)
    for name in REPLICAS:
        assert {path: path for path in files.values()} == mounts(project, name)
        assert files.items() <= environment_of(project, name).items()
        assert "LUMA_MCP_REDIS_URL" not in environment_of(project, name)
    del files["LUMA_MCP_REDIS_URL_FILE"]  # theirs is that of the containers' own Valkey
    for name in SANDBOX_REPLICAS:
        assert {path: path for path in files.values()} == mounts(project, name)
        assert files.items() <= environment_of(project, name).items()
        assert "LUMA_MCP_REDIS_URL_FILE" not in environment_of(project, name)


async def test_no_variable_names_the_file_of_a_secret_that_is_not_given() -> None:
    project = await composed()
    for name in REPLICAS:
        assert FILES & environment_of(project, name).keys() == {"LUMA_MCP_REDIS_URL_FILE"}
    for name in SANDBOX_REPLICAS:
        assert not FILES & environment_of(project, name).keys()


async def test_without_a_file_replicas_share_the_same_valkey_as_ever() -> None:
    project = await composed()
    shared = mounts(project, "luma-mcp-1")[
        environment_of(project, "luma-mcp-1")["LUMA_MCP_REDIS_URL_FILE"]
    ]
    assert shared == str(VALKEY)
    assert f"{{LUMA_MCP_REDIS_URL:-{VALKEY.read_text().strip()}}}" in COMPOSE.read_text()


def test_without_a_profile_the_hosted_set_up_runs() -> None:
    plain = {name for name, one in services().items() if "profiles" not in one}
    assert plain == {"caddy", "luma-mcp-1", "luma-mcp-2", "valkey"}


def test_only_caddy_is_reached_from_outside_and_figures_stay_inside() -> None:
    published = {name: one["ports"] for name, one in services().items() if "ports" in one}
    everywhere = {
        name for name, ports in published.items() for one in ports if one[:9] != "127.0.0.1"
    }
    assert everywhere == {"caddy"}
    assert published.keys() == {"caddy", "sandbox-caddy", "grafana"}
    networks = yaml.safe_load(COMPOSE.read_text())["networks"]
    assert networks["shared"] == networks["figures"] == {"internal": True}
    assert services()["valkey"]["networks"] == ["shared"]


def test_containers_are_pinned_read_only_and_have_no_rights() -> None:
    for name, one in services().items():
        assert name in OURS or PINNED.fullmatch(one["image"]), name
        assert one["read_only"], name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert one["restart"] == "unless-stopped", name
        assert ("healthcheck" in one) != (name in OURS), name  # the image brings its own


def test_a_container_waits_only_for_those_that_run_with_it() -> None:
    for one in services().values():
        with_it = [
            set(services()[other].get("profiles", [])) for other in one.get("depends_on", [])
        ]
        assert all(profiles <= set(one.get("profiles", [])) for profiles in with_it)


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def default_of(variable: str) -> int:
    return int(re.findall(rf"{variable}:-(\d+)", COMPOSE.read_text())[0])


def test_a_container_has_time_to_end() -> None:
    least = default_of("LUMA_MCP_DRAIN_SECONDS") + default_of("LUMA_MCP_SHUTDOWN_SECONDS")
    least += load_settings().upstream_timeout_seconds
    for name in OURS:
        assert seconds(services()[name]["stop_grace_period"]) > least


@pytest.mark.parametrize("name", OURS)
def test_what_a_container_is_set_to_is_a_setting(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in services()[name]["environment"].items():
        assert variable in VARIABLES
        if value is not None:
            plain = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(value))
            monkeypatch.setenv(variable, plain)
    load_settings()


async def test_media_of_the_containers_sandbox_reach_the_users_browser(tmp_path: Path) -> None:
    need_program("caddy")
    (tmp_path / "routes").mkdir()
    config = tmp_path / "Caddyfile"
    config.write_text(CADDYFILE.read_text())
    route = (ROOT / "deploy" / "sandbox.caddy").read_text()
    front = bound_socket()
    async with serving_process(
        "sandbox",
        LUMA_MCP_PUBLIC_URL=f"{url_of(front)}/sandbox",
        LUMA_MCP_SANDBOX_QUEUED_SECONDS="0",
        LUMA_MCP_SANDBOX_DREAMING_SECONDS="0",
    ) as luma:
        there = route.replace("{$LUMA_MCP_SANDBOX:sandbox:8000}", address(luma.url))
        assert there != route
        (tmp_path / "routes" / "sandbox.caddy").write_text(there)
        upstreams = {
            "LUMA_MCP_DREAM_MACHINE_URL": f"{luma.url}/dream-machine/v1",
            "LUMA_MCP_AGENTS_URL": f"{luma.url}/agents/v1",
        }
        async with (
            serving_process(**upstreams) as replica,
            caddy(replica.url, home=tmp_path, bound=front, config=config) as door,
            user(door.url, "luma-ada") as ada,
            user(door.url, "luma-api-ada") as bob,
        ):
            made = await ada.call("create_generation", prompt="A paper boat")
            job = await ada.call("get_generation", generation_id=made["id"])
            clip = await fetch(job["assets"]["video"])
            place = await bob.call("upload_file", size_bytes=2_000_000, mime_type="image/png")
            async with httpx.AsyncClient() as http:
                sent = await http.request(
                    place["upload"]["method"],
                    place["upload"]["url"],
                    headers=place["upload"]["headers"],
                    content=b"a" * 2_000_000,
                )
    assert job["assets"]["video"].startswith(f"{door.url}/sandbox/media/")
    assert clip.headers["content-type"] == "video/mp4"
    assert sent.status_code < 300, sent.text


# --- The proxy


class Replica:
    """A server behind Caddy that writes down what comes, and answers with it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], int]] = []
        self.looks: list[dict[str, str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        headers = dict(request.headers)
        if request.url.path == "/readyz":
            self.looks.append(headers)
        else:
            body = await request.body()
            self.asked.append((request.url.path, headers, len(body)))
        if request.url.path == "/slow":
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"and", "more_body": True})
            while not await request.is_disconnected():
                await send({"type": "http.response.body", "body": b" so on", "more_body": True})
                await asyncio.sleep(0)
            return
        await JSONResponse({})(scope, receive, send)


async def test_caddy_takes_the_file_as_it_is() -> None:
    need_program("caddy")
    status, said = await run(
        "caddy", "validate", "--config", str(CADDYFILE), "--adapter", "caddyfile"
    )
    assert status == 0, said
    assert "Valid configuration" in said
    assert "not formatted" not in said


async def test_caddy_tells_who_calls_and_logs_nothing_secret(tmp_path: Path) -> None:
    replica = Replica()
    async with (
        serving(replica, lifespan="off") as url,
        caddy(url, home=tmp_path) as door,
        httpx.AsyncClient() as http,
    ):
        told = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "X-API-Key": "s3cret"}
        answer = await http.post(f"{door.url}/mcp?key=s3cret", json={}, headers=told)
        await http.get(f"{door.url}/sse")
        async with http.stream("GET", f"{door.url}/slow", headers=told) as slow:
            assert slow.status_code == 200  # and away, in the middle of the answer
        figures = await http.get(f"{door.url}/metrics")
        large = await http.post(f"{door.url}/mcp", content=b"a" * 1_100_000)
        long = await http.get(f"{door.url}/", headers={"x": "a" * 80_000})
        await door.wrote("handled request", times=4)
    (path, headers, _), (stream, *_) = replica.asked[:2]
    assert (answer.status_code, path, stream) == (200, "/mcp", "/sse")
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["host"] == address(door.url)
    assert "accept-encoding" not in headers or headers["accept-encoding"] != "gzip"
    assert (figures.status_code, long.status_code) == (404, 431)
    assert large.status_code in {413, 502}
    assert {look["host"] for look in replica.looks} == {"localhost"}
    assert "s3cret" not in "".join(door.log)


async def test_what_a_dead_replica_does_not_take_goes_whole_to_the_other(tmp_path: Path) -> None:
    need_program("caddy")
    replica = Replica()
    dead = bound_socket()  # nobody listens
    async with (
        serving(replica, lifespan="off") as url,
        caddy(url_of(dead), url, home=tmp_path) as door,
        httpx.AsyncClient() as http,
        asyncio.TaskGroup() as tasks,
    ):
        # Some at once, so that those are among them who come before Caddy has looked.
        asking = [
            tasks.create_task(http.post(f"{door.url}/mcp", content=b"a" * 100_000))
            for _ in range(20)
        ]
        await asyncio.wait(asking)
    dead.close()
    assert {one.result().status_code for one in asking} == {200}
    assert [size for _, _, size in replica.asked] == [100_000] * 20


async def test_a_call_that_was_sent_is_never_sent_again(tmp_path: Path) -> None:
    posts: list[bytes] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST"):
            posts.append(head)
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        writer.close()

    async with (
        misbehaving(hang_up) as one,
        misbehaving(hang_up) as other,
        caddy(one, other, home=tmp_path) as door,
        httpx.AsyncClient() as http,
    ):
        answers = [await http.post(f"{door.url}/mcp", json={}) for _ in range(4)]
    assert {answer.status_code for answer in answers} == {502}
    assert answers[0].json()["code"] == "unavailable"
    assert answers[0].json()["retryable"] is False
    assert len(posts) == 4


# --- The unit


async def test_systemd_takes_the_unit_and_finds_little_exposed(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/luma-mcp/bin/luma-mcp", sys.executable))
    assert await run("systemd-analyze", "verify", str(unit)) == (0, "")
    status, said = await run(
        *("systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit))
    )
    assert status == 0, said


def test_the_unit_leaves_time_to_end_and_tells_only_the_main_process() -> None:
    lines = dict(
        line.split("=", 1) for line in UNIT.read_text().splitlines() if re.match(r"[A-Z]\w+=", line)
    )
    settings = load_settings()
    least = settings.drain_seconds + settings.shutdown_seconds + settings.upstream_timeout_seconds
    assert int(lines["TimeoutStopSec"]) > least
    assert lines["KillMode"] == "mixed"
    assert int(lines["LimitNOFILE"]) > 2 * settings.upstream_connections


# --- The registry


def entry() -> dict[str, Any]:
    return json.loads((ROOT / "server.json").read_text())


def test_the_entry_for_the_registry_says_what_is_so() -> None:
    said = entry()
    assert said["$schema"] == SCHEMA
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", said["name"])
    assert f"<!-- mcp-name: {said['name']} -->" in (ROOT / "README.md").read_text()
    assert 1 <= len(said["description"]) <= 100
    assert said["version"] == __version__


def test_the_entry_for_the_registry_names_no_package_as_long_as_none_is_published() -> None:
    assert "packages" not in entry()


def test_the_entry_for_the_registry_says_how_to_connect() -> None:
    (remote,) = entry()["remotes"]
    assert remote["type"] == "streamable-http"
    assert re.findall(r"{(\w+)}", remote["url"]) == list(remote["variables"])
    assert remote["url"].endswith("/mcp")
    names = [one["name"] for one in remote["headers"]]
    assert names == ["Authorization", "X-Luma-Agents-API-Key"]
    assert all(one["isSecret"] for one in remote["headers"])
