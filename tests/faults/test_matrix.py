"""Every tool against every fault: one clear error or the right recovery, and no second charge."""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping

import pytest
from fastmcp.client.client import CallToolResult

from luma_mcp.errors import LumaMcpError
from luma_mcp.luma.apis import APIS
from luma_mcp.tools import build_tools
from tests.faults.matrix import CALLS, ROWS, SOURCE, WAIT_SECONDS, Ask, Cell, Row
from tests.faults.scenes import AGENTS_PATH, FILE, UNREAD, WORDS, good
from tests.faults.stage import KEYS, Stage, staged
from tests.luma.upstream import Line, Scene
from tests.tools.calls import text_of

CODES = {kind.code for kind in LumaMcpError.__subclasses__()} - {"internal"}
INNER = re.compile(
    r"Traceback|aiohttp|httpx|pydantic|luma_mcp|127\.0\.0\.1|localhost|luma\.invalid|Error\b|0x\d"
)
# What good answers hold at least, by the tool, but for those that create a job.
ANSWERS: dict[str, Mapping[str, object]] = {
    "list_generations": {"count": 1},
    "delete_generation": {"id": SOURCE, "deleted": True},
    "get_credits": {"credit_balance_cents": 1250},
    "list_concepts": {"concepts": WORDS},
    "get_camera_motions": {"camera_motions": WORDS, "source": "camera_motion"},
    "estimate_cost": {"tool": "create_generation", "model": "ray-2"},
    "list_files": {"count": 1},
    "delete_file": {"id": SOURCE, "deleted": True},
}
STORED = {"size_bytes": FILE, "data": FILE, "file_id": {"id": SOURCE, "state": "ready"}}


def answer_to(ask: Ask) -> Mapping[str, object]:
    """What a good answer holds at least."""
    if ask.kind == "paid":
        return {"id": ask.subject, "state": "queued"}
    if ask.tool in {"get_generation", "wait_for_generation", "refresh_generation"}:
        return {"id": ask.arguments["generation_id"], "state": "completed"}
    if ask.tool == "ping":
        return {"apis": [ask.api.name], "message": "pong"}
    if ask.tool == "upload_file":
        return {"source": {"file_id": STORED[ask.how]["id"]}}
    return ANSWERS[ask.tool]


def check_words(result: CallToolResult) -> None:
    """An error says what happened and what to do, and nothing of what is inside."""
    assert result.structured_content is not None
    fields, text = result.structured_content, text_of(result)
    assert result.is_error
    assert fields["code"] in CODES
    assert fields["message"] in text
    assert fields["advice"] in text
    assert fields["request_id"] in text
    assert (fields["generation_id"] or "") in text
    assert not (fields["retryable"] and fields["advice"] in {api.may_exist for api in APIS})
    assert not [key for key in KEYS.values() if key in text]
    assert not INNER.search(text)


def cell_of(ask: Ask, result: CallToolResult, sent: int) -> Cell:
    """What became of a call."""
    data = result.structured_content
    assert data is not None
    if not result.is_error:
        assert data | answer_to(ask) == data
        return Cell(sent=sent)
    check_words(result)
    assert data["generation_id"] in {None, ask.subject}
    return Cell(
        data["code"],
        sent,
        may_exist=data["advice"] == ask.api.may_exist,
        has_id=data["generation_id"] is not None,
        retry_after=data["retry_after_seconds"],
    )


def expected(row: Row) -> dict[str, Cell]:
    return {name: row.cell(ask) for name, ask in CALLS.items()}


async def alone(stage: Stage, row: Row, ask: Ask) -> Cell:
    """Make a call that meets the fault, and count its requests."""
    stage.play(*row.scenes or (good,))
    if row.is_warm:
        await stage.call("ping")
    before = len(stage.upstream.seen)
    result = await stage.call(ask.name)
    return cell_of(ask, result, len(stage.upstream.seen) - before)


async def together(stage: Stage, row: Row) -> dict[str, Cell]:
    """Make all calls at the same time; which requests were whose shows only in their sum."""
    stage.play(*row.scenes)
    async with asyncio.TaskGroup() as group:
        calls = {name: group.create_task(stage.call(name)) for name in CALLS}
    sent = {name: cell.sent for name, cell in expected(row).items()}
    assert len(stage.upstream.seen) == sum(sent.values())
    assert set(Counter(paid_requests(stage)).values()) <= {1}
    return {name: cell_of(CALLS[name], call.result(), sent[name]) for name, call in calls.items()}


