"""What proves that Luma never saw a request, and what is no proof."""

import asyncio

import aiohttp
import httpx
import pytest

from luma_mcp.errors import Unavailable
from luma_mcp.luma.dream_machine import DreamMachine
from luma_mcp.luma.dream_machine_models import CreateVideo
from luma_mcp.luma.transport import BearerKey, never_reached_luma, open_client, read_answer
from tests.luma.upstream import Line, Scene, answer_of, answering, open_sender, playing
from tests.messages import MAY_EXIST
from tests.servers import bound_socket, url_of

ID = "5c0e1a3a-8f5e-4d1c-9a53-0d7f5b1e2a11"
BOAT = CreateVideo(model="ray-2", prompt="A paper boat")


async def failure_of_a_post_to(url: str) -> httpx.HTTPError | aiohttp.ClientError:
    async with open_client(4, 30.0) as client:
        request = client.build_request("POST", f"{url}/x", content=b"{}")
        with pytest.raises((httpx.HTTPError, aiohttp.ClientError)) as caught:
            await read_answer(client, request, BearerKey("luma-key"))
    return caught.value


async def reset_when_read(line: Line) -> None:
    await line.hear()
    line.reset()


async def reset_unread(line: Line) -> None:
    line.reset()


async def hang_up(line: Line) -> None:
    await line.hear()


async def hang_up_unread(line: Line) -> None:
    await line.reader.read(1)


async def talk_garbage(line: Line) -> None:
    await line.hear()
    await line.say(b"no HTTP\r\n\r\n")


async def test_a_refused_connection_never_reached_luma() -> None:
    with bound_socket() as nobody_listens:
        assert never_reached_luma(await failure_of_a_post_to(url_of(nobody_listens)))


async def test_a_name_that_is_not_found_never_reached_luma() -> None:
    assert never_reached_luma(await failure_of_a_post_to("http://luma.invalid"))


async def answer_without_tls(line: Line) -> None:
    await line.reader.read(1)
    await line.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize("scene", [reset_unread, hang_up_unread, answer_without_tls])
async def test_a_failed_tls_handshake_never_reached_luma(scene: Scene) -> None:
    async with playing(scene) as upstream:
        failure = await failure_of_a_post_to(upstream.url.replace("http://", "https://"))
    assert never_reached_luma(failure)


async def test_no_answer_to_a_connection_attempt_never_reached_luma() -> None:
    failure = httpx.ConnectTimeout("x")
    failure.__cause__ = aiohttp.ConnectionTimeoutError("x")
    assert never_reached_luma(failure)


@pytest.mark.parametrize("scene", [reset_when_read, hang_up])
async def test_a_lost_answer_is_no_proof_although_httpx_calls_it_a_connect_timeout(
    scene: Scene,
) -> None:
    async with playing(scene) as upstream:
        failure = await failure_of_a_post_to(upstream.url)
    assert type(failure) is httpx.ConnectTimeout
    assert not never_reached_luma(failure)
    assert len(upstream.seen) == 1


@pytest.mark.parametrize("scene", [reset_unread, talk_garbage])
async def test_other_accidents_on_an_open_connection_are_no_proof(scene: Scene) -> None:
    async with playing(scene) as upstream:
        assert not never_reached_luma(await failure_of_a_post_to(upstream.url))


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
@pytest.mark.parametrize("scene", [reset_when_read, reset_unread, hang_up])
async def test_the_client_itself_never_repeats_a_request(scene: Scene, method: str) -> None:
    async with playing(scene) as upstream, open_client(4, 30.0) as client:
        request = client.build_request(method, f"{upstream.url}/x")
        with pytest.raises(httpx.ConnectTimeout):
            await read_answer(client, request, BearerKey("luma-key"))
    assert upstream.connections == 1


async def test_a_post_after_the_server_closed_the_idle_connection_goes_out_once_on_a_new_one() -> (
    None
):
    closed = asyncio.Event()

    async def close_when_idle(line: Line) -> None:
        await line.hear()
        await line.say(answer_of(200, b"{}", "Connection: keep-alive"))
        line.writer.write_eof()
        await line.stall()
        closed.set()

    scenes = (close_when_idle, answering(201, {"id": ID}))
    async with playing(*scenes) as upstream, open_sender(upstream.url) as sender:
        luma = DreamMachine(sender, "luma-key")
        await luma.ping()
        await closed.wait()
        assert (await luma.create_video(BOAT)).id == ID
    assert [seen.method for seen in upstream.seen] == ["GET", "POST"]
    assert upstream.connections == 2


@pytest.mark.parametrize("ending", [reset_when_read, hang_up])
async def test_a_post_lost_on_a_kept_connection_is_in_doubt_and_not_repeated(
    ending: Scene,
) -> None:
    async def end_at_the_second_request(line: Line) -> None:
        await line.hear()
        await line.say(answer_of(200, b"{}", "Connection: keep-alive"))
        await ending(line)

    async with playing(end_at_the_second_request) as upstream, open_sender(upstream.url) as sender:
        luma = DreamMachine(sender, "luma-key")
        await luma.ping()
        with pytest.raises(Unavailable) as caught:
            await luma.create_video(BOAT)
    assert caught.value.advice == MAY_EXIST
    assert [seen.method for seen in upstream.seen] == ["GET", "POST"]
    assert upstream.connections == 1


async def test_a_delete_whose_answer_was_lost_on_a_kept_connection_has_worked() -> None:
    async def lose_the_second_answer(line: Line) -> None:
        await line.hear()
        await line.say(answer_of(200, b"{}", "Connection: keep-alive"))
        await line.hear()

    scenes = (lose_the_second_answer, answering(404))
    async with playing(*scenes) as upstream, open_sender(upstream.url) as sender:
        luma = DreamMachine(sender, "luma-key")
        await luma.ping()
        await luma.delete_generation(ID)
    assert [seen.method for seen in upstream.seen] == ["GET", "DELETE", "DELETE"]
