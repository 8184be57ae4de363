"""The end of the process: what is done at SIGTERM while calls are still under way."""

import asyncio
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# How long after the last call its answer is surely out, where nothing says so.
FAREWELL_SECONDS = 0.5


class UnderWay:
    """The calls under way, and whether the process only waits for them to be answered."""

    def __init__(self) -> None:
        self._begun = 0
        self._calls = 0
        self._is_ending = False
        self._none_left = asyncio.Event()

    @contextmanager
    def call(self) -> Generator[None]:
        """Count a call until it is answered."""
        self._begun += 1
        self._calls += 1
        self._none_left.clear()
        try:
            yield
        finally:
            self._calls -= 1
            self._see()

    def end(self) -> None:
        """The process is to end."""
        self._is_ending = True
        self._see()

    async def answered(self) -> None:
        """Return when the process is to end and all calls are answered, the late ones too."""
        begun = -1
        while begun != self._begun or self._calls:
            await self._none_left.wait()
            begun = self._begun
            await asyncio.sleep(FAREWELL_SECONDS)

    def _see(self) -> None:
        if self._is_ending and not self._calls:
            self._none_left.set()


@contextmanager
def told_of_the_end(act: Callable[[], None]) -> Generator[None]:
    """Let `act` run on the event loop at SIGTERM or SIGINT; who handles them still does.

    A web server ends the lifespan of its application only when all requests have ended, which is
    too late for those that wait to be told. A signal that nobody handles is left alone: it ends
    the process at once, or is ignored.
    """
    if threading.current_thread() is not threading.main_thread():  # no signal comes here
        yield
        return
    loop = asyncio.get_running_loop()
    found = {number: signal.getsignal(number) for number in SIGNALS}
    earlier = {number: handler for number, handler in found.items() if callable(handler)}

    def hear(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(act)
        earlier[signal.Signals(number)](number, frame)

    for number in earlier:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


@contextmanager
def ending_in_order(last_things: Callable[[], Awaitable[None]]) -> Generator[None]:
    """Do some last things at SIGTERM or SIGINT, then end as the process would have at once."""
    if sys.platform == "win32":  # pragma: no cover - its event loops hear no signals
        yield
        return
    loop = asyncio.get_running_loop()
    # At SIGINT asyncio would wait for whoever reads stdin, which may be for ever.
    last = {signal.SIGTERM: signal.getsignal(signal.SIGTERM), signal.SIGINT: signal.SIG_DFL}
    earlier = {number: signal.getsignal(number) for number in SIGNALS}
    ending: list[asyncio.Task[None]] = []

    async def end(number: signal.Signals) -> None:
        await last_things()
        signal.signal(number, last[number])
        signal.raise_signal(number)

    def begin(number: signal.Signals) -> None:
        ending.append(loop.create_task(end(number)))

    for number in SIGNALS:
        loop.add_signal_handler(number, begin, number)
    try:
        yield
    finally:
        for number, handler in earlier.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
