"""When a second attempt saves the call, and how long it waits for that."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from luma_mcp.errors import LumaMcpError, NotFound, RateLimited, Unavailable
from luma_mcp.luma.dream_machine import DreamMachine
from luma_mcp.luma.dream_machine_models import CreateVideo
from luma_mcp.luma.sending import Sender
from luma_mcp.luma.transport import open_client
from tests.luma.upstream import Line, Scene, Upstream, answering, open_sender, playing
from tests.messages import MAY_EXIST
from tests.servers import bound_socket, url_of

ID = "5c0e1a3a-8f5e-4d1c-9a53-0d7f5b1e2a11"
BOAT = CreateVideo(model="ray-2", prompt="A paper boat")
CREDITS = {"credit_balance": 12.5}


@asynccontextmanager
async def meeting(
    *scenes: Scene, pauses: list[float] | None = None
) -> AsyncGenerator[tuple[DreamMachine, Upstream]]:
    async with playing(*scenes) as upstream, open_sender(upstream.url, pauses) as sender:
        yield DreamMachine(sender, "luma-key"), upstream


async def hang_up(line: Line) -> None:
    await line.hear()


@pytest.mark.parametrize("accident", [answering(408), answering(503), answering(504), hang_up])
async def test_a_get_outlives_two_accidents(accident: Scene) -> None:
    pauses: list[float] = []
    async with meeting(accident, accident, answering(200, CREDITS), pauses=pauses) as (luma, up):
        assert (await luma.get_credits()).credit_balance == 12.5
    assert len(up.seen) == 3
    assert pauses == [0.5, 1.0]


async def test_a_get_does_not_outlive_three_accidents() -> None:
    busy = answering(503)
    async with meeting(busy, busy, busy, answering(200, CREDITS)) as (luma, up):
        with pytest.raises(Unavailable):
            await luma.get_credits()
    assert len(up.seen) == 3


async def test_a_get_goes_out_no_more_often_than_its_caller_wants() -> None:
    pauses: list[float] = []
    async with meeting(answering(503), answering(200, {"id": ID}), pauses=pauses) as (luma, up):
        with pytest.raises(Unavailable):
            await luma.get_generation(ID, attempts=1)
    assert (len(up.seen), pauses) == (1, [])


async def test_a_post_refused_with_429_goes_out_again_no_sooner_than_luma_says() -> None:
    pauses: list[float] = []
    busy = answering(429, None, "Retry-After: 7")
    async with meeting(busy, answering(201, {"id": ID}), pauses=pauses) as (luma, up):
        assert (await luma.create_video(BOAT)).id == ID
    assert pauses == [7.0]
    assert len(up.seen) == 2
    assert up.seen[0].body == up.seen[1].body


async def test_a_post_whose_connection_was_refused_goes_out_once_the_door_opens() -> None:
    upstream = Upstream((answering(201, {"id": ID}),))
    with bound_socket() as door:
        async with AsyncExitStack() as doors, open_client(4, 30.0) as client:

            async def open_the_door(_seconds: float) -> None:
                server = await asyncio.start_server(upstream.converse, sock=door)
                await doors.enter_async_context(server)

            slots = asyncio.Semaphore()
            sender = Sender(client, slots, url_of(door), 30.0, sleep=open_the_door)
            assert (await DreamMachine(sender, "luma-key").create_video(BOAT)).id == ID
    assert len(upstream.seen) == 1


async def test_a_post_in_doubt_stays_in_doubt_after_a_429_before_it() -> None:
    async with meeting(answering(429), answering(503)) as (luma, up):
        with pytest.raises(Unavailable) as caught:
            await luma.create_video(BOAT)
    assert caught.value.advice == MAY_EXIST
    assert len(up.seen) == 2


@pytest.mark.parametrize("status", [429, 503])
async def test_a_retry_after_beyond_the_deadline_is_not_waited_for_but_told(status: int) -> None:
    pauses: list[float] = []
    busy = answering(status, None, "Retry-After: 31")
    async with meeting(busy, pauses=pauses) as (luma, up):
        with pytest.raises(LumaMcpError) as caught:
            await luma.get_credits()
    assert caught.value.retry_after_seconds == 31.0
    assert (len(up.seen), pauses) == (1, [])


@pytest.mark.parametrize("value", ["999999", "99999999999999999999", "9" * 400])
async def test_a_huge_retry_after_is_told_as_an_hour(value: str) -> None:
    async with meeting(answering(429, None, f"Retry-After: {value}")) as (luma, up):
        with pytest.raises(RateLimited) as caught:
            await luma.create_video(BOAT)
    assert caught.value.retry_after_seconds == 3600.0
    assert len(up.seen) == 1


@pytest.mark.parametrize("headers", [(), ("Retry-After: soon",), ("Retry-After: -5",)])
async def test_without_a_readable_retry_after_the_pauses_grow(headers: tuple[str, ...]) -> None:
    pauses: list[float] = []
    async with meeting(answering(429, None, *headers), pauses=pauses) as (luma, up):
        with pytest.raises(RateLimited) as caught:
            await luma.create_video(BOAT)
    assert caught.value.retry_after_seconds is None
    assert (len(up.seen), pauses) == (3, [0.5, 1.0])


async def test_a_retry_after_that_is_a_date_is_waited_for() -> None:
    pauses: list[float] = []
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    busy = answering(429, None, f"Retry-After: {moment}")
    async with meeting(busy, answering(201, {"id": ID}), pauses=pauses) as (luma, _):
        await luma.create_video(BOAT)
    assert len(pauses) == 1
    assert 10 < pauses[0] <= 20


async def test_a_retry_after_of_now_still_pauses() -> None:
    pauses: list[float] = []
    busy = answering(429, None, "Retry-After: 0")
    async with meeting(busy, answering(200, CREDITS), pauses=pauses) as (luma, _):
        await luma.get_credits()
    assert pauses == [0.5]


async def test_pauses_are_spread_by_default() -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with playing(answering(503)) as upstream, open_client(4, 30.0) as client:
        sender = Sender(client, asyncio.Semaphore(), upstream.url, 30.0, sleep=pause)
        with pytest.raises(Unavailable):
            await DreamMachine(sender, "luma-key").get_credits()
    first, second = pauses
    assert 0.375 <= first <= 0.5
    assert 0.75 <= second <= 1.0


@pytest.mark.parametrize("accident", [answering(503), answering(408), hang_up])
async def test_a_delete_that_finds_nothing_after_a_doubtful_attempt_has_worked(
    accident: Scene,
) -> None:
    async with meeting(accident, answering(404)) as (luma, up):
        await luma.delete_generation(ID)
    assert [seen.method for seen in up.seen] == ["DELETE", "DELETE"]


async def test_a_doubtful_delete_stays_doubtful_over_a_429() -> None:
    async with meeting(hang_up, answering(429), answering(404)) as (luma, up):
        await luma.delete_generation(ID)
    assert len(up.seen) == 3


@pytest.mark.parametrize("before", [(), (answering(429),)])
async def test_a_delete_that_found_nothing_from_the_start_is_not_found(
    before: tuple[Scene, ...],
) -> None:
    async with meeting(*before, answering(404)) as (luma, up):
        with pytest.raises(NotFound):
            await luma.delete_generation(ID)
    assert len(up.seen) == len(before) + 1


async def test_a_get_that_finds_nothing_after_a_doubtful_attempt_is_not_found() -> None:
    async with meeting(answering(503), answering(404)) as (luma, _):
        with pytest.raises(NotFound):
            await luma.get_generation(ID)
