"""Calls with an idempotency key, by the tools: the same job again, and no second charge."""

import asyncio

import pytest
from fastmcp import Client
from starlette.responses import JSONResponse

from luma_mcp.luma.apis import AGENTS, DREAM_MACHINE
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.tools import build_tools
from luma_mcp.tools.results import REPLAYED
from tests.tools.calls import (
    BOTH,
    JOB_ID,
    Json,
    Upstream,
    call,
    client_of,
    data,
    lines_of,
    refusal,
    refused,
)
from tests.tools.test_waiting import CREATING, DONE, QUEUED, handle, reading, upstream_of

KEY = "boat-1"
BOAT: Json = {"prompt": "A boat", "idempotency_key": KEY}
POST, GET = CREATING["create_generation"][1], reading("create_generation")[0]
PICTURE = "https://example.com/a.jpg"
FRAME = {"type": "image", "url": PICTURE}
FAILING = JSONResponse({"detail": "Later"}, 500)


def posts(upstream: Upstream) -> int:
    return sum(line.startswith("POST ") for line in upstream.asked)


@pytest.mark.parametrize("tool", CREATING)
async def test_a_call_that_is_repeated_with_its_key_makes_nothing_again(tool: str) -> None:
    upstream, arguments = upstream_of(tool, QUEUED), CREATING[tool][0] | {"idempotency_key": KEY}
    async with client_of(upstream, BOTH) as client:
        first = await data(client, tool, **arguments, wait_seconds=0)
        again = await data(client, tool, **arguments, wait_seconds=0)
    assert (first["id"], first["replayed"]) == (again["id"], False)
    assert (again["id"], again["replayed"], again["state"]) == (reading(tool)[1], True, "queued")
    assert upstream.asked == [CREATING[tool][1], reading(tool)[0]]


async def test_a_replay_says_that_it_is_one() -> None:
    upstream = upstream_of("create_generation", QUEUED)
    async with client_of(upstream) as client:
        await call(client, "create_generation", **BOAT)
        result = await call(client, "create_generation", **BOAT)
    assert lines_of(result) == [
        f"Video {JOB_ID}: queued",
        REPLAYED,
        "Estimated cost: about $0.71",
        handle(JOB_ID),
    ]


async def test_a_replay_waits_for_the_result_like_any_call() -> None:
    upstream = upstream_of("create_generation", DONE)
    async with client_of(upstream) as client:
        await call(client, "create_generation", **BOAT)
        job = await data(client, "create_generation", **BOAT, wait_seconds=10)
    assert (job["state"], job["replayed"], job["next_step"]) == ("completed", True, None)
    assert posts(upstream) == 1


@pytest.mark.parametrize("seconds", [0, 10])
async def test_a_replay_in_times_of_trouble_answers_the_id(seconds: int) -> None:
    upstream = upstream_of("create_generation", FAILING)
    async with client_of(upstream) as client:
        await call(client, "create_generation", **BOAT)
        job = await data(client, "create_generation", **BOAT, wait_seconds=seconds)
    assert (job["id"], job["state"], job["replayed"]) == (JOB_ID, "unknown", True)
    assert JOB_ID in job["next_step"]


SAME: list[Json] = [
    {"wait_seconds": 1},
    {"max_cost_usd": 0},
    {"loop": None},
    {"loop": False},
    {"aspect_ratio": None, "concepts": []},
    {"model": "ray-2"},
    {"keyframes": {"frame0": FRAME, "frame1": None}},
    {"keyframes": {"frame0": {**FRAME, "id": None}}},
]


