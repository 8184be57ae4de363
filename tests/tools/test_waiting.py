"""Waiting for jobs by the tools, in front of the sandbox or of an upstream that a test writes."""

import asyncio

import pytest
from fastmcp import Client
from starlette.responses import JSONResponse
from structlog.testing import capture_logs

from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.tools import build_tools
from tests.tools.calls import (
    BOTH,
    JOB_ID,
    Json,
    Silent,
    Upstream,
    call,
    client_of,
    data,
    lines_of,
    refusal,
    text_of,
)

GET = f"GET /dream-machine/v1/generations/{JOB_ID}"
POST = "POST /dream-machine/v1/generations"
QUEUED: Json = {"id": JOB_ID, "state": "queued", "generation_type": "video"}
LINK = "https://cdn.example/a.mp4"
# As either API says it.
DONE: Json = {
    **QUEUED,
    "state": "completed",
    "assets": {"video": LINK},
    "output": [{"type": "video", "url": LINK}],
}
OF_AGENTS = f"agents:{JOB_ID}"
AGENTS_GET = f"GET /agents/v1/generations/{JOB_ID}"
AGENTS_POST = "POST /agents/v1/generations"
PICTURE = {"url": "https://example.com/a.jpg"}
# What each creating tool must be told, where it posts to, and how long it waits by itself.
CREATING = {
    "create_generation": ({"prompt": "A boat"}, f"{POST}/video", 0),
    "modify_video": (
        {"media_url": "https://example.com/a.mp4", "mode": "flex_1"},
        f"{POST}/video/modify",
        0,
    ),
    "reframe_video": (
        {"media_url": "https://example.com/a.mp4", "aspect_ratio": "1:1"},
        f"{POST}/video/reframe",
        0,
    ),
    "upscale_generation": (
        {"generation_id": JOB_ID, "resolution": "4k"},
        f"{POST}/{JOB_ID}/upscale",
        0,
    ),
    "add_audio": ({"generation_id": JOB_ID, "prompt": "Rain"}, f"{POST}/{JOB_ID}/audio", 0),
    "generate_image": ({"prompt": "A boat"}, f"{POST}/image", 45),
    "reframe_image": (
        {"media_url": "https://example.com/a.jpg", "aspect_ratio": "1:1"},
        f"{POST}/image/reframe",
        45,
    ),
    "edit_image": ({"prompt": "At night", "source": PICTURE}, AGENTS_POST, 45),
    "extract_layers": ({"source": PICTURE}, AGENTS_POST, 45),
}


def reading(tool: str) -> tuple[str, str]:
    """How a job of this tool is looked at, and its id as callers write it."""
    return (AGENTS_GET, OF_AGENTS) if CREATING[tool][1] == AGENTS_POST else (GET, JOB_ID)


def upstream_of(tool: str, seen: object) -> Upstream:
    """A Luma that creates the job of this tool and then shows it so."""
    return Upstream({CREATING[tool][1]: QUEUED, reading(tool)[0]: seen})  # ty: ignore[invalid-argument-type]


def handle(job_id: str) -> str:
    return (
        f"The job goes on at Luma: call wait_for_generation with generation_id {job_id} for its "
        "result; do not create it again."
    )


def test_every_creating_tool_is_known_here() -> None:
    tools = build_tools().values()
    creating = {tool.name for tool in tools if "max_cost_usd" in tool.parameters["properties"]}
    assert creating == set(CREATING)
    spending = {t.name for t in tools if not t.reads_only and not t.annotations.destructive_hint}
    assert spending == set(CREATING) | {"upload_file"}


@pytest.mark.parametrize("tool", CREATING)
async def test_a_creating_tool_stays_for_the_result_when_it_is_asked_to(tool: str) -> None:
    upstream = upstream_of(tool, DONE)
    async with client_of(upstream, BOTH) as client:
        result = await call(client, tool, **CREATING[tool][0], wait_seconds=10)
    assert result.structured_content is not None
    assert result.structured_content["state"] == "completed"
    assert result.structured_content["next_step"] is None
    assert "https://cdn.example/a.mp4" in text_of(result)
    assert upstream.asked == [CREATING[tool][1], reading(tool)[0]]


@pytest.mark.parametrize("tool", CREATING)
async def test_a_creating_tool_waits_by_itself_only_for_pictures(tool: str) -> None:
    arguments, post, seconds = CREATING[tool]
    get, job_id = reading(tool)
    upstream = upstream_of(tool, QUEUED)
    async with client_of(upstream, BOTH) as client:
        job = await data(client, tool, **arguments)
    assert (job["id"], job["state"], job["next_step"]) == (job_id, "queued", handle(job_id))
    assert upstream.asked[0] == post
    assert set(upstream.asked[1:]) == ({get} if seconds else set())
    assert build_tools()[tool].parameters["properties"]["wait_seconds"]["default"] == seconds


async def test_a_time_out_is_no_error_but_a_handle() -> None:
    async with client_of(Upstream({GET: QUEUED})) as client:
        result = await call(client, "wait_for_generation", generation_id=JOB_ID, timeout_seconds=3)
    assert not result.is_error
    assert lines_of(result) == [f"Video {JOB_ID}: queued", handle(JOB_ID)]


async def test_a_time_out_before_luma_has_answered_is_no_error_either() -> None:
    async with client_of(Upstream({GET: Silent(asyncio.Event())})) as client:
        result = await call(client, "wait_for_generation", generation_id=JOB_ID, timeout_seconds=3)
    assert not result.is_error
    assert lines_of(result) == [
        f"Generation {JOB_ID}: unknown",
        (
            "Luma has not said yet how the job stands: call wait_for_generation with "
            f"generation_id {JOB_ID} for its result; do not create it again."
        ),
    ]


