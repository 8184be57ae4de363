"""Every answer of the Agents API is one that Luma promises, whatever endpoint and state it is."""

from dataclasses import replace

from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.sandbox.faults import AGENTS_FAILURES
from tests.sandbox.agents_promises import CODES, FILE_STATES, PROMISES, STATES, TYPES
from tests.sandbox.conftest import AGENTS, OPEN_HANDED, Agents, Enter, Json
from tests.sandbox.test_agents_files import PICTURE, announce, complete, send, send_form
from tests.sandbox.test_agents_sdk import BODIES
from tests.sandbox.test_promises import Checked, Seen


def endpoint_of(method: str, path: str) -> tuple[str, str]:
    """Name the endpoint that a request is for; an id is what stands second."""
    parts = path.removeprefix(AGENTS).split("/")
    if len(parts) > 2:
        parts[2] = "{id}"
    return method, "/".join(parts)


def state_of(said: Json) -> tuple[str, str] | None:
    if "state" not in said:
        return None
    return said.get("type", "file"), said["state"]


async def live_with_jobs(agents: Agents, clock: TurnedClock) -> None:
    """Make every kind of job in every way it can end, and read it in each of its states."""
    for kind, body in BODIES.items():
        for word in ("", *(f"[sandbox:fail={code}]" for code in AGENTS_FAILURES)):
            job = await agents.make(**body, type=kind, prompt=f"a fox {word}")
            for seconds in (0, 2, 600):
                clock.advance(seconds)
                await agents.read(job)
    await agents.get("/generations/unknown")
    job = await agents.make(prompt="[sandbox:get=502]")
    await agents.get(f"/generations/{job['id']}")


async def live_with_files(agents: Agents, clock: TurnedClock) -> None:
    """Bring files in both ways, and see them in each of their states."""
    for described in ({}, {"filename": "[sandbox:fail=corrupt_input]"}):
        made = await announce(agents, user_id="me", **described)
        await agents.post(f"/files/{made['id']}/complete")
        await send(agents, made)
        await complete(agents, made)
        await agents.get(f"/files/{made['id']}")
        clock.advance(1)
        await complete(agents, made)
    await send_form(agents)
    for query in ("", "?limit=1", "?limit=0"):
        await agents.get(f"/files{query}")
    await agents.delete(f"/files/{made['id']}")
    await agents.get(f"/files/{made['id']}")
    for method, path in PROMISES:
        if path.startswith("/files/"):
            await agents.request(method, path.replace("{id}", "unknown"))


async def be_refused(agents: Agents, _: TurnedClock) -> None:
    """Be refused for every reason that lies in a request."""
    for key in ("no-key", "luma-api-suspended"):
        async with Agents(agents.app, key) as other:
            for method, path in PROMISES:
                await other.request(method, path)
    await agents.ask(prompt="")
    await agents.ask(prompt=7)
    for status in (500, 502, 503):
        await agents.ask(prompt=f"[sandbox:http={status}]")
    for path, limit in (
        ("/generations", OPEN_HANDED.max_agents_body_bytes),
        ("/files", OPEN_HANDED.max_body_bytes),
    ):
        await agents.post(path, content=b"[" * (limit + 1))
    await agents.post("/files", json={"mime_type": "image/png"})
    body = {"mime_type": "image/png", "size_bytes": 1, "filename": "[sandbox:typo]"}
    await agents.post("/files", json=body)


async def be_turned_away(agents: Agents, _: TurnedClock) -> None:
    """Ask for more than the account may have, and for more than there is room for."""
    for _ in range(2):
        await agents.ask()
    await send_form(agents, PICTURE)


async def test_every_answer_is_as_promised(clock: TurnedClock, enter: Enter) -> None:
    seen: Seen = set()
    states: set[tuple[str, str]] = set()
    poor = replace(OPEN_HANDED, starting_balance_cents=5.0, max_incoming_bytes=10)
    hasty = replace(OPEN_HANDED, agents_creates_per_minute=1)
    for behaviour, visits in (
        (OPEN_HANDED, (live_with_jobs, live_with_files, be_refused)),
        (poor, (be_turned_away,)),
        (hasty, (be_turned_away,)),
    ):
        sandbox = (await enter(behaviour)).app
        checked = Checked(sandbox, seen, states, AGENTS, PROMISES, endpoint_of, state_of)
        async with Agents(checked) as agents:
            for visit in visits:
                await visit(agents, clock)
    promised = {(endpoint, status) for endpoint, answers in PROMISES.items() for status in answers}
    assert seen == promised
    assert states == {
        *((kind, state) for kind in TYPES for state in STATES),
        *(("file", state) for state in FILE_STATES),
    }
    assert list(CODES) == list(AGENTS_FAILURES)
