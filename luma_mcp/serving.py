"""Processes that serve over HTTP: their socket, uvicorn, how they begin and how they end."""

import asyncio
import errno
import gc
import multiprocessing
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from ipaddress import ip_network
from multiprocessing.connection import Connection as Pipe
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from luma_mcp.connections import CLOSE, Connection, open_more_files
from luma_mcp.metrics import expose, shared_directory
from luma_mcp.settings import SettingError, Settings, variable_name
from luma_mcp.stopping import SIGNALS
from luma_mcp.telemetry import configure_logging, get_logger

_log = get_logger()

# Clients and proxies shall be the first to let go of an idle connection (httpx after 5 s, nginx
# after 60, Caddy after 120): a request that meets its end is lost, and a paid one not sent again.
KEEP_ALIVE_SECONDS = 130
LOOK_SECONDS = 0.2
# Until another attempt to replace a worker that cannot even start.
RETRY_SECONDS = 2.0

Build = Callable[[Settings], Starlette]
Greet = Callable[[], object]


def settle_memory() -> None:
    """Keep the garbage collector from going over what lives long, again and again.

    The libraries' objects, for good, were a fifth of the cost of a call when measured. Those of
    2,000 waiting calls, at Python's own thresholds, were a quarter of all CPU and stopped the
    process for 0.6 seconds at a time; at these it was 0.1, with as much memory.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


class Server(uvicorn.Server):
    """uvicorn, which says when it listens, and goes on for a while when it is told to end.

    At the first SIGTERM it drains: whoever balances load has time to notice, and is told with
    every answer to let go of its connection. A second one, or Ctrl+C, ends that.
    """

    def __init__(self, config: uvicorn.Config, drain_seconds: int, greet: Greet) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._greet = greet
        self._drained_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Greet when the port is open."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        settle_memory()
        if self.started:
            self._greet()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain or end; the signal is raised again at the very end, as uvicorn does."""
        is_first = self._drained_at is None and self.started and not self.should_exit
        if sig == signal.SIGTERM and is_first and self._drain_seconds:
            self._captured_signals.append(sig)
            self._drained_at = time.monotonic() + self._drain_seconds
            self._loop.call_soon_threadsafe(self._drain)
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Look whether to end, ten times a second."""
        self.should_exit |= self._drained_at is not None and time.monotonic() >= self._drained_at
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and end once all requests are answered."""
        self._let_go()
        await super().shutdown(sockets)

    def _drain(self) -> None:
        self._let_go()
        _log.info("draining", seconds=self._drain_seconds)

    def _let_go(self) -> None:
        """Have every answer say that it is the last on its connection."""
        if CLOSE not in self.config.encoded_headers:
            self.config.encoded_headers.append(CLOSE)
            self.server_state.default_headers = [*self.server_state.default_headers, CLOSE]
        for connection in self.server_state.connections:
            connection.let_go()  # ty: ignore[missing-attribute] - they are all ours


def _bind(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        # With the protocol named, asyncio switches Nagle's delay off for what it accepts.
        bound = socket.socket(family, proto=socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # `::` serves IPv4 too, whatever the system's default is
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.bind((settings.host, settings.port))
    except OSError as error:
        field = "port" if error.errno in {errno.EADDRINUSE, errno.EACCES} else "host"
        raise SettingError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}. Choose "
            f"another {field} with --{field} or {variable_name(field)}."
        ) from None
    return bound


def _as_seen(proxies: Iterable[str]) -> Iterator[str]:
    """Name proxies with IPv4 as a socket sees them that listens to IPv6 as well, too."""
    for proxy in proxies:
        yield proxy
        if proxy != "*" and (network := ip_network(proxy)).version == 4:  # noqa: PLR2004 - IPv4
            yield f"::ffff:{network.network_address}/{96 + network.prefixlen}"


def _count_refused(app: Starlette, limit: str) -> None:
    """Count a request that was refused before it reached the application; a sandbox counts none."""
    if hasattr(app.state, "services"):
        app.state.services.metrics.limited(limit)


