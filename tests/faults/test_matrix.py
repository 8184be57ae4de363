"""Every tool against every fault: one clear error or the right recovery, and no second charge."""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest
from fastmcp.client.client import CallToolResult

from luma_mcp.errors import LumaMcpError
from luma_mcp.luma.sending import MAY_EXIST
from luma_mcp.tools import build_tools
from tests.conftest import KEY
from tests.faults.matrix import CALLS, PAID, ROWS, SOURCE, WAIT_SECONDS, Cell, Row
from tests.faults.scenes import JOB, MADE, WORDS, good
from tests.faults.stage import Stage, staged
from tests.luma.upstream import Line, Scene
from tests.tools.calls import text_of

CODES = {kind.code for kind in LumaMcpError.__subclasses__()} - {"internal"}
INNER = re.compile(
    r"Traceback|aiohttp|httpx|pydantic|luma_mcp|127\.0\.0\.1|localhost|luma\.invalid|Error\b|0x\d"
)
ANSWERS: dict[str, Mapping[str, object]] = {
    **dict.fromkeys(PAID, JOB),
    "get_generation": {"id": SOURCE, "state": "completed"},
    "wait_for_generation": {"id": SOURCE, "state": "completed"},
    "list_generations": {"count": 1},
    "delete_generation": {"id": SOURCE, "deleted": True},
    "get_credits": {"credit_balance_cents": 1250},
    "list_concepts": {"concepts": WORDS},
    "get_camera_motions": {"camera_motions": WORDS, "source": "camera_motion"},
    "ping": {"message": "pong"},
}


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
    assert not (fields["retryable"] and fields["advice"] == MAY_EXIST)
    assert KEY not in text
    assert not INNER.search(text)


def cell_of(tool: str, result: CallToolResult, sent: int) -> Cell:
    """What became of a call."""
    data = result.structured_content
    assert data is not None
    if not result.is_error:
        assert data | ANSWERS[tool] == data
        return Cell(sent=sent)
    check_words(result)
    named = {"wait_for_generation": SOURCE}.get(tool, MADE)
    assert data["generation_id"] in {None, named}
    return Cell(
        data["code"],
        sent,
        may_exist=data["advice"] == MAY_EXIST,
        has_id=data["generation_id"] is not None,
        retry_after=data["retry_after_seconds"],
    )


def expected(row: Row) -> dict[str, Cell]:
    return {tool: replace(row.cell(tool), sent=row.sent(tool)) for tool in CALLS}


async def alone(stage: Stage, row: Row, tool: str) -> Cell:
    """Make a call that meets the fault, and count its requests."""
    stage.play(*row.scenes or (good,))
    if row.is_warm:
        await stage.call("ping")
    before = len(stage.upstream.seen)
    result = await stage.call(tool)
    return cell_of(tool, result, len(stage.upstream.seen) - before)


async def together(stage: Stage, row: Row) -> dict[str, Cell]:
    """Make all calls at the same time; which requests were whose shows only in their sum."""
    stage.play(*row.scenes)
    async with asyncio.TaskGroup() as group:
        calls = {tool: group.create_task(stage.call(tool)) for tool in CALLS}
    assert len(stage.upstream.seen) == sum(row.sent(tool) for tool in CALLS)
    paid = Counter(seen.target for seen in stage.upstream.seen if seen.method == "POST")
    assert set(paid.values()) <= {1}
    return {tool: cell_of(tool, call.result(), row.sent(tool)) for tool, call in calls.items()}


async def check_a_created_job_outlives(stage: Stage, row: Row) -> None:
    """Waiting for a job that was just paid for is never an error, whatever waiting meets."""
    before = len(stage.upstream.seen)
    stage.play(good, *row.scenes)
    result = await stage.call("generate_image", wait_seconds=WAIT_SECONDS)
    assert not result.is_error
    assert result.structured_content is not None
    assert result.structured_content["id"] == MADE
    assert [seen.method for seen in stage.upstream.seen[before:]].count("POST") == 1


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
            group.create_task(stage.client.call_tool("get_credits"))
    stage.play(scene)
    for tool in ("create_generation", "wait_for_generation"):
        before = len(stage.upstream.seen)
        result = await stage.call(tool)
        assert cell_of(tool, result, len(stage.upstream.seen) - before) == Cell()


async def check_nothing_is_left(stage: Stage) -> None:
    room = stage.services.waiting_room
    assert (room.waiters, room.jobs) == (0, 0)
    await stage.talks_end()


def test_the_matrix_has_every_tool() -> None:
    assert set(CALLS) == set(build_tools())


async def perform(stage: Stage, row: Row) -> None:
    """Play a row: every tool, then what comes after."""
    stage.upstream.seen.clear()
    if row.at_once:
        outcomes = await together(stage, row)
    else:
        outcomes = {tool: await alone(stage, row, tool) for tool in CALLS}
    assert outcomes == expected(row)
    if row.waits_after_creation:
        await check_a_created_job_outlives(stage, row)
    if row.recovered is not None:
        if not row.scenes:
            await stage.open()
        await check_all_is_well(stage, row.recovered, row.slots)
    await check_nothing_is_left(stage)
    authorized = {dict(seen.headers).get("authorization") for seen in stage.upstream.seen}
    assert authorized <= {f"Bearer {KEY}", None}


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