def paid_requests(stage: Stage, start: int = 0) -> list[tuple[str, bytes]]:
    """What was asked of Luma that costs."""
    return [
        (seen.target, seen.body)
        for seen in stage.upstream.seen[start:]
        if seen.method == "POST" and not seen.target.startswith(f"{AGENTS_PATH}/files")
    ]


async def check_created_jobs_outlive(stage: Stage, row: Row) -> None:
    """Waiting for a job that was just paid for is never an error, whatever waiting meets."""
    creating = ("generate_image", "generate_image uni-1")
    for names in [creating] if row.at_once else [(name,) for name in creating]:
        before = len(stage.upstream.seen)
        stage.play(*[good] * len(names), *row.scenes)
        async with asyncio.TaskGroup() as group:
            calls = {
                name: group.create_task(stage.call(name, wait_seconds=WAIT_SECONDS))
                for name in names
            }
        for name, call in calls.items():
            assert not call.result().is_error
            assert (call.result().structured_content or {})["id"] == CALLS[name].subject
        assert len(paid_requests(stage, before)) == len(names)


def all_at_luma(number: int, scene: Scene) -> Scene:
    """Hold back every answer until so many are asked for."""
    barrier = asyncio.Barrier(number)

    async def held(line: Line) -> None:
        await barrier.wait()
        await scene(line)

    return held


async def check_all_is_well(stage: Stage, scene: Scene, slots: int) -> None:
    """The upstream being well, everything works at once, and no slot is missing."""
    stage.play(all_at_luma(slots, scene))
    async with asyncio.TaskGroup() as group:
        for _ in range(slots):
            group.create_task(stage.call("get_credits"))
    stage.play(scene)
    for name in ("create_generation", "wait_for_generation", "upload_file data"):
        before = len(stage.upstream.seen)
        result = await stage.call(name)
        assert cell_of(CALLS[name], result, len(stage.upstream.seen) - before) == Cell()


async def check_nothing_is_left(stage: Stage) -> None:
    room = stage.services.waiting_room
    assert (room.waiters, room.jobs) == (0, 0)
    await stage.talks_end()


def check_keys(stage: Stage) -> None:
    """Each API heard of its own key alone."""
    for seen in stage.upstream.seen:
        api = "agents" if seen.target.startswith(AGENTS_PATH) else "dream_machine"
        expected = f"Bearer {KEYS[api]}"
        assert seen == UNREAD or dict(seen.headers)["authorization"] == expected


def test_the_matrix_has_every_tool() -> None:
    assert {ask.tool for ask in CALLS.values()} == set(build_tools())


async def perform(stage: Stage, row: Row) -> None:
    """Play a row: every tool, then what comes after."""
    stage.upstream.seen.clear()
    if row.at_once:
        outcomes = await together(stage, row)
    else:
        outcomes = {name: await alone(stage, row, ask) for name, ask in CALLS.items()}
    assert outcomes == expected(row)
    if row.waits_after_creation:
        await check_created_jobs_outlive(stage, row)
    if row.recovered is not None:
        if not row.scenes:
            await stage.open()
        await check_all_is_well(stage, row.recovered, row.slots)
    await check_nothing_is_left(stage)
    check_keys(stage)


@pytest.mark.parametrize("row", [row for row in ROWS if row.is_usual], ids=lambda row: row.fault)
async def test_a_fault_is_one_clear_error_or_overcome_and_then_all_is_well(
    usual_stage: Stage, row: Row
) -> None:
    await perform(usual_stage, row)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if not row.is_usual], ids=lambda row: row.fault
)
async def test_so_is_a_fault_that_needs_a_server_of_its_own(row: Row) -> None:
    async with staged(row) as stage:
        await perform(stage, row)
        await stage.can_stop()


SAMPLE = {"Reset after the request", "The answer is cut short", "429 with Retry-After 7", "401"}


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.fault in SAMPLE], ids=lambda row: row.fault
)
async def test_so_is_a_fault_for_clients_of_before_2026(row: Row) -> None:
    async with staged(row, "legacy") as stage:
        await perform(stage, row)
