"""The server and the sandbox as two processes, and the line to try that the welcome prints."""

import json
import re
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from tests.e2e.processes import UNTRACED, fetch, serving_process
from tests.e2e.requirements import need_program
from tests.e2e.test_first_light import call, connect
from tests.e2e.test_readme import run
from tests.sandbox.clips import decode

FAST = {"LUMA_MCP_SANDBOX_QUEUED_SECONDS": "0", "LUMA_MCP_SANDBOX_DREAMING_SECONDS": "0"}
TRY = re.compile(r"^ *Try +(curl .*?)\n +Page ", re.DOTALL | re.MULTILINE)


@pytest.fixture
async def endpoint() -> AsyncIterator[str]:
    """`luma-mcp` in front of a `luma-mcp sandbox` that is done at once."""
    program = ("-m", "luma_mcp")
    async with serving_process("sandbox", program=program, **FAST, **UNTRACED) as sandbox:
        luma = {"LUMA_MCP_DREAM_MACHINE_URL": f"{sandbox.url}/dream-machine/v1", **UNTRACED}
        async with serving_process(program=program, **luma) as server:
            assert server.url != sandbox.url
            yield f"{server.url}/mcp"


async def test_two_users_each_get_the_video_that_they_asked_for(endpoint: str) -> None:
    orders = {
        "luma-ada": ("A paper boat on a quiet lake", "9:16", "5s"),
        "luma-bob": ("A red kite over the dunes", "21:9", "9s"),
    }
    made = {}
    for key, (prompt, ratio, duration) in orders.items():
        async with connect(endpoint, key) as user:
            job = await call(
                user, "create_generation", prompt=prompt, aspect_ratio=ratio, duration=duration
            )
            job = await call(user, "get_generation", generation_id=job["id"])
        assert job["state"] == "completed"
        made[key] = job["id"]
        answer = await fetch(job["assets"]["video"])
        assert answer.headers["content-type"] == "video/mp4"
        clip = decode(answer.content)
        width, height = map(int, ratio.split(":"))
        assert clip.size[0] * height == clip.size[1] * width
        seconds = int(duration.removesuffix("s"))
        assert len(clip.frames) == 24 * seconds
        assert clip.seconds == pytest.approx(seconds, abs=0.05)
    for key, own in made.items():
        (others,) = set(made.values()) - {own}
        async with connect(endpoint, key) as user:
            listed = (await call(user, "list_generations"))["generations"]
            hidden = await call(user, "get_generation", generation_id=others)
        assert [job["id"] for job in listed] == [own]
        assert hidden["code"] == "not_found"


async def test_the_line_to_try_of_the_welcome_makes_a_video() -> None:
    need_program("curl")
    async with serving_process("--sandbox", **UNTRACED) as running:
        await running.wrote("  Page ")
        found = TRY.search("".join(running.log))
        assert found
        out = await run("bash", "-c", found[1])
        async with connect(f"{running.url}/mcp", "luma-sandbox") as user:
            listed = (await call(user, "list_generations"))["generations"]
    answer = json.loads(out.split("data: ", 1)[-1])
    made = answer["result"]["structuredContent"]["id"]
    assert str(UUID(made)) == made
    assert [job["id"] for job in listed] == [made]
