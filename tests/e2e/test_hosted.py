"""The distribution, and the hosted set-up made of it: what compose starts, without containers.

A wheel in a clean virtual environment, two replicas as an ordinary user, Caddy, Redis, a sandbox.
The engine is killed under load and comes back, then a replica is killed.
"""

import asyncio
import itertools
import json
import os
import re
import sys
import tempfile
from collections.abc import Generator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from luma_mcp import __version__
from luma_mcp.tools import ALL
from tests.authorities import trust_as_the_machine_does
from tests.documents import ROOT
from tests.e2e.deployment import Deployment, deployed
from tests.e2e.processes import UNTRACED, fetch, serving_process
from tests.e2e.requirements import missing, need_program
from tests.e2e.test_draining import message
from tests.e2e.test_first_light import connect
from tests.e2e.test_readme import run
from tests.engines import redis_server
from tests.foreign.doors import messages_in
from tests.sandbox.clips import decode

pytestmark = pytest.mark.timeout(300)  # dependencies are installed
USERS, MANY = 6, 60
NOBODY = "nobody"
WHOLE, ALONE, HEALED, HALF = "all there", "no engine", "engine back", "one replica"
BETWEEN = "began in one, ended in the next"
PYTHONS = (str(Path(sys.executable).resolve()), "/usr/bin/python3")
TOOLS = ("create_generation", "list_generations", "get_credits")


@dataclass(frozen=True)
class Installed:
    """A virtual environment with nothing but the distribution and what it needs."""

    python: str
    command: str
    site: Path


async def _ordinary_python() -> str:
    """Find a Python that an ordinary user can run: one in somebody's home is none."""
    for python in PYTHONS:
        told = [await _version_told(python, user=user) for user in (None, NOBODY)]
        if told[0] == told[1] and told[0] > "3.11":
            return python
    missing("this machine has no Python 3.11 or newer that an ordinary user can run")
    raise AssertionError


async def _version_told(python: str, user: str | None) -> str:
    whose = {"user": user, "extra_groups": []} if user and os.geteuid() == 0 else {}
    with suppress(OSError):
        process = await asyncio.create_subprocess_exec(
            *(python, "-c", "import ssl, sys; print(sys.version)"),
            stdout=asyncio.subprocess.PIPE,
            **whose,
        )
        return (await process.communicate())[0].decode()
    return ""


async def _install(place: Path) -> Installed:
    pip = ("-m", "pip", "--disable-pip-version-check", "--quiet")
    # The build backend is among the locked dependencies: nothing is fetched for the wheel.
    offline = ("--no-deps", "--no-build-isolation", "--no-index")
    await run(sys.executable, *pip, "wheel", *offline, "--wheel-dir", str(place), str(ROOT))
    (wheel,) = await asyncio.to_thread(lambda: [*place.glob("luma_ai_mcp-*.whl")])
    await run(await _ordinary_python(), "-m", "venv", "--without-pip", str(place / "venv"))
    python = str(place / "venv" / "bin" / "python")
    locked = ("--require-hashes", "--only-binary", ":all:", "-r", str(ROOT / "requirements.lock"))
    try:
        await run(sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python, *locked)
    except AssertionError:  # where it finds no packages, pip does, in ten times the time
        await run(sys.executable, *pip, "--python", python, "install", "--no-compile", *locked)
    await run(sys.executable, *pip, "--python", python, "install", *offline, str(wheel))
    (site,) = await asyncio.to_thread(lambda: [*place.glob("venv/lib/python*/site-packages")])
    return Installed(python, str(place / "venv" / "bin" / "luma-mcp"), site)


