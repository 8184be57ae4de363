"""Fetching what Luma made: from nowhere else, and never more than was asked for."""

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp.abc import AbstractResolver
from hypothesis import example, given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from luma_mcp.origins import place_of
from luma_mcp.previews import media as module
from luma_mcp.previews.media import Busy, Media, MediaHosts, Unreachable, is_public
from tests.faults import certificates
from tests.luma.upstream import Line, Scene, Upstream, answer_of, answering, playing
from tests.previews.conftest import Names, Turn, until

LUMA = "https://*.cdn-luma.com"
FILE = "https://storage.cdn-luma.com/dream_machine/1/video.mp4"
PUBLIC = "93.184.215.14"
KILO, MEGA = 1024, 1024 * 1024


def media_for(
    *origins: str, seconds: float = 30.0, resolver: AbstractResolver | None = None
) -> Media:
    return Media(MediaHosts(origins), seconds=seconds, resolver=resolver)


async def fetched(*scenes: Scene, partial: bool = False, max_bytes: int = KILO) -> bytes:
    async with playing(*scenes) as host, media_for(host.url) as media:
        return await media.fetch(f"{host.url}/a", max_bytes=max_bytes, partial=partial)


async def refusal(*scenes: Scene, partial: bool = False) -> str:
    with pytest.raises(Unreachable) as caught:
        await fetched(*scenes, partial=partial)
    return str(caught.value)


async def failing(media: Media, url: str) -> str:
    with pytest.raises(Unreachable) as caught:
        await media.fetch(f"{url}/a", max_bytes=KILO)
    return str(caught.value)


# --- Which URLs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        FILE,
        "HTTPS://Storage.CDN-Luma.com:443/A",
        "https://a.b.cdn-luma.com",
        "https://a.cdn-luma.com?X-Amz-Signature=a%2Fb&c=(d)",
        "https://media.example.com/a.jpg",
        "https://host:8443/a",
        "http://127.0.0.1:8000/a",
        "http://[::1]:8000/a",
    ],
)
def test_what_is_below_an_allowed_name_or_at_an_allowed_origin_may_be_asked(url: str) -> None:
    hosts = MediaHosts(
        [
            LUMA,
            "https://Media.example.com/",
            "https://host:8443",
            "http://127.0.0.1:8000",
            "http://[::1]:8000",
        ]
    )
    assert hosts.allows(url)


HOSTILE = [
    "https://cdn-luma.com/",
    "https://evilcdn-luma.com/",
    "https://cdn-luma.com.evil.com/",
    "https://storage.cdn-luma.com.evil.com/",
    "https://storage.cdn-luma.com@evil.com/",
    "https://storage.cdn-luma.com:443@evil.com/",
    "https://me@storage.cdn-luma.com/",
    "https://me:pw@storage.cdn-luma.com/",
    "https://@storage.cdn-luma.com/",
    "https://evil.com#.cdn-luma.com/",
    "https://evil.com?.cdn-luma.com/",
    "https://evil.com/.cdn-luma.com/",
    "https://evil.com\\.cdn-luma.com/",
    "https:\\\\storage.cdn-luma.com\\a",
    "https:/storage.cdn-luma.com/a",
    "https:storage.cdn-luma.com/a",
    "//storage.cdn-luma.com/a",
    "https:///storage.cdn-luma.com/a",
    "https://storage.cdn-luma.com\\@evil.com/",
    "https://storage.cdn-luma.com/a\\b",
    "https://storage.cdn-luma.com/a#b",
    "https://storage.cdn-luma.com/a b",
    "https://storage.cdn-luma.com/a\n",
    " https://storage.cdn-luma.com/a",
    "https://storage.cdn-luma.com/a\r\nHost: evil.com",
    "https://storage.cdn-luma.com\t/a",
    "https://storage.cdn-luma.com./a",
    "https://storage..cdn-luma.com/a",
    "https://.cdn-luma.com/a",
    "https://-a.cdn-luma.com/a",
    "https://a-.cdn-luma.com/a",
    "https://a_b.cdn-luma.com/a",
    "https://*.cdn-luma.com/a",
    "https://%73torage.cdn-luma.com/a",
    "https://stor\u00e4ge.cdn-luma.com/a",
    "https://storage.cdn\uff0eluma.com/a",
    "https://storage\u3002cdn-luma.com/a",
    "https://storage.cdn-\u212auma.com/a",
    f"https://{'a' * 64}.cdn-luma.com/a",
    f"https://{'a.' * 130}cdn-luma.com/a",
    f"https://storage.cdn-luma.com/{'a' * 4_096}",
    "https://storage.cdn-luma.com:80/a",
    "https://storage.cdn-luma.com:8443/a",
    "https://storage.cdn-luma.com:/a",
    "https://storage.cdn-luma.com:443443/a",
    "https://storage.cdn-luma.com:+443/a",
    "http://storage.cdn-luma.com/a",
    "http://storage.cdn-luma.com:443/a",
    "ftp://storage.cdn-luma.com/a",
    "file:///etc/passwd",
    "data:image/png;base64,AAAA",
    "storage.cdn-luma.com/a",
    "",
    "https://",
    "https://127.0.0.1/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::1%25lo]/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://0/",
    "https://169.254.169.254/latest/meta-data/",
    "https://localhost/",
    "https://127.0.0.1:8000/",
    "http://127.0.0.1/",
    "http://127.0.0.1:8001/",
    "http://127.0.0.2:8000/",
    "http://localhost:8000/",
    "http://127.1:8000/",
    "http://2130706433:8000/",
    "http://[::1]:8000/",
    "http://[::ffff:127.0.0.1]:8000/",
]


