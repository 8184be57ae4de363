"""Hearing of the end of the process, without taking it from whoever heard of it before."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from luma_mcp import stopping
from luma_mcp.stopping import SIGNALS, UnderWay, ending_in_order, told_of_the_end
from tests.e2e.processes import finished

SCRIPT = """
import asyncio, signal
from luma_mcp.stopping import {manager}

async def main():
    said = asyncio.Event()
    with {manager}({act}):
        signal.raise_signal(signal.SIGTERM)
        await said.wait()
        print("told", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """What a server that handles the signals itself hears."""
    numbers: list[int] = []
    before = {number: signal.signal(number, lambda n, _: numbers.append(n)) for number in SIGNALS}
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
async def test_the_end_is_told_on_the_loop_and_to_who_handled_it_before(
    heard: list[int], number: signal.Signals
) -> None:
    told = asyncio.Event()
    with told_of_the_end(told.set):
        signal.raise_signal(number)
        await told.wait()
    assert heard == [number]


async def test_afterwards_everything_is_as_it_was(heard: list[int]) -> None:
    handlers = [signal.getsignal(number) for number in SIGNALS]
    told = asyncio.Event()
    with told_of_the_end(told.set):
        assert [signal.getsignal(number) for number in SIGNALS] != handlers
    assert [signal.getsignal(number) for number in SIGNALS] == handlers
    signal.raise_signal(signal.SIGTERM)
    await asyncio.sleep(0)
    assert (heard, told.is_set()) == ([signal.SIGTERM], False)


async def test_an_ignored_signal_stays_ignored(heard: list[int]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    told = asyncio.Event()
    with told_of_the_end(told.set):
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0)
    assert (heard, told.is_set()) == ([], False)


@pytest.mark.usefixtures("heard")
async def test_last_things_are_forgotten_when_the_end_comes_by_itself() -> None:
    handler = signal.getsignal(signal.SIGTERM)
    with ending_in_order(lambda: asyncio.sleep(0)):
        assert signal.getsignal(signal.SIGTERM) is not handler
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.fixture
def no_farewell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "FAREWELL_SECONDS", 0)


async def settled(task: asyncio.Task[None]) -> bool:
    for _ in range(10):
        await asyncio.sleep(0)
    return task.done()


@pytest.mark.usefixtures("no_farewell")
async def test_all_is_answered_when_the_end_was_told_and_no_call_is_under_way() -> None:
    under_way = UnderWay()
    answered = asyncio.create_task(under_way.answered())
    with under_way.call():
        with under_way.call():
            under_way.end()
        assert not await settled(answered)
    await answered


@pytest.mark.usefixtures("no_farewell")
async def test_before_the_end_no_call_is_the_last() -> None:
    under_way = UnderWay()
    answered = asyncio.create_task(under_way.answered())
    with under_way.call():
        pass
    assert not await settled(answered)
    under_way.end()
    await answered


@pytest.mark.usefixtures("no_farewell")
async def test_a_call_that_comes_during_the_farewell_is_waited_for_too() -> None:
    under_way = UnderWay()
    under_way.end()
    answered = asyncio.create_task(under_way.answered())
    await asyncio.sleep(0)  # the farewell has begun
    with under_way.call():
        assert not await settled(answered)
    await answered


async def test_in_another_thread_nothing_is_installed() -> None:
    handlers = [signal.getsignal(number) for number in SIGNALS]

    async def serve() -> list[object]:
        with told_of_the_end(lambda: None):
            return [signal.getsignal(number) for number in SIGNALS]

    assert await asyncio.to_thread(lambda: asyncio.run(serve())) == handlers


async def test_where_nobody_handled_the_signal_the_process_ends_by_it() -> None:
    script = SCRIPT.format(manager="told_of_the_end", act="said.set")
    status, out, _ = await finished("-c", script, program=())
    assert (status, out) == (-signal.SIGTERM, "")


async def test_last_things_are_done_before_the_process_ends_by_the_signal() -> None:
    act = "lambda: asyncio.sleep(0, print('last', flush=True))"
    script = SCRIPT.format(manager="ending_in_order", act=act)
    status, out, _ = await finished("-c", script, program=())
    assert (status, out) == (-signal.SIGTERM, "last\n")
