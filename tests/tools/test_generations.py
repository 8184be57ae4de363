"""The tools about generations, against the sandbox."""

from fastmcp import Client

from luma_mcp.sandbox.clock import TurnedClock


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