def _run(build: Build, settings: Settings, bound: socket.socket, greet: Greet) -> None:
    """Serve in this process until it is told to end."""
    app = build(settings)
    config = uvicorn.Config(
        app,
        http=partial(
            Connection,
            head_seconds=settings.request_timeout_seconds,
            refused=partial(_count_refused, app),
        ),  # ty: ignore[invalid-argument-type] - uvicorn only calls it
        access_log=False,
        log_config=None,
        server_header=False,
        ws="none",
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=[*_as_seen(settings.trusted_proxies)],
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    Server(config, settings.drain_seconds, greet).run(sockets=[bound])


def serve(build: Build, settings: Settings, welcome: str) -> None:
    """Serve an application until the process is told to end.

    Args:
        build: Builds it, once the port is bound: with port 0 its own address is known only then.
            With several workers each builds its own, so that this is a function of a module.
        settings: Where to listen, and how.
        welcome: Printed when it listens, with `{base}` for its address as users see it, `{local}`
            for that on this machine, and `{sign_in}` for where clients sign in, if they can.

    Raises:
        SettingError: The port cannot be had, or the application cannot be built like that.
    """
    open_more_files()
    if settings.workers > 1 and settings.redis_url is None:
        # Each would pay for itself what an idempotency key shall pay once.
        raise SettingError(
            f"{variable_name('workers')} above 1 needs {variable_name('redis_url')}, in which the "
            "workers keep what they must know of each other."
        )
    bound = _bind(settings)
    settings = settings.model_copy(update={"port": bound.getsockname()[1]})
    local = settings.local_url
    sign_in = f", or {settings.oauth_url}/mcp to sign in" if settings.oauth_url else ""
    greeting = welcome.format(base=settings.public_url or local, local=local, sign_in=sign_in)
    greet = partial(sys.stderr.write, greeting)
    if settings.workers == 1:
        # Nobody could take its place: it ends in order, and who runs it starts it anew.
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
        _run(build, settings, bound, greet)
        return
    with shared_directory(), expose(settings):
        number = Workers(build, settings, bound, greet).run()
    signal.raise_signal(number)


def _end_with_the_parent() -> None:
    """End in order when the parent has died without a word."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def work(build: Build, settings: Settings, bound: socket.socket, mouth: Pipe) -> None:
    """Serve as one of several workers; says None when it listens, or why it cannot."""
    os.setpgid(0, 0)  # Ctrl+C is for the parent, which passes it on once
    configure_logging(settings.log_format, settings.log_level)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    with suppress(KeyboardInterrupt):  # by which uvicorn ends, once it has ended in order
        try:
            _run(build, settings, bound, partial(mouth.send, None))
        except SettingError as error:
            mouth.send(str(error))


class _Worker:
    """One of several processes that serve on one socket."""

    def __init__(self, build: Build, settings: Settings, bound: socket.socket) -> None:
        context = multiprocessing.get_context("spawn")
        self._ear, mouth = context.Pipe(duplex=False)
        self._process = context.Process(target=work, args=(build, settings, bound, mouth))
        self._process.start()
        mouth.close()
        self.is_ready = False
        self.trouble: str | None = None

    @property
    def number(self) -> int:
        """The number of its process."""
        return self._process.pid or 0

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.is_alive()

    def listen(self) -> None:
        """Hear whether it is ready, or what is wrong with its settings."""
        with suppress(EOFError):  # it has ended, which is seen elsewhere
            while self._ear.poll():
                self.trouble = self._ear.recv()
                self.is_ready = self.trouble is None

    def tell(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.is_alive:
            os.kill(self.number, number)


class Workers:
    """Several processes on one socket, which begin, are replaced, and end together.

    uvicorn has a supervisor too. It hears no second SIGTERM, nor a first while it replaces
    workers, and drains those though others serve on; there a setting is wrong once for each.
    """

    def __init__(
        self, build: Build, settings: Settings, bound: socket.socket, greet: Greet
    ) -> None:
        self._start = partial(_Worker, build, settings, bound)
        self._bound = bound
        self._greet = greet
        self._heard: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._workers = [self._start() for _ in range(settings.workers)]
        self._leaving: list[_Worker] = []
        self._outdated: list[_Worker] = []
        self._newcomer: _Worker | None = None
        self._old: _Worker | None = None
        self._not_before = 0.0
        self._has_greeted = False
        self._end: int | None = None

    def run(self) -> int:
        """Look after the workers until all have ended; gives the signal that ended them.

        Raises:
            SettingError: They cannot be had with these settings.
        """
        numbers = (*SIGNALS, signal.SIGHUP)
        earlier = {number: signal.signal(number, self._hear) for number in numbers}
        try:
            while self._end is None or any(one.is_alive for one in self._all):
                self._act_on_signals()
                self._look()
        except BaseException:
            self._tell_all(signal.SIGTERM)
            raise
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)
        return self._end

    @property
    def _all(self) -> list[_Worker]:
        newcomers = [self._newcomer] if self._newcomer else []
        return [*self._workers, *self._leaving, *newcomers]

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self._heard.put(number)

    def _act_on_signals(self) -> None:
        """Wait a moment for a signal, and do what it wants."""
        try:
            number = self._heard.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            return
        if number != signal.SIGHUP:
            self._end = self._end or number
            self._bound.close()  # what they no longer take nobody shall hold back
            self._tell_all(number)
        elif self._end is None:
            _log.info("replacing workers")
            self._outdated = list(self._workers)

    def _tell_all(self, number: int) -> None:
        for one in self._all:
            one.tell(number)

    def _look(self) -> None:
        """See who listens, who died, and whose turn it is to be replaced."""
        for one in self._all:
            one.listen()
        self._leaving = [one for one in self._leaving if one.is_alive]
        if self._end is not None:
            return
        if self._has_greeted:
            self._replace()
        else:
            self._begin()

    def _begin(self) -> None:
        """Greet when all listen; if one cannot, none shall."""
        for one in self._workers:
            if one.trouble is not None:
                raise SettingError(one.trouble)
            if not one.is_alive:
                _log.error("a worker cannot start")
                raise SystemExit(uvicorn.config.STARTUP_FAILURE)
        if all(one.is_ready for one in self._workers):
            self._has_greeted = True
            self._greet()

    def _replace(self) -> None:
        """Replace one worker at a time, once another listens in its place."""
        newcomer = self._newcomer
        if newcomer is None:
            self._old = next((one for one in self._workers if self._is_due(one)), None)
            if self._old is not None and time.monotonic() >= self._not_before:
                self._newcomer = self._start()
        elif newcomer.is_ready:
            self._take(newcomer)
        elif not newcomer.is_alive:
            _log.error("a worker cannot be replaced", reason=newcomer.trouble)
            self._newcomer, self._outdated = None, []
            self._not_before = time.monotonic() + RETRY_SECONDS

    def _is_due(self, worker: _Worker) -> bool:
        return worker in self._outdated or not worker.is_alive

    def _take(self, newcomer: _Worker) -> None:
        """Give a worker the place of an old one, which need not drain, as others serve on."""
        self._workers = [newcomer if one is self._old else one for one in self._workers]
        self._newcomer = None
        if self._old is not None:
            _log.info("worker replaced", old=self._old.number, new=newcomer.number)
            self._old.tell(signal.SIGINT)
            self._leaving.append(self._old)