@pytest.mark.parametrize("more", SAME)
async def test_what_asks_for_the_same_is_the_same_call(more: Json) -> None:
    upstream = upstream_of("create_generation", DONE)
    arguments = {**BOAT, "keyframes": {"frame0": FRAME}}
    async with client_of(upstream) as client:
        await call(client, "create_generation", **arguments)
        assert (await data(client, "create_generation", **(arguments | more)))["replayed"]
    assert posts(upstream) == 1


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("create_generation", {"prompt": "Another boat"}),
        ("create_generation", {"prompt": "A boat", "duration": "5s"}),
        ("create_generation", {"prompt": "A boat", "model": "ray-3.2"}),
        ("generate_image", {"prompt": "A boat"}),
    ],
)
async def test_another_call_with_the_key_is_refused_with_the_job_that_it_made(
    tool: str, arguments: Json
) -> None:
    upstream = upstream_of("create_generation", QUEUED)
    # The Agents API has keys of its own, by which other jobs are paid: those never meet.
    meets = arguments.get("model") != "ray-3.2"
    async with client_of(upstream, BOTH) as client:
        await call(client, "create_generation", **BOAT)
        error = await refusal(client, tool, **arguments, idempotency_key=KEY)
    assert error["code"] == ("invalid_request" if meets else "not_found")
    assert error["generation_id"] == (JOB_ID if meets else None)
    assert posts(upstream) == 1 + (not meets)


@pytest.mark.parametrize(
    ("tool", "api"), [("create_generation", DREAM_MACHINE), ("edit_image", AGENTS)]
)
async def test_a_key_in_doubt_answers_with_the_advice_of_its_api(tool: str, api: object) -> None:
    upstream = Upstream({CREATING[tool][1]: FAILING})
    arguments = CREATING[tool][0] | {"idempotency_key": KEY}
    async with client_of(upstream, BOTH) as client:
        first = await refusal(client, tool, **arguments)
        again = await refusal(client, tool, **arguments)
    advice = (
        f"{api.may_exist} A further call with this idempotency_key sends nothing; one with a new "  # ty: ignore[unresolved-attribute, unused-ignore-comment]
        "key makes a new job."
    )
    assert (first["advice"], again["advice"]) == (advice, advice)
    assert (again["code"], again["retryable"]) == ("unavailable", False)
    assert posts(upstream) == 1


async def test_a_refused_call_leaves_its_key_free() -> None:
    answers: dict[str, JSONResponse | Json] = {POST: JSONResponse({"detail": "Broke"}, 402)}
    upstream = Upstream(answers)
    async with client_of(upstream) as client:
        assert (await refusal(client, "create_generation", **BOAT))["code"] == (
            "insufficient_credits"
        )
        answers[POST] = QUEUED
        assert not (await data(client, "create_generation", **BOAT))["replayed"]
    assert posts(upstream) == 2


@pytest.mark.parametrize("key", ["two words", "é", "a" * 129, "tab\t", "line\n", "\x7f", " "])
async def test_a_key_that_is_no_plain_text_is_refused(key: str) -> None:
    error = await refused("create_generation", prompt="A boat", idempotency_key=key)
    assert error["message"] == (
        "idempotency_key must be 1 to 128 visible ASCII characters, without blanks."
    )


@pytest.mark.parametrize("key", [None, ""])
async def test_a_key_that_says_nothing_promises_nothing(key: str | None) -> None:
    upstream = upstream_of("create_generation", QUEUED)
    async with client_of(upstream) as client:
        await call(client, "create_generation", prompt="A boat", idempotency_key=key)
        again = await data(client, "create_generation", prompt="A boat", idempotency_key=key)
    assert not again["replayed"]
    assert [warning.startswith("The same call came") for warning in again["warnings"]] == [True]
    assert JOB_ID in again["warnings"][0]
    assert posts(upstream) == 2


async def test_many_calls_at_once_with_one_key_make_one_job(
    mcp_client: Client, clock: TurnedClock
) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(data(mcp_client, "create_generation", **BOAT)) for _ in range(20)
        ]
    jobs = [task.result() for task in tasks]
    assert len({job["id"] for job in jobs}) == 1
    assert sorted(job["replayed"] for job in jobs) == [False] + [True] * 19
    balance = await data(mcp_client, "get_credits")
    assert balance["credit_balance_usd"] > 100 - 2 * jobs[0]["estimated_cost_usd"]
    clock.advance(60)
    assert (await data(mcp_client, "create_generation", **BOAT))["state"] == "completed"


def test_every_creating_tool_takes_a_key_and_no_other() -> None:
    takers = {
        name
        for name, tool in build_tools().items()
        if "idempotency_key" in tool.parameters["properties"]
    }
    assert takers == set(CREATING)
