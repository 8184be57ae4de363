"""The tools about generations, against the sandbox."""

import pytest
from fastmcp import Client

from luma_mcp.sandbox.clock import TurnedClock
from tests.tools.calls import (
    JOB_ID,
    Upstream,
    client_of,
    data,
    lines_of,
    links_of,
    refusal,
)

PAGE = "GET /dream-machine/v1/generations"


async def test_a_video_goes_from_queued_to_completed(
    mcp_client: Client, clock: TurnedClock
) -> None:
    created = await mcp_client.call_tool("create_generation", {"prompt": "A paper boat"})
    job = created.structured_content
    assert job is not None
    assert job["state"] == "queued"
    clock.advance(60)
    seen = await mcp_client.call_tool("get_generation", {"generation_id": job["id"]})
    assert seen.structured_content is not None
    assert seen.structured_content["state"] == "completed"
    assert seen.structured_content["assets"]["video"].endswith(".mp4")


FAILURES = {
    "moderation": ("moderated", "Advanced prompt moderation failed", "reword it"),
    "blacklist": ("moderated", "Contains blacklisted words", "reword it"),
    "frames": ("unreadable_input", "Failed to read user input frames", "direct, public https"),
    "frame-moderation": ("moderated", "Frame moderation failed", "use another one"),
    "prompt": ("luma_fault", "Prompt processing failed", "create it again"),
    "dispatch": ("luma_fault", "Error dispatching job", "create it again"),
    "job": ("luma_fault", "Job failed", "create it again"),
    "callback": ("callback_failed", "Error processing callback", "callback_url"),
    "image": ("unreadable_input", "400: failed to moderate image", "direct, public https"),
}


@pytest.mark.parametrize("word", FAILURES)
async def test_a_failed_job_says_why_and_what_to_do(
    mcp_client: Client, clock: TurnedClock, word: str
) -> None:
    job = await data(mcp_client, "create_generation", prompt=f"A boat [sandbox:fail={word}]")
    clock.advance(60)
    result = await mcp_client.call_tool("get_generation", {"generation_id": job["id"]})
    assert result.structured_content is not None
    seen = result.structured_content
    code, reason, advice = FAILURES[word]
    assert (seen["state"], seen["is_final"], seen["next_step"]) == ("failed", True, None)
    assert (seen["failure"]["code"], seen["failure"]["reason"]) == (code, reason)
    assert advice in seen["failure"]["advice"]
    assert seen["failure"]["refunded"] is True
    assert lines_of(result)[2:] == [
        f"Reason: {reason}",
        seen["failure"]["advice"],
        "Luma gave the credits back.",
    ]
    assert links_of(result) == []


async def test_a_failed_job_gives_its_credits_back(mcp_client: Client, clock: TurnedClock) -> None:
    before = await data(mcp_client, "get_credits")
    await data(mcp_client, "create_generation", prompt="A boat [sandbox:fail=job]")
    assert await data(mcp_client, "get_credits") != before
    clock.advance(60)
    assert await data(mcp_client, "get_credits") == before


async def test_an_id_with_blanks_around_it_is_taken(mcp_client: Client) -> None:
    job = await data(mcp_client, "create_generation", prompt="A boat")
    seen = await data(mcp_client, "get_generation", generation_id=f"  {job['id'].upper()}\n")
    assert seen["id"] == job["id"]


async def test_pages_follow_one_another_to_the_end(mcp_client: Client) -> None:
    for number in range(3):
        await data(mcp_client, "generate_image", prompt=f"Boat {number}")
    first = await mcp_client.call_tool("list_generations", {"limit": 2})
    assert first.structured_content is not None
    page = first.structured_content
    assert [job["prompt"] for job in page["generations"]] == ["Boat 2", "Boat 1"]
    del page["generations"]
    assert page == {"count": 2, "limit": 2, "offset": 0, "has_more": True, "next_offset": 2}
    assert lines_of(first)[-1] == "There are more: call again with offset 2."
    last = await data(mcp_client, "list_generations", limit=2, offset=2)
    assert [job["prompt"] for job in last.pop("generations")] == ["Boat 0"]
    assert last == {"count": 1, "limit": 2, "offset": 2, "has_more": False, "next_offset": None}


async def test_a_page_has_a_line_for_each_generation(
    mcp_client: Client, clock: TurnedClock
) -> None:
    made = await data(mcp_client, "generate_image", prompt="A boat")
    clock.advance(60)
    queued = await data(mcp_client, "generate_image", prompt="A kite")
    result = await mcp_client.call_tool("list_generations", {"limit": "10"})
    assert result.structured_content is not None
    url = result.structured_content["generations"][1]["assets"]["image"]
    assert lines_of(result) == [
        "2 generations, from number 1:",
        f'- {queued["id"]} · image · queued · "A kite"',
        f'- {made["id"]} · image · completed · "A boat" · {url}',
    ]


@pytest.mark.parametrize(
    ("offset", "line"), [(0, "No generations yet."), (50, "No generations on this page.")]
)
async def test_an_empty_page_says_so(mcp_client: Client, offset: int, line: str) -> None:
    result = await mcp_client.call_tool("list_generations", {"offset": offset})
    assert lines_of(result) == [line]


@pytest.mark.parametrize(("found", "next_offset"), [(2, 7), (1, None), (0, None)])
async def test_a_full_page_promises_another_where_luma_does_not_say(
    found: int, next_offset: int | None
) -> None:
    upstream = Upstream({PAGE: {"generations": [{"id": JOB_ID}] * found}})
    async with client_of(upstream) as client:
        page = await data(client, "list_generations", limit=2, offset=5)
    assert (page["has_more"], page["next_offset"]) == (next_offset is not None, next_offset)


async def test_an_empty_page_never_sends_the_caller_round_in_a_circle() -> None:
    async with client_of(Upstream({PAGE: {"generations": [], "has_more": True}})) as client:
        page = await data(client, "list_generations")
    assert page["next_offset"] is None


async def test_a_deleted_generation_is_gone(mcp_client: Client) -> None:
    job = await data(mcp_client, "create_generation", prompt="A boat")
    result = await mcp_client.call_tool("delete_generation", {"generation_id": job["id"]})
    assert lines_of(result) == [f"Generation {job['id']} is deleted."]
    assert result.structured_content == {"id": job["id"], "deleted": True}
    for tool in ("get_generation", "delete_generation"):
        error = await refusal(mcp_client, tool, generation_id=job["id"])
        assert error["code"] == "not_found"