@pytest.mark.parametrize("url", HOSTILE)
async def test_nothing_else_is_asked_however_it_is_written(url: str, reached: list[str]) -> None:
    names = Names([PUBLIC])
    media = media_for(LUMA, "http://127.0.0.1:8000", resolver=names)
    with pytest.raises(Unreachable, match="may not be asked"):
        await media.fetch(url, max_bytes=KILO)
    assert names.asked == reached == []


PIECES = st.sampled_from(
    [*"/\\@:.?#[]% \n\t*-0a", "https:", "//", "cdn-luma.com", ".cdn-luma.com", "127.0.0.1", ":443"]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=12).map("".join)))
@example("https://a.cdn-luma.com/a")
def test_a_url_that_is_allowed_has_that_host_for_every_parser(url: str) -> None:
    place = place_of(url)
    if MediaHosts([LUMA]).allows(url):
        assert place is not None
        assert place.host.endswith(".cdn-luma.com")
        assert url.lower().startswith((f"https://{place.host}/", f"https://{place.host}:443")) or (
            url.lower().partition("?")[0] == f"https://{place.host}"
        )


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "*",
        "cdn-luma.com",
        "https://",
        "https://*",
        "https://*.com",
        "https://*.0.0.1",
        "https://*.127.1",
        "https://a.*.cdn-luma.com",
        "https://*cdn-luma.com",
        "http://*.cdn-luma.com",
        "https://cdn-luma.com/path",
        "https://me@cdn-luma.com",
        "https://cdn-luma.com.",
        "ftp://cdn-luma.com",
    ],
)
def test_an_origin_that_is_none_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(ValueError, match="https"):
        MediaHosts([origin])


# --- Which addresses ----------------------------------------------------------------------------


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_an_address_of_the_public_internet_is_public(address: str) -> None:
    assert is_public(address)


NOT_PUBLIC = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104 - nobody binds it here
    "255.255.255.255",
    "240.0.0.1",
    "224.0.0.251",
    "192.0.2.1",
    "198.18.0.1",
    "::",
    "::1",
    "::127.0.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
    "100::1",
    "::ffff:127.0.0.1",
    f"::ffff:{PUBLIC}",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::101:101",
    "2002:7f00:1::1",
    "2002:5db8:d70e::1",
    "2001:0:5db8:d70e::1",
    "2606:4700::5efe:7f00:1",
    "2606:4700::200:5efe:7f00:1",
    "storage.cdn-luma.com",
    "",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_other_address_is_public_whatever_its_form(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "::1", "::ffff:127.0.0.1", "x"])
async def test_a_name_that_leads_to_no_public_address_is_not_asked(
    address: str, reached: list[str]
) -> None:
    names = Names([address])
    async with media_for(LUMA, resolver=names) as media:
        await failing(media, FILE)
    assert names.asked == ["storage.cdn-luma.com"]
    assert reached == []


async def test_of_several_addresses_only_the_public_are_asked(reached: list[str]) -> None:
    names = Names(["127.0.0.1", PUBLIC, "::1", "10.0.0.1", "2606:4700::1111"])
    async with media_for(LUMA, resolver=names) as media:
        await failing(media, FILE)
    assert set(reached) == {PUBLIC, "2606:4700::1111"}


