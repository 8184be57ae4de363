"""A stand-in for Luma that costs next to nothing, in a process of its own."""

import asyncio
import json
import re
import sys

ID = "123e4567-e89b-12d3-a456-426614174000"
JOB = {
    "id": ID,
    "generation_type": "video",
    "state": "dreaming",
    "failure_reason": None,
    "created_at": "2026-11-21T12:00:00.000000Z",
    "assets": None,
    "model": "ray-2",
    "request": {"generation_type": "video", "model": "ray-2", "prompt": "A paper boat " * 60},
}
PAGE = {"generations": [JOB] * 100, "has_more": True, "limit": 100, "offset": 0}
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def _answer(status: bytes, what: object) -> bytes:
    body = json.dumps(what).encode()
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


SEEN, LISTED, CREATED = _answer(b"200 OK", JOB), _answer(b"200 OK", PAGE), _answer(b"201 C", JOB)


class Luma(asyncio.Protocol):
    """Answers every GET of a job and every POST with the same job of about 1 kB, kept alive.

    A list holds that job a hundred times.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, and what came so far."""
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            length = LENGTH.search(head)
            expected = int(length[1]) if length else 0
            if len(rest) < expected:
                return
            self._buffer = rest[expected:]
            listed = b"?" in head.partition(b"\r\n")[0]
            self._transport.write(
                CREATED if head.startswith(b"POST") else LISTED if listed else SEEN
            )


async def serve() -> None:
    """Serve until stdin ends; the first line of output is the port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Luma, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - read by the parent
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
