"""The end of the process: what is done at SIGTERM while calls are still under way."""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# How long after the last call its answer is surely out, where nothing says so.
FAREWELL_SECONDS = 0.5


class UnderWay:
    """The calls under way, and whether the process only waits for them to be answered.

    Attributes:
        answered: Set once the process is to end and no call is left.
    """

    def __init__(self) -> None:
        self.answered = asyncio.Event()
        self._calls = 0
        self._ending = False

    @contextmanager
    def call(self) -> Generator[None]:
        """Count a call until it is answered."""
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
            self._see()

    def end(self) -> None:
        """The process is to end."""
        self._ending = True
        self._see()

    def _see(self) -> None:
        if self._ending and not self._calls:
            self.answered.set()


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
    """Do some last things at SIGTERM, then end as the process would have ended at once."""
    loop = asyncio.get_running_loop()
    earlier = signal.getsignal(signal.SIGTERM)
    ending: list[asyncio.Task[None]] = []

    async def end() -> None:
        await last_things()
        signal.signal(signal.SIGTERM, earlier)
        signal.raise_signal(signal.SIGTERM)

    loop.add_signal_handler(signal.SIGTERM, lambda: ending.append(loop.create_task(end())))
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, earlier)