async def test_a_name_that_changes_its_mind_gains_nothing(reached: list[str]) -> None:
    names = Names([PUBLIC], ["127.0.0.1"])
    async with media_for(LUMA, resolver=names) as media:
        for _ in range(3):
            await failing(media, FILE)
    assert reached == [PUBLIC]  # what was checked is what is connected to
    assert len(names.asked) == 3  # and each connection is checked anew


async def test_the_operators_own_host_may_have_any_address() -> None:
    async with playing(answering(200, b"picture")) as host:
        own = host.url.replace("127.0.0.1", "media.internal")
        async with media_for(own, resolver=Names(["127.0.0.1"])) as media:
            assert await media.fetch(f"{own}/a", max_bytes=KILO) == b"picture"


# --- TLS ----------------------------------------------------------------------------------------


@asynccontextmanager
async def playing_tls(context: ssl.SSLContext, *scenes: Scene) -> AsyncIterator[Upstream]:
    """A host that is called localhost for the certificate's sake, at any address."""
    host = Upstream(scenes)
    async with await asyncio.start_server(host.converse, "127.0.0.1", 0, ssl=context) as server:
        host.url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        yield host
        if host.talks:
            await asyncio.wait(host.talks)


async def test_over_https_the_host_must_prove_its_name() -> None:
    names = Names(["127.0.0.1"])
    scene = answering(200, b"picture")
    async with (
        playing_tls(certificates.good(), scene) as host,
        media_for(host.url, resolver=names) as media,
    ):
        assert await media.fetch(f"{host.url}/a", max_bytes=KILO) == b"picture"
    for context in (certificates.of_nobody(), certificates.of_another_host()):
        async with (
            playing_tls(context, scene) as host,
            media_for(host.url, resolver=names) as media,
        ):
            await failing(media, host.url)
        assert host.seen == []


async def test_no_redirect_leads_from_https_to_http_even_to_an_allowed_origin() -> None:
    async with playing(answering(200, b"secret")) as inner:
        scene = answering(302, b"", f"Location: {inner.url}/secret")
        async with playing_tls(certificates.good(), scene) as host:
            resolver = Names(["127.0.0.1"])
            async with media_for(host.url, inner.url, resolver=resolver) as media:
                with pytest.raises(Unreachable, match="from https to http"):
                    await media.fetch(f"{host.url}/a", max_bytes=KILO)
    assert inner.connections == 0


# --- Redirects ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_where_may_be_asked_is_followed(status: int) -> None:
    async with playing(answering(200, b"picture")) as edge:
        scene = answering(status, b"", f"Location: {edge.url}/b?sig=1")
        async with playing(scene) as host, media_for(host.url, edge.url) as media:
            assert await media.fetch(f"{host.url}/a", max_bytes=KILO) == b"picture"
    assert [seen.target for seen in edge.seen] == ["/b?sig=1"]


async def test_a_redirect_may_name_the_path_alone_and_there_may_be_three() -> None:
    step = answering(302, b"", "Location: /b")
    assert await fetched(step, step, step, answering(200, b"picture")) == b"picture"
    assert "too often" in await refusal(step)


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:1/",
        "http://localhost/",
        "http://169.254.169.254/latest/meta-data/",
        "https://evil.com/",
        "//evil.com/",
        "/\\evil.com/",
        "https:\\\\evil.com/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https://cdn-luma.com.evil.com/",
        "http://[::1/",
        "http://[x]/",
        "/%zz\x80",
        "http://me@127.0.0.1/",
        "",
    ],
)
async def test_a_redirect_to_elsewhere_is_not_followed(location: str) -> None:
    scene = answering(302, b"", f"Location: {location}")
    async with playing(scene) as host, media_for(host.url, LUMA) as media:
        await failing(media, host.url)
    assert all(seen.target == "/a" for seen in host.seen)


async def test_the_name_in_a_redirect_is_looked_up_and_checked_too() -> None:
    names = Names(["127.0.0.1"])
    scene = answering(302, b"", f"Location: {FILE}")
    async with playing(scene) as host, media_for(host.url, LUMA, resolver=names) as media:
        await failing(media, host.url)
    assert names.asked == ["storage.cdn-luma.com"]


# --- What is asked ------------------------------------------------------------------------------


