"""What an upstream that stands for Luma plays: how it answers when all is well, and how not."""

import asyncio
import gzip
import json
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from urllib.parse import urlsplit

from tests.faults import certificates
from tests.luma.upstream import Line, Scene, Seen, answer_of
from tests.tools.calls import JOB_ID as MADE

UNREAD = Seen("", "", [], b"")
WORDS = ["Orbit Left", "Crane Up"]
JOB = {"id": MADE, "state": "queued"}
AGENTS_PATH = "/agents/v1"
FILE = {"id": MADE, "state": "pending"}
CUT = f'{{"id": "{MADE}", "sta'.encode()
STALE = answer_of(200, b'{"id": "00000000-0000-4000-8000-000000000000", "credit_balance": 0}')
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def _good_answer(seen: Seen) -> tuple[int, object]:
    path = urlsplit(seen.target).path.removeprefix(AGENTS_PATH)
    if seen.method == "POST":
        return 201, _made(path)
    if seen.method == "DELETE":
        return 204, None
    words = {"/generations/camera_motion/list": WORDS, "/generations/concepts/list": WORDS}
    fixed = {
        **words,
        "/generations": {"generations": [JOB], "has_more": False},
        "/files": {"data": [FILE], "has_more": False},
        "/credits": {"credit_balance": 1250},
        "/ping": {"message": "pong"},
    }
    return 200, fixed.get(path) or {"id": path.rsplit("/", 1)[-1], "state": "completed"}


def _made(path: str) -> object:
    """What a POST makes: a job, a file, or of a file that was sent one that is ready."""
    match path.split("/"):
        case ["", "files"]:
            upload = {"url": "https://storage.example/put", "method": "PUT"}
            return {**FILE, "file": FILE, "upload": upload}
        case ["", "files", file_id, "complete"]:
            return {"id": file_id, "state": "ready"}
        case _:
            return JOB


def good_bytes(seen: Seen, *headers: str) -> bytes:
    """The answer that Luma would give."""
    status, body = _good_answer(seen)
    return answer_of(status, b"" if body is None else json.dumps(body).encode(), *headers)


async def good(line: Line) -> None:
    await line.hear()
    await line.say(good_bytes(line.seen[-1], "Connection: close"))


def one_by_one(*scenes: Scene) -> Scene:
    """Play another scene at each connection, the last one again and again."""
    left = list(scenes)

    async def scene(line: Line) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(line)

    return scene


def saying(text: bytes) -> Scene:
    """Say these bytes to a request and hang up."""

    async def scene(line: Line) -> None:
        await line.hear()
        await line.say(text)

    return scene


def before_the_answer(text: bytes) -> Scene:
    """Say something first, then what Luma would."""

    async def scene(line: Line) -> None:
        await line.hear()
        await line.say(text + good_bytes(line.seen[-1], "Connection: close"))

    return scene


def resetting_after(text: bytes) -> Scene:
    async def scene(line: Line) -> None:
        await line.hear()
        await line.say(text)
        line.reset()

    return scene


def at_the_second_request(fault: Scene) -> Scene:
    """Answer a first request and keep the connection, on which the second goes wrong."""

    async def scene(line: Line) -> None:
        await line.hear()
        await line.say(good_bytes(line.seen[-1], "Connection: keep-alive"))
        with suppress(asyncio.IncompleteReadError):
            await fault(line)

    return scene


def behind(context: Callable[[], ssl.SSLContext], scene: Scene) -> Scene:
    """Play a scene over TLS, if the other end takes the certificate."""

    async def over_tls(line: Line) -> None:
        with suppress(ssl.SSLError):
            await line.writer.start_tls(context())
            await scene(line)

    return over_tls


good_over_tls = behind(certificates.good, good)


async def speak_no_tls(line: Line) -> None:
    await line.reader.read(1)
    await line.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def reset_at_once(line: Line) -> None:
    line.seen.append(UNREAD)
    line.reset()


async def reset_half_read(line: Line) -> None:
    await line.reader.read(1)
    line.seen.append(UNREAD)
    line.reset()


async def refuse_half_read(line: Line) -> None:
    """Refuse what comes by its head alone, and hang up, which resets the connection."""
    await line.reader.read(1)
    line.seen.append(UNREAD)
    await line.say(answer_of(413, b'{"detail": "Too large"}', "Connection: close"))


async def stall_after_the_head(line: Line) -> None:
    await line.hear()
    await line.say(answer_of(200, length=1000))
    await line.stall()


async def drip(line: Line) -> None:
    """Send what matters, then a byte now and then: slow enough to never end in time."""
    await line.hear()
    await line.say(answer_of(200, CUT, length=1_000_000))
    with suppress(ConnectionError):
        while not line.reader.at_eof():
            await line.say(b" ")
            await asyncio.sleep(0.01)  # the fault itself


async def _pour(line: Line, start: bytes, more: bytes) -> None:
    await line.hear()
    await line.say(start)
    for _ in range(500):
        await line.say(more)


async def pour_declared(line: Line) -> None:
    await _pour(line, answer_of(200, CUT, length=50_000_000), b" " * 100_000)


async def pour_chunks(line: Line) -> None:
    start = CHUNKED + b"%x\r\n%s\r\n" % (len(CUT), CUT)
    await _pour(line, start, b"186a0\r\n" + b" " * 100_000 + b"\r\n")


@cache
def _bomb() -> bytes:
    packed = gzip.compress(CUT + b" " * 50_000_000, 1)
    return answer_of(200, packed, "Content-Encoding: gzip", "Connection: close")


async def bomb(line: Line) -> None:
    await saying(_bomb())(line)


async def redirect(line: Line) -> None:
    """Point to the same port by another host's name: whoever follows comes back here."""
    await line.hear()
    port = line.writer.get_extra_info("sockname")[1]
    there = f"Location: http://localhost:{port}/generations"
    await line.say(answer_of(307, b"", there, "Connection: close"))


async def in_http_1_0(line: Line) -> None:
    """Answer as servers did in 1996: no length, the end of the connection is the end."""
    await line.hear()
    _, _, body = good_bytes(line.seen[-1]).partition(b"\r\n\r\n")
    status, _ = _good_answer(line.seen[-1])
    await line.say(b"HTTP/1.0 %d OK\r\n\r\n%s" % (status, body))


def followed_by(stray: bytes) -> Scene:
    """Keep the connection, but say something more that nobody asked for."""

    async def scene(line: Line) -> None:
        await line.hear()
        await line.say(good_bytes(line.seen[-1], "Connection: keep-alive") + stray)
        await line.stall()

    return scene