async def test_a_finished_job_is_answered_with_one_look() -> None:
    upstream = Upstream({GET: DONE})
    async with client_of(upstream) as client:
        job = await data(client, "wait_for_generation", generation_id=JOB_ID.upper())
    assert job["is_final"]
    assert upstream.asked == [GET]


async def test_a_job_that_fails_while_it_is_waited_for_says_why_and_what_to_do(
    mcp_client: Client, clock: TurnedClock
) -> None:
    job = await data(mcp_client, "create_generation", prompt="A boat [sandbox:fail=frames]")
    clock.advance(60)
    result = await call(mcp_client, "wait_for_generation", generation_id=job["id"])
    assert not result.is_error
    reason, advice, money = lines_of(result)[2:]
    assert reason == "Reason: Failed to read user input frames"
    assert advice.startswith("Luma could not read an input picture or video: use a direct, ")
    assert money == "Luma gave the credits back."


async def test_a_job_that_the_key_does_not_see_is_one_error() -> None:
    async with client_of(Upstream()) as client:
        error = await refusal(client, "wait_for_generation", generation_id=JOB_ID)
    assert (error["code"], error["retryable"]) == ("not_found", False)


async def test_when_luma_never_answers_the_error_says_that_the_job_goes_on() -> None:
    upstream = Upstream({GET: JSONResponse({"detail": "Down"}, 503)})
    async with client_of(upstream) as client:
        error = await refusal(
            client, "wait_for_generation", generation_id=JOB_ID, timeout_seconds=20
        )
    assert (error["code"], error["retryable"]) == ("unavailable", True)
    assert error["generation_id"] == JOB_ID
    assert "do not create it anew" in error["advice"]
    assert len(upstream.asked) > 3  # the bad moment was ridden out as long as there was time


@pytest.mark.parametrize("status", [401, 403, 404, 422, 429, 500, 503])
async def test_trouble_while_waiting_never_hides_a_job_that_was_just_paid_for(status: int) -> None:
    upstream = upstream_of("generate_image", JSONResponse({"detail": "No"}, status))
    async with client_of(upstream) as client:
        job = await data(client, "generate_image", prompt="A boat")
    assert (job["id"], job["state"], job["next_step"]) == (JOB_ID, "queued", handle(JOB_ID))
    assert sum(line.startswith("POST") for line in upstream.asked) == 1


async def test_the_id_of_a_job_whose_caller_leaves_while_waiting_is_in_the_log() -> None:
    looked = asyncio.Event()
    upstream = upstream_of("create_generation", Silent(looked))
    with capture_logs() as logs:
        async with client_of(upstream) as client, asyncio.TaskGroup() as tasks:
            making = tasks.create_task(
                data(client, "create_generation", prompt="A boat", wait_seconds=600)
            )
            await looked.wait()
            making.cancel()
    left = [line for line in logs if line["event"] == "left"]
    assert [line["generation_id"] for line in left] == [JOB_ID]


@pytest.mark.parametrize(
    ("tool", "arguments", "text"),
    [
        ("wait_for_generation", {"generation_id": JOB_ID, "timeout_seconds": 0}, "at least 1"),
        ("wait_for_generation", {"generation_id": JOB_ID, "timeout_seconds": 601}, "at most 600"),
        ("wait_for_generation", {"generation_id": "../credits"}, "id of a generation"),
        ("create_generation", {"prompt": "A boat", "wait_seconds": -1}, "at least 0"),
        ("generate_image", {"prompt": "A boat", "wait_seconds": 601}, "at most 600"),
    ],
)
async def test_times_and_ids_are_checked_before_anything_is_sent(
    tool: str, arguments: Json, text: str
) -> None:
    upstream = Upstream()
    async with client_of(upstream) as client:
        error = await refusal(client, tool, **arguments)
    assert error["code"] == "invalid_request"
    assert text in error["message"]
    assert upstream.asked == []


@pytest.mark.parametrize("tool", ["generate_image", "edit_image"])
async def test_the_id_of_a_paid_job_is_not_lost_over_an_answer_about_another(tool: str) -> None:
    another = {**DONE, "id": JOB_ID.replace("1", "a")}
    async with client_of(upstream_of(tool, another), BOTH) as client:
        job = await data(client, tool, **CREATING[tool][0])
    assert (job["id"], job["state"]) == (reading(tool)[1], "queued")


async def test_the_error_of_a_job_that_cannot_be_seen_names_it_by_its_whole_id() -> None:
    upstream = Upstream({AGENTS_GET: JSONResponse({"detail": "Down"}, 503)})
    async with client_of(upstream, BOTH) as client:
        error = await refusal(
            client, "wait_for_generation", generation_id=OF_AGENTS, timeout_seconds=20
        )
    assert (error["code"], error["generation_id"]) == ("unavailable", OF_AGENTS)


async def test_progress_says_when_luma_has_not_answered_yet() -> None:
    told: list[str] = []

    async def hear(_progress: float, _total: float | None, message: str | None) -> None:
        told.append(message or "")

    upstream = Upstream({GET: JSONResponse({"detail": "Down"}, 503)})
    arguments = {"generation_id": JOB_ID, "timeout_seconds": 12}
    async with client_of(upstream) as client:
        await client.call_tool(
            "wait_for_generation", arguments, progress_handler=hear, raise_on_error=False
        )
    assert told
    assert all(message.startswith("No answer of Luma yet · ") for message in told)