async def test_the_request_carries_nothing_of_anybody() -> None:
    scene = answering(200, b"x", "Set-Cookie: who=me; Path=/")
    async with playing(scene) as host, media_for(host.url) as media:
        for _ in range(2):
            await media.fetch(f"{host.url}/a?X-Amz-Signature=a%2Fb%2Bc", max_bytes=KILO)
    for seen in host.seen:
        names = {name for name, _ in seen.headers}
        assert names == {"host", "user-agent", "accept", "accept-encoding", "connection"}
        assert dict(seen.headers)["accept-encoding"] == "identity"
        assert seen.target == "/a?X-Amz-Signature=a/b%2Bc"
    assert host.connections == 2  # none is used twice


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_a_proxy_in_the_environment_is_ignored(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for silencer in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(silencer, raising=False)
    async with playing(answering(200, b"proxied")) as proxy:
        monkeypatch.setenv(name, proxy.url)
        assert await fetched(answering(200, b"picture")) == b"picture"
    assert proxy.connections == 0


# --- What is taken ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [201, 203, 206, 300, 400, 401, 403, 404, 416, 429, 500, 503])
async def test_only_a_whole_answer_is_taken(status: int) -> None:
    assert str(status) in await refusal(answering(status, b"picture"))


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "zstd", "deflate", "identity, gzip", "x"])
async def test_a_packed_answer_is_refused_unread(coding: str) -> None:
    packed = gzip.compress(bytes(10 * MEGA))
    assert "packed" in await refusal(answering(200, packed, f"Content-Encoding: {coding}"))


async def test_a_file_of_just_the_most_bytes_is_taken_and_one_byte_more_is_not() -> None:
    assert await fetched(answering(200, bytes(KILO))) == bytes(KILO)
    assert "too large" in await refusal(answering(200, bytes(KILO + 1)))
    assert await fetched(answering(200, bytes(KILO + 1)), partial=True) == bytes(KILO)


async def test_of_a_clip_the_beginning_is_asked_for_and_taken_if_it_is_one() -> None:
    part = answering(206, bytes(KILO), "Content-Range: bytes 0-1023/50000000")
    async with playing(part) as host, media_for(host.url) as media:
        assert await media.fetch(f"{host.url}/a", max_bytes=KILO, partial=True) == bytes(KILO)
    assert dict(host.seen[0].headers)["range"] == "bytes=0-1023"
    for line in ("Content-Range: bytes 5-9/10", "Content-Range: x", "Content-Kind: none"):
        assert "another part" in await refusal(answering(206, b"x", line), partial=True)


async def broken_off(line: Line) -> None:
    await line.hear()
    await line.say(answer_of(200, b"half", length=500))


async def reset(line: Line) -> None:
    await line.hear()
    line.reset()


async def garbage(line: Line) -> None:
    await line.hear()
    await line.say(b"no HTTP\r\n\r\n")


async def endless_head(line: Line) -> None:
    await line.hear()
    with suppress(ConnectionError):
        await line.say(b"HTTP/1.1 200 OK\r\nX: " + b"x" * MEGA)


async def two_lengths(line: Line) -> None:
    await line.hear()
    await line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\npict")


async def no_length(line: Line) -> None:
    await line.hear()
    await line.say(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\npict")


@pytest.mark.parametrize("partial", [True, False])
@pytest.mark.parametrize(
    "scene", [broken_off, reset, garbage, endless_head, two_lengths, no_length]
)
async def test_an_answer_that_breaks_off_or_is_none_is_refused(
    scene: Scene, *, partial: bool
) -> None:
    assert "127.0.0.1" not in await refusal(scene, partial=partial)


class Flood:
    """A host that would send 50 MB, with a small buffer in between; counts what it got rid of."""

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.sent = 0

    async def scene(self, line: Line) -> None:
        raw = line.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * KILO)
        await line.hear()
        await line.say(b"HTTP/1.1 200 OK\r\n" + self.head + b"\r\n\r\n")
        is_chunked = self.head.startswith(b"Transfer")
        piece = b"10000\r\n" + bytes(65_536) + b"\r\n" if is_chunked else bytes(65_536)
        while self.sent < 50 * MEGA:  # pragma: no branch - who reads leaves before
            await line.say(piece)
            self.sent += 65_536


CHUNKED, ENDLESS = b"Transfer-Encoding: chunked", b"Connection: close"
TOLD = b"Content-Length: 52428800"


@pytest.mark.parametrize("head", [TOLD, CHUNKED, ENDLESS])
@pytest.mark.parametrize("partial", [True, False])
async def test_a_file_of_50_mb_is_left_where_the_cap_is(head: bytes, *, partial: bool) -> None:
    flood = Flood(head)
    async with playing(flood.scene) as host, media_for(host.url) as media:
        task = media.fetch(f"{host.url}/a", max_bytes=MEGA, partial=partial)
        if partial:
            assert await task == bytes(MEGA)
        else:
            with pytest.raises(Unreachable, match="too large"):
                await task
    assert flood.sent < 10 * MEGA  # the cap, and what lay in the buffers of the machine


