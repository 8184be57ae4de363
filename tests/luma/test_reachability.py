"""Whether Luma can be reached, asked seldom and without anybody's key."""

import asyncio

import pytest

from luma_mcp.luma.reachability import PATIENCE_SECONDS, Reachability
from luma_mcp.luma.transport import open_client
from tests.luma.upstream import Line, Scene, answering, playing
from tests.servers import bound_socket, url_of


async def talk_garbage(line: Line) -> None:
    await line.hear()
    await line.say(b"220 mail.example.org ESMTP\r\n\r\n")


async def stall(line: Line) -> None:
    await line.stall()


async def hang_up(line: Line) -> None:
    await line.hear()


@pytest.mark.parametrize("status", [200, 307, 401, 404, 500, 503])
async def test_any_answer_shows_that_luma_can_be_reached(status: int) -> None:
    async with playing(answering(status, {})) as upstream, open_client(4, 30.0) as client:
        assert await Reachability(client, f"{upstream.url}/v1/ping").check()
    (seen,) = upstream.seen
    assert (seen.method, seen.target) == ("GET", "/v1/ping")
    assert not {"authorization", "cookie"} & {name for name, _ in seen.headers}


@pytest.mark.parametrize("scene", [talk_garbage, hang_up])
async def test_what_is_no_answer_shows_that_luma_cannot_be_reached(scene: Scene) -> None:
    async with playing(scene) as upstream, open_client(4, 30.0) as client:
        assert not await Reachability(client, upstream.url).check()


async def test_a_refused_connection_shows_that_luma_cannot_be_reached() -> None:
    with bound_socket() as nobody_listens:
        async with open_client(4, 30.0) as client:
            assert not await Reachability(client, url_of(nobody_listens)).check()


async def test_many_who_ask_at_once_make_one_request() -> None:
    async with playing(answering(200, {})) as upstream, open_client(4, 30.0) as client:
        asked = Reachability(client, upstream.url)
        async with asyncio.TaskGroup() as group:
            answers = [group.create_task(asked.check()) for _ in range(20)]
    assert {answer.result() for answer in answers} == {True}
    assert upstream.connections == 1


async def test_luma_is_asked_anew_once_the_answer_is_stale() -> None:
    async with playing(answering(200, {}), hang_up) as upstream, open_client(4, 30.0) as client:
        asked = Reachability(client, upstream.url, fresh_seconds=0.0)
        assert [await asked.check(), await asked.check()] == [True, False]
    assert upstream.connections == 2


async def test_it_is_enough_that_one_of_the_apis_can_be_reached() -> None:
    async with (
        playing(hang_up) as mute,
        playing(answering(401)) as well,
        open_client(4, 30.0) as it,
    ):
        assert await Reachability(it, f"{mute.url}/ping", f"{well.url}/files").check()
        assert not await Reachability(it, mute.url, mute.url).check()
    (seen,) = well.seen
    assert seen.target == "/files"


async def test_an_api_that_keeps_silent_does_not_hold_up_the_other() -> None:
    async with playing(stall) as mute, playing(answering(401)) as well, open_client(4, 30.0) as it:
        async with asyncio.timeout(PATIENCE_SECONDS - 1):
            assert await Reachability(it, mute.url, well.url).check()
