"""The load that is put on the hosted set-up by hand runs, and notices what goes wrong."""

import json

import aiohttp
import pytest

from tests.bench.processes import many_open_files
from tests.e2e.requirements import need_program
from tests.engines import PROGRAM
from tests.load.__main__ import growth_of, report
from tests.load.agents import Agent, Refused, Tally
from tests.servers import serving


def test_agents_make_their_videos_and_all_is_well() -> None:
    need_program("caddy")
    need_program(PROGRAM)
    with many_open_files():
        lines, _ = report(8, 5, longest_pause_seconds=0.5, dreaming_seconds=0)
    (made,) = (line for line in lines if line.startswith("create_generation"))
    assert int(made.split()[1]) > 8
    assert {"limited: none", "failed: none", "mixed: none"} <= set(lines)


def test_memory_that_goes_on_growing_is_noticed() -> None:
    assert growth_of([50, 100, 100, 100, 101, 100]) == pytest.approx(1, abs=0.02)
    assert growth_of([50, 60, 100, 100, 130, 130]) == 1.3


@pytest.mark.parametrize(
    ("answer", "failed", "mixed"),
    [
        ({"isError": True, "structuredContent": {"code": "internal", "message": "No."}}, 1, 0),
        ({"structuredContent": {}, "content": "A boat for somebody-else."}, 0, 1),
        ({"structuredContent": {}, "content": "A boat for agent."}, 0, 0),
    ],
)
async def test_what_is_wrong_with_an_answer_is_counted(
    answer: dict[str, object], failed: int, mixed: int
) -> None:
    async def app(_scope: object, _receive: object, send: object) -> None:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": answer}).encode()
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": body})

    tally = Tally()
    async with serving(app, lifespan="off") as url, aiohttp.ClientSession() as session:
        agent = Agent("agent", session, url, tally)
        if failed:
            with pytest.raises(Refused):
                await agent.call("ping")
        else:
            await agent.call("ping")
    assert (tally.failed.total(), len(tally.mixed)) == (failed, mixed)