# --- How long -----------------------------------------------------------------------------------


async def test_a_host_that_never_answers_costs_the_deadline(turn: Turn) -> None:
    heard = asyncio.Event()

    async def stall(line: Line) -> None:
        await line.hear()
        heard.set()
        await line.stall()

    async with playing(stall) as host, media_for(host.url) as media, asyncio.TaskGroup() as group:
        task = group.create_task(failing(media, host.url))
        await heard.wait()
        turn(31)
        assert "too long" in await task


async def test_a_host_that_sends_byte_by_byte_has_no_more_time_than_others(turn: Turn) -> None:
    sent = []

    async def trickle(line: Line) -> None:
        await line.hear()
        await line.say(answer_of(200, b"", length=500))
        for _ in range(500):  # pragma: no branch - who reads leaves before
            turn(10)
            await line.say(b"x")
            sent.append(1)
            await asyncio.sleep(0)

    async with playing(trickle) as host, media_for(host.url) as media:
        assert "too long" in await failing(media, host.url)
    assert len(sent) < 100


async def test_redirects_share_one_deadline(turn: Turn) -> None:
    async def slow(line: Line) -> None:
        await line.hear()
        turn(16)
        await line.say(answer_of(302, b"", "Location: /b"))
        await line.stall()

    async with playing(slow) as host, media_for(host.url) as media:
        assert "too long" in await failing(media, host.url)
    assert host.connections <= 2


async def test_a_name_that_is_never_found_costs_the_deadline(turn: Turn) -> None:
    names = Names([PUBLIC])
    names.answering.clear()
    async with media_for(LUMA, resolver=names) as media, asyncio.TaskGroup() as group:
        task = group.create_task(failing(media, FILE))
        await until(lambda: names.asked)
        turn(31)
        assert "too long" in await task


async def test_names_that_are_never_found_hold_three_threads_however_many_ask(turn: Turn) -> None:
    names = Names([PUBLIC])
    names.answering.clear()
    media = media_for(LUMA, resolver=names)
    for number in range(6):
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(failing(media, f"https://a{number}.cdn-luma.com"))
            wanted = min(number + 1, module.MAX_LOOKUPS)
            await until(lambda wanted=wanted: len(names.asked) >= wanted)
            turn(31)
    assert names.asked == ["a0.cdn-luma.com", "a1.cdn-luma.com", "a2.cdn-luma.com"]
    await media.close()


async def test_four_are_fetched_at_once_and_who_gets_no_place_in_time_leaves(turn: Turn) -> None:
    full = asyncio.Semaphore(0)

    async def stall(line: Line) -> None:
        await line.hear()
        full.release()
        await line.stall()

    async with playing(stall) as host, media_for(host.url) as media, asyncio.TaskGroup() as group:
        tasks = [group.create_task(failing(media, host.url)) for _ in range(4)]
        for _ in range(4):
            await full.acquire()
        late = group.create_task(busy(media, host.url))
        await asyncio.sleep(0)
        turn(31)
        assert {await task for task in tasks} == {"it took too long"}
        await late
    assert host.connections == 4


async def busy(media: Media, url: str) -> None:
    with pytest.raises(Busy):
        await media.fetch(f"{url}/a", max_bytes=KILO)


# --- What is said -------------------------------------------------------------------------------


async def test_a_host_that_is_not_allowed_is_told_once_without_the_link() -> None:
    media = media_for(LUMA)
    with capture_logs() as lines:
        for number in range(3):
            await failing(media, f"https://edge.example.com/{number}?X-Amz-Signature=secret")
        await failing(media, "https://me:luma-secret@evil.example/?sig=secret")
        await failing(media, "https://luma-0123456789.example.com/secret")
    assert [line.pop("host") for line in lines] == ["edge.example.com", "[hidden]"]
    assert lines == [{"event": "media host not allowed", "log_level": "info"}] * 2


async def test_no_more_than_so_many_hosts_are_told() -> None:
    media = media_for(LUMA)
    with capture_logs() as lines:
        for number in range(100):
            await failing(media, f"https://a{number}.example.com")
    assert len(lines) == module.MAX_STRANGERS


async def test_a_client_that_was_never_needed_is_never_opened() -> None:
    async with media_for(LUMA) as media:
        await failing(media, "https://example.com")
    await media.close()
