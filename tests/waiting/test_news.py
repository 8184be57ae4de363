"""Who waits for news leaves with them; who waits for the end stays."""

from luma_mcp.luma.jobs import Job
from luma_mcp.waiting import WaitingRoom
from tests.clocks import LookedAt, WaitingClock, settle
from tests.waiting.room import at_once, leave, start


def is_dreaming(job: Job) -> bool:
    return job.state == "dreaming"


async def test_news_send_home_who_waits_for_them_and_nobody_else(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    curious, patient = start(room, job, is_news=is_dreaming), start(room, job)
    await turned.pass_by(2)
    assert not curious.done()
    job.says = "dreaming"
    await turned.pass_by(0.5)
    assert curious.result().state == "dreaming"
    assert not patient.done()
    job.says = "completed"
    await turned.pass_by(5)
    assert patient.result().state == "completed"


async def test_news_that_the_watch_has_already_are_given_at_once(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    job.says = "dreaming"
    patient = start(room, job)
    await turned.pass_by(0.5)
    curious = start(room, job, is_news=is_dreaming)
    assert (await at_once(curious)).state == "dreaming"
    assert job.looks == [0]
    await leave(patient)


async def test_without_news_the_time_out_gives_the_state(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    curious = start(room, job, 10, is_news=is_dreaming)
    await turned.pass_by(10)
    assert curious.result().state == "queued"


async def test_the_end_is_news_for_everybody(
    room: WaitingRoom, job: LookedAt, turned: WaitingClock
) -> None:
    curious = start(room, job, is_news=is_dreaming)
    await settle()
    job.says = "failed"
    await turned.pass_by(1)
    assert curious.result().state == "failed"
