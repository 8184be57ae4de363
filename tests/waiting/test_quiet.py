"""The quiet that Luma asks for."""

from luma_mcp.errors import RateLimited
from luma_mcp.waiting import WaitingRoom
from tests.clocks import LookedAt, WaitingClock
from tests.waiting.room import NAME, leave, other_job, start


async def test_a_429_quiets_all_jobs_of_its_key_and_no_other(
    room: WaitingRoom, turned: WaitingClock
) -> None:
    limited, early, late, foreign = (LookedAt(turned) for _ in range(4))
    waiting = [
        start(room, early, name=other_job(1)),
        start(room, foreign, name=NAME._replace(key="other")),
    ]
    await turned.pass_by(2)
    limited.says = RateLimited("No.", retry_after_seconds=20)
    waiting.append(start(room, limited))
    await turned.pass_by(1)
    waiting.append(start(room, late, name=other_job(2)))
    await turned.pass_by(18.9)
    assert (limited.looks, early.looks, late.looks) == ([2], [0, 1], [])
    assert foreign.looks == [0, 1, 2.5, 4.75, 8.125, 13.125, 18.125]
    limited.says = "queued"
    await turned.pass_by(0.1)
    assert (limited.looks, early.looks, late.looks) == ([2, 22], [0, 1, 22], [22])
    await leave(*waiting)


async def test_a_429_that_names_no_time_quiets_all_jobs_of_its_key_for_its_pause(
    room: WaitingRoom, job: LookedAt, other: LookedAt, turned: WaitingClock
) -> None:
    job.says = RateLimited("No.")
    waiting = [start(room, job)]
    await turned.pass_by(3.5)
    assert job.looks == [0, 1, 3]
    waiting.append(start(room, other, name=other_job(1)))
    await turned.pass_by(3.4)
    assert other.looks == []
    job.says = "queued"
    await turned.pass_by(0.1)
    assert other.looks == [7]
    await leave(*waiting)
