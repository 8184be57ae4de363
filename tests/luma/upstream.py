"""An upstream of raw sockets: it writes down every request and plays one scene per connection."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from luma_mcp.luma.apis import DREAM_MACHINE, Api
from luma_mcp.luma.sending import Sender, Witness
from luma_mcp.luma.transport import open_client
from tests.servers import misbehaving


@dataclass(frozen=True)
class Seen:
    """A request as it came over the wire; header names in lower case."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True)
class Line:
    """One connection, from the upstream's end."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    seen: list[Seen]

    async def hear(self) -> None:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.rstrip().split("\r\n")
        method, target, _ = first.split(" ")
        pairs = [line.split(": ", 1) for line in lines]
        headers = [(name.lower(), value) for name, value in pairs]
        body = await self.reader.readexactly(int(dict(headers).get("content-length", "0")))
        self.seen.append(Seen(method, target, headers, body))

    async def say(self, text: bytes) -> None:
        self.writer.write(text)
        await self.writer.drain()

    async def stall(self) -> None:
        """Keep silent until the other end hangs up."""
        await self.reader.read()

    def reset(self) -> None:
        at_once = struct.pack("ii", 1, 0)
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        self.writer.transport.abort()


Scene = Callable[[Line], Awaitable[None]]


@dataclass
class Upstream:
    """What the upstream plays, connection by connection (the last scene again and again)."""

    scenes: tuple[Scene, ...]
    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    talks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def connections(self) -> int:
        return len(self.talks)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        scene = self.scenes[min(self.connections, len(self.scenes) - 1)]
        talk = asyncio.current_task()
        assert talk
        self.talks.append(talk)
        with suppress(ConnectionError):
            await scene(Line(reader, writer, self.seen))
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def playing(*scenes: Scene) -> AsyncGenerator[Upstream]:
    upstream = Upstream(scenes)
    async with misbehaving(upstream.converse) as upstream.url:
        yield upstream
        async with asyncio.TaskGroup() as group:
            for talk in upstream.talks:
                group.create_task(asyncio.wait([talk]))


def answer_of(status: int, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {length or len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answering(status: int, body: object = None, *headers: str, length: int | None = None) -> Scene:
    """Read one request, give one answer and hang up; a body that is not bytes becomes JSON."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def scene(line: Line) -> None:
        await line.hear()
        await line.say(answer_of(status, text, "Connection: close", *headers, length=length))

    return scene


class SlowLuma:
    """A Luma that gives its one answer only when it is let."""

    def __init__(self, status: int, body: object) -> None:
        self.asked, self.let = asyncio.Event(), asyncio.Event()
        self._answer = answer_of(status, json.dumps(body).encode())

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Converse over one connection."""
        await reader.readuntil(b"\r\n\r\n")
        self.asked.set()
        await self.let.wait()
        writer.write(self._answer)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def open_sender(
    url: str,
    pauses: list[float] | None = None,
    *,
    timeout_seconds: float = 30.0,
    slots: asyncio.Semaphore | None = None,
    api: Api = DREAM_MACHINE,
    witness: Witness | None = None,
) -> AsyncGenerator[Sender]:
    """Open the real client; pauses are written down instead of slept."""

    async def pause(seconds: float) -> None:
        await asyncio.sleep(0)
        if pauses is not None:
            pauses.append(seconds)

    slots = slots or asyncio.Semaphore(4)
    async with open_client(4, timeout_seconds) as client:
        yield Sender(
            client,
            slots,
            url,
            timeout_seconds,
            api=api,
            sleep=pause,
            jitter=lambda: 1.0,
            witness=witness,
        )