@pytest.fixture(scope="module")
def installed() -> Generator[Installed]:
    """Install what users get, where an ordinary user can read it."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        with trust_as_the_machine_does():
            done = asyncio.run(_install(place))
        yield done


class Answer(NamedTuple):
    """What one call came to: whose it was, when, and what was said."""

    user: str
    phase: str
    tool: str
    status: int
    body: Any

    @property
    def result(self) -> dict[str, Any]:
        """The answer of the tool."""
        return self.body["result"]["structuredContent"]


class Crowd:
    """Some users at a time, each of whom makes a video and looks at it."""

    def __init__(self, url: str) -> None:
        self.phase = WHOLE
        self.answers: list[Answer] = []
        self.is_enough = False
        self._url = f"{url}/mcp"
        self._counted = asyncio.Condition()

    async def act(self, number: int) -> None:
        """Be one user after the other."""
        for lap in itertools.count():
            if self.is_enough:
                return
            await self._be(f"luma-user-{number}-{lap}")

    async def _be(self, user: str) -> None:
        headers = {"X-API-Key": user, "Accept": "application/json, text/event-stream"}
        arguments = {"create_generation": {"prompt": f"A boat of {user}."}}
        async with httpx.AsyncClient(headers=headers, timeout=60) as http:
            for tool in TOOLS:
                body, phase = message(tool, **arguments.get(tool, {})), self.phase
                answer = await http.post(self._url, json=body)
                async with self._counted:
                    within = phase if phase == self.phase else BETWEEN
                    told = Answer(user, within, tool, answer.status_code, messages_in(answer)[-1])
                    self.answers.append(told)
                    self._counted.notify_all()

    async def call_on(self, phase: str, times: int = MANY) -> None:
        """Begin a phase, and wait until so many calls were made in it."""
        self.phase = phase
        async with self._counted:
            await self._counted.wait_for(lambda: len(self.of(phase)) >= times)

    def of(self, phase: str) -> list[Answer]:
        """Give the answers to calls that began and ended in a phase."""
        return [one for one in self.answers if one.phase == phase]


@dataclass
class Story:
    """What happened to a hosted set-up, and what was seen of it in each phase."""

    crowd: Crowd
    clip: bytes = b""
    owners: list[int] = field(default_factory=list)
    ready: dict[str, list[Any]] = field(default_factory=dict)
    figures: dict[str, list[str]] = field(default_factory=dict)
    promises: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    async def look(self, hosted: Deployment, phase: str) -> None:
        """See what each replica says of itself, and what becomes of a call that wants a promise."""
        token = {"Authorization": f"Bearer {TOKEN}"}
        urls = [one.url for one in hosted.replicas if one.process.returncode is None]
        self.ready[phase] = [(await fetch(f"{url}/readyz")).json() for url in urls]
        self.figures[phase] = [(await fetch(f"{url}/metrics", **token)).text for url in urls]
        order = {"prompt": "A promise", "idempotency_key": "the-same-for-all-phases"}
        async with connect(f"{hosted.url}/mcp", "luma-promised") as client:
            results = [
                await client.call_tool("create_generation", order, raise_on_error=False)
                for _ in range(2)
            ]
        self.promises[phase] = [one.structured_content or {} for one in results]


TOKEN = "for-whoever-reads-the-metrics"


async def _film(url: str) -> bytes:
    async with connect(f"{url}/mcp", "luma-ada", "2026-07-28") as ada:
        job = (await ada.call_tool("create_generation", {"prompt": "A paper boat"})).data
        while not job.is_final:
            job = (await ada.call_tool("wait_for_generation", {"generation_id": job.id})).data
    return (await fetch(job.assets.video)).content


async def _healed(hosted: Deployment) -> None:
    """Return once every replica has found the engine again."""
    for one in hosted.replicas:
        while (await fetch(f"{one.url}/readyz")).json()["status"] != "ready":
            pass  # it asks again by itself, every other second


def _owner_of(number: int) -> int:
    return Path(f"/proc/{number}").stat().st_uid


async def _happen(installed: Installed) -> Story:
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(
            serving_process("sandbox", LUMA_MCP_SANDBOX_QUEUED_SECONDS="0", **UNTRACED)
        )
        first_engine = await stack.enter_async_context(AsyncExitStack())
        engine = await first_engine.enter_async_context(redis_server())
        hosted = await stack.enter_async_context(
            deployed(
                engine=engine,
                program=(installed.command,),
                python=installed.python,
                user=NOBODY,
                LUMA_MCP_DREAM_MACHINE_URL=f"{sandbox.url}/dream-machine/v1",
                LUMA_MCP_AGENTS_URL=f"{sandbox.url}/agents/v1",
                LUMA_MCP_METRICS_TOKEN=TOKEN,
            )
        )
        story = Story(Crowd(hosted.url))
        story.owners = [_owner_of(one.process.pid) for one in hosted.replicas]
        story.clip = await _film(hosted.url)
        async with asyncio.TaskGroup() as tasks:
            for number in range(USERS):
                tasks.create_task(story.crowd.act(number))
            await story.crowd.call_on(WHOLE)
            await story.look(hosted, WHOLE)
            await first_engine.aclose()  # by SIGKILL
            await story.crowd.call_on(ALONE)
            await story.look(hosted, ALONE)
            port = int(engine.rpartition(":")[2])
            await stack.enter_async_context(redis_server(port=port))
            await _healed(hosted)
            await story.crowd.call_on(HEALED)
            await story.look(hosted, HEALED)
            story.crowd.phase = HALF
            hosted.replicas[0].process.kill()
            await hosted.replicas[0].process.wait()
            await story.crowd.call_on(HALF, 10 * MANY)
            await story.look(hosted, HALF)
            story.crowd.is_enough = True
    return story


@pytest.fixture(scope="module")
def story(installed: Installed) -> Story:
    """Let it happen, once for all that is asserted of it."""
    need_program("caddy")
    return asyncio.run(asyncio.wait_for(_happen(installed), 240))


async def test_the_installed_distribution_gives_the_command_with_its_pages(
    installed: Installed,
) -> None:
    at = installed.site
    assert await run(installed.command, "--version", cwd=at) == f"{__version__}\n"
    assert len((await run(installed.command, "tools", cwd=at)).splitlines()) == len(ALL)
    assert (at / "luma_mcp" / "pages" / "templates" / "home.html").exists()


def test_replicas_run_as_an_ordinary_user(story: Story) -> None:
    assert 0 not in story.owners


def test_a_prompt_becomes_a_video_through_all_of_it(story: Story) -> None:
    assert decode(story.clip).frames


def test_whatever_is_missing_no_answer_is_wrong(story: Story) -> None:
    made: dict[str, set[str]] = {}
    failed = {one.user for one in story.crowd.answers if one.status != 200}
    for answer in story.crowd.answers:
        if answer.status != 200:
            continue
        said = json.dumps(answer.body)
        assert not answer.body["result"].get("isError"), said
        assert set(re.findall(r"A boat of (luma-user-\d+-\d+)\.", said)) <= {answer.user}
        if answer.tool == "create_generation":
            made[answer.user] = {answer.result["id"]}
        elif answer.tool == "list_generations" and answer.user not in failed:
            assert {one["id"] for one in answer.result["generations"]} == made[answer.user]
    assert len(made) > 4 * USERS


@pytest.mark.parametrize("phase", [WHOLE, ALONE, HEALED])
def test_with_or_without_the_engine_every_call_is_answered_well(story: Story, phase: str) -> None:
    assert {one.status for one in story.crowd.of(phase)} == {200}


def test_what_fails_when_a_replica_is_killed_says_so_until_that_is_noticed(story: Story) -> None:
    failed = [one for one in story.crowd.answers if one.status != 200]
    assert {one.status for one in failed} <= {502, 503}
    assert {one.body["code"] for one in failed} <= {"unavailable"}
    assert {one.body["retryable"] for one in failed} <= {False}
    assert {one.status for one in story.crowd.of(HALF)[-MANY:]} == {200}


def test_a_missing_engine_is_said_by_the_replicas_and_by_their_figures(story: Story) -> None:
    states = {phase: {one["status"] for one in told} for phase, told in story.ready.items()}
    assert states == {WHOLE: {"ready"}, ALONE: {"degraded"}, HEALED: {"ready"}, HALF: {"ready"}}
    up = {
        phase: {"luma_mcp_shared_store_up 1.0" in text.splitlines() for text in texts}
        for phase, texts in story.figures.items()
    }
    assert up == {WHOLE: {True}, ALONE: {False}, HEALED: {True}, HALF: {True}}


def test_without_the_engine_no_promise_is_made_and_nothing_is_sent(story: Story) -> None:
    assert [one["replayed"] for one in story.promises[WHOLE]] == [False, True]
    assert {one["code"] for one in story.promises[ALONE]} == {"unavailable"}
    # The engine kept nothing on disk, so that what was promised before is forgotten.
    assert [one["replayed"] for one in story.promises[HEALED]] == [False, True]
    assert [one["replayed"] for one in story.promises[HALF]] == [True, True]
    (job,) = {one["id"] for one in (*story.promises[HEALED], *story.promises[HALF])}
    assert job != story.promises[WHOLE][0]["id"]
