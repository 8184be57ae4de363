"""The shared client: it keeps nothing of one caller that another's request could carry."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable, Iterator

import aiohttp
import httpx
import pytest
from httpx_aiohttp import AiohttpTransport
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from luma_mcp.errors import BadResponse
from luma_mcp.luma.dream_machine import DreamMachine
from luma_mcp.luma.dream_machine_models import CreateVideo
from luma_mcp.luma.sending import Sender
from luma_mcp.luma.transport import open_client
from tests.luma.upstream import Line, Seen, answer_of, answering, open_sender, playing
from tests.servers import serving

PONG = {"message": "pong"}
JOB_ID = "0b9f0a52-2f0e-4a43-8b43-4a8b9a3f0c01"
VIDEO = CreateVideo(model="ray-2", prompt="A paper boat")


def header(seen: Seen, name: str) -> str | None:
    return dict(seen.headers).get(name)


async def test_a_cookie_of_one_answer_goes_out_with_nobodys_next_request() -> None:
    cookie = "Set-Cookie: session=of-a; Path=/; Max-Age=3600"
    async with playing(answering(200, PONG, cookie)) as upstream, open_sender(upstream.url) as sent:
        await DreamMachine(sent, "key-of-a").ping()
        await DreamMachine(sent, "key-of-b").ping()
        await DreamMachine(sent, "key-of-a").ping()
    assert [header(seen, "authorization") for seen in upstream.seen] == [
        "Bearer key-of-a",
        "Bearer key-of-b",
        "Bearer key-of-a",
    ]
    assert [header(seen, "cookie") for seen in upstream.seen] == [None, None, None]


async def test_a_cookie_is_not_kept_on_the_same_connection_either() -> None:
    async def twice(line: Line) -> None:
        for _ in range(2):
            await line.hear()
            await line.say(answer_of(200, b"{}", "Set-Cookie: session=of-a"))

    async with playing(twice) as upstream, open_sender(upstream.url) as sender:
        await DreamMachine(sender, "key-of-a").ping()
        await DreamMachine(sender, "key-of-b").ping()
    assert upstream.connections == 1
    assert [header(seen, "cookie") for seen in upstream.seen] == [None, None]


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
async def test_a_proxy_in_the_environment_is_ignored(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for silencer in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(silencer, raising=False)
    async with playing(answering(200, {"message": "proxied"})) as proxy:
        monkeypatch.setenv(name, proxy.url)
        async with playing(answering(200, PONG)) as luma, open_sender(luma.url) as sender:
            assert (await DreamMachine(sender, "luma-key").ping()).message == "pong"
    assert (luma.connections, proxy.connections) == (1, 0)


async def test_the_key_stands_in_the_authorization_header_and_nowhere_else() -> None:
    async with playing(answering(200, PONG)) as upstream, open_sender(upstream.url) as sender:
        await DreamMachine(sender, "luma-very-secret").ping()
    (seen,) = upstream.seen
    holders = [name for name, value in seen.headers if "luma-very-secret" in value]
    assert holders == ["authorization"]
    assert "luma-very-secret" not in seen.target
    assert seen.body == b""


async def test_the_shared_client_holds_no_key_after_a_request() -> None:
    async with playing(answering(200, PONG)) as upstream, open_client(4, 5.0) as client:
        sender = Sender(client, asyncio.Semaphore(), upstream.url, 5.0)
        await DreamMachine(sender, "luma-very-secret").ping()
        assert client.auth is None
        assert "authorization" not in client.headers
        await client.get(f"{upstream.url}/ping")
    assert header(upstream.seen[1], "authorization") is None


async def echo_the_key(request: Request) -> JSONResponse:
    await asyncio.sleep(0)
    return JSONResponse(
        {"message": request.headers["authorization"] + request.headers.get("cookie", "")},
        headers={"Set-Cookie": f"key={request.headers['authorization'][-4:]}"},
    )


async def test_interleaved_callers_each_get_the_answer_to_their_own_key() -> None:
    heard: dict[str, list[str | None]] = {}

    async def call(sender: Sender, key: str) -> None:
        heard[key] = [(await DreamMachine(sender, key).ping()).message for _ in range(3)]

    async with (
        serving(Starlette(routes=[Route("/ping", echo_the_key)])) as url,
        open_sender(url) as sender,
        asyncio.TaskGroup() as group,
    ):
        for number in range(24):
            group.create_task(call(sender, f"luma-key-{number:04}"))
    assert heard == {
        f"luma-key-{number:04}": [f"Bearer luma-key-{number:04}"] * 3 for number in range(24)
    }


async def test_packed_answers_are_not_asked_for() -> None:
    async with playing(answering(200, PONG)) as upstream, open_sender(upstream.url) as sender:
        await DreamMachine(sender, "luma-key").ping()
    assert header(upstream.seen[0], "accept-encoding") == "identity"


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZip", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
    ],
)
async def test_a_packed_answer_that_nobody_asked_for_is_read_all_the_same(
    coding: str, pack: Callable[[bytes], bytes]
) -> None:
    packed = answering(200, pack(b'{"message": "pong"}'), f"Content-Encoding: {coding}")
    async with playing(packed) as upstream, open_sender(upstream.url) as sender:
        assert (await DreamMachine(sender, "luma-key").ping()).message == "pong"


async def test_connections_are_bounded_kept_and_made_as_promised() -> None:
    async with playing(answering(200, PONG)) as upstream, open_client(40, 30.0) as client:
        await client.get(f"{upstream.url}/ping")
        transport = client._transport  # noqa: SLF001 - the real one, as opened
        assert isinstance(transport, AiohttpTransport)
        session = transport.client
        assert isinstance(session, aiohttp.ClientSession)
        assert isinstance(session.connector, aiohttp.TCPConnector)
        kept = session.connector._keepalive_timeout  # noqa: SLF001 - it has no public name
        assert kept == 15.0
        assert session.connector.limit > 40
        assert session.connector.limit_per_host == 0
        assert (client.timeout.connect, client.timeout.read) == (5.0, 30.0)


def bomb() -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    for _ in range(200):
        yield packer.compress(bytes(1_000_000))
    yield packer.flush()


@pytest.mark.parametrize("coding", ["gzip", "utf-8", "br", "gzip, gzip"])
async def test_the_id_of_a_paid_job_is_seen_however_its_answer_says_it_is_packed(
    coding: str,
) -> None:
    job = answering(201, {"id": JOB_ID, "state": "queued"}, f"Content-Encoding: {coding}")
    async with playing(job) as upstream, open_sender(upstream.url) as sender:
        with pytest.raises(BadResponse, match="unknown way") as caught:
            await DreamMachine(sender, "luma-key").create_video(VIDEO)
    assert caught.value.generation_id == JOB_ID


async def test_each_request_has_its_own_headers_and_the_clients_time_outs() -> None:
    seen: list[httpx.Request] = []

    def note(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        body = json.dumps({"id": JOB_ID}).encode()
        return httpx.Response(201, stream=httpx.ByteStream(body))

    timeout = httpx.Timeout(30, connect=5)
    async with httpx.AsyncClient(transport=httpx.MockTransport(note), timeout=timeout) as client:
        sender = Sender(client, asyncio.Semaphore(1), "http://luma", 30)
        await DreamMachine(sender, "luma-key").create_video(VIDEO)
        await DreamMachine(sender, "luma-key").get_generation(JOB_ID)
    assert [request.headers.get("content-type") for request in seen] == ["application/json", None]
    assert [request.extensions["timeout"]["connect"] for request in seen] == [5, 5]


@pytest.mark.parametrize("body", [b"not gzip at all", b"".join(bomb())], ids=["garbage", "bomb"])
async def test_a_packed_answer_that_cannot_be_unpacked_is_a_bad_response(body: bytes) -> None:
    packed = answering(200, body, "Content-Encoding: gzip")
    async with playing(packed) as upstream, open_sender(upstream.url) as sender:
        with pytest.raises(BadResponse, match="cannot be read"):
            await DreamMachine(sender, "luma-key").ping()
