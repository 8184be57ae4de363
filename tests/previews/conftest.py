"""Names that answer as told, a clock that is turned, and what the machine was asked to reach."""

import asyncio
import socket
from collections.abc import Callable

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

Turn = Callable[[float], None]


async def until(is_so: Callable[[], object]) -> None:
    """Let everybody go on until something is so."""
    while not is_so():  # noqa: ASYNC110 - what is waited for tells nobody
        await asyncio.sleep(0)


class Names(AbstractResolver):
    """A resolver that gives one answer after the other, the last again and again."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.answering = asyncio.Event()
        self.answering.set()

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - aiohttp's signature
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await self.answering.wait()
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in answer
        ]

    async def close(self) -> None: ...


@pytest.fixture
async def reached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Write down which addresses are connected to; none of them answers."""
    addresses: list[str] = []

    async def refuse(_: socket.socket, address: tuple[str, int]) -> None:
        addresses.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", refuse)
    return addresses


@pytest.fixture
async def turn(monkeypatch: pytest.MonkeyPatch) -> Turn:
    """Turn the event loop's clock on by some seconds, which end at once."""
    loop = asyncio.get_running_loop()
    time, turned = loop.time, [0.0]
    monkeypatch.setattr(loop, "time", lambda: time() + sum(turned))
    return turned.append
