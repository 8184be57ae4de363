"""A stand-in for Luma that costs next to nothing, in a process of its own."""

import asyncio
import json
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
BODY = json.dumps(JOB).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)


class Luma(asyncio.Protocol):
    """Answers every GET with the same job of about 1 kB, kept alive."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, and what came so far."""
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer each whole request head."""
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            _, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            self._transport.write(ANSWER)


async def serve() -> None:
    """Serve until stdin ends; the first line of output is the port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Luma, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - read by the parent
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
