"""Waiting for jobs: any number of waiters, in whatever requests, share one watch for each job.

The first who waits for a job starts its watch, and the last to leave ends it. Whoever leaves, by
time-out, disconnect or cancellation, touches neither the job nor the others. Watches are named by
a hash of the caller's key, so that nobody can wait for a job of somebody else.
"""

import copy
import math
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from luma_mcp.errors import LumaMcpError
from luma_mcp.watching import Job, Look, Pace, Quiet, Watch

REPORT_SECONDS = 5.0
# A waiting call takes about 100 kB with all that the libraries keep for it.
MAX_WAITERS = 5_000
MAX_WAITERS_OF_A_KEY = 1_000
GOES_ON = "If the job exists it goes on at Luma: wait for it again, do not create it anew."


class JobName(NamedTuple):
    """Which job it is: the hash of the key that sees it, the API, and Luma's id."""

    key: str
    api: str
    id: str


class CallSign(NamedTuple):
    """By what a callback finds the watch of its job: the hash of the key, and a secret name."""

    key: str
    name: str


# Hears the newest state, None before any is known, and how many seconds have been waited.
Report = Callable[[Any, float], Coroutine[Any, Any, None]]


class _Key:
    """What the waits of one key have in common."""

    def __init__(self) -> None:
        self.waiters = 0
        self.quiet = Quiet()


class _Group:
    """Those who wait for one job."""

    def __init__(self, name: JobName, key: _Key, watch: Watch[Any]) -> None:
        self.name = name
        self.key = key
        self.watch = watch
        self.waiters = 0
        self.call_sign: CallSign | None = None


class WaitingRoom:
    """Everybody in the process who waits for a job.

    Args:
        pace: By what time is measured.
        call_sign_of: Reads from a job how its callbacks call it, if they come here.
        max_waiters: The most who wait at once; who comes then gets the present state.
        max_waiters_of_a_key: The most who wait at once with one key, likewise.
    """

    def __init__(
        self,
        pace: Pace | None = None,
        *,
        call_sign_of: Callable[[Any], CallSign | None] | None = None,
        max_waiters: int = MAX_WAITERS,
        max_waiters_of_a_key: int = MAX_WAITERS_OF_A_KEY,
    ) -> None:
        self._pace = pace or Pace()
        self._call_sign_of = call_sign_of
        self._max_waiters = max_waiters
        self._max_waiters_of_a_key = max_waiters_of_a_key
        self._groups: dict[JobName, _Group] = {}
        self._called: dict[CallSign, _Group] = {}
        self._keys: dict[str, _Key] = {}
        self._stopping = False
        self.waiters = 0

    @property
    def jobs(self) -> int:
        """How many jobs are watched."""
        return len(self._groups)

    @property
    def is_stopping(self) -> bool:
        """Whether everybody was sent home for good."""
        return self._stopping

    async def wait(
        self,
        name: JobName,
        look: Look[Job],
        seconds: float,
        *,
        known: Job | None = None,
        report: Report | None = None,
        is_news: Callable[[Job], bool] | None = None,
    ) -> Job | None:
        """Wait until the job is final, but no longer than so many seconds; gives its newest state.

        Where it is not known yet the first look is made at once. When the room is full or the
        process stops, the present state is the answer.

        Args:
            name: Which job.
            look: Asks Luma for its state, once.
            seconds: How long to wait.
            known: Its state as the caller knows it.
            report: Hears of every change of state, and every few seconds anyway; None if nobody
                wants to know.
            is_news: Tells what is worth leaving for before the job is final.

        Returns:
            The newest state; None when none was learnt in that time, without any trouble.

        Raises:
            LumaMcpError: Luma says that there is no such job, that the key is no good or the
                like; everybody who waits for it hears the same. Errors that may pass are ridden
                out, and raised only if no state was learnt in all the time.
        """
        if known is not None and (known.is_final or seconds <= 0):
            return known
        key = self._keys.get(name.key) or _Key()
        if self._is_closed_to(key):
            return known if known is not None else await self._present(name, key, look, seconds)
        group = self._join(name, key, look, known)
        try:
            return await self._stay(group, seconds, report, is_news or _nothing)
        finally:
            self._leave(group)

    def ring(self, sign: CallSign) -> None:
        """Let the watch that is called so look before its time, if there is one."""
        if group := self._called.get(sign):
            group.watch.ring()

    def stop(self) -> None:
        """Send everybody home with the newest state; nobody waits any more from now on."""
        self._stopping = True
        for group in self._groups.values():
            group.watch.announce()

    def _is_closed_to(self, key: _Key) -> bool:
        full = self.waiters >= self._max_waiters or key.waiters >= self._max_waiters_of_a_key
        return self._stopping or full

    def _join(self, name: JobName, key: _Key, look: Look[Job], known: Job | None) -> _Group:
        group = self._groups.get(name)
        if group is None or group.watch.error is not None:
            watch = Watch(look, known, self._pace, key.quiet)
            group = self._groups[name] = _Group(name, key, watch)
        elif group.watch.job is None and known is not None:
            group.watch.tell(known)
        self._keys[name.key] = key
        group.waiters += 1
        key.waiters += 1
        self.waiters += 1
        return group

    def _leave(self, group: _Group) -> None:
        group.waiters -= 1
        group.key.waiters -= 1
        self.waiters -= 1
        if group.waiters:
            return
        group.watch.end()
        if not group.key.waiters:
            del self._keys[group.name.key]
        if self._groups.get(group.name) is group:
            del self._groups[group.name]
        if group.call_sign and self._called.get(group.call_sign) is group:
            del self._called[group.call_sign]

    async def _stay(
        self,
        group: _Group,
        seconds: float,
        report: Report | None,
        is_news: Callable[[Any], bool],
    ) -> Any:  # noqa: ANN401 - a Job
        watch, clock = group.watch, self._pace.clock
        now = started = clock.time()
        deadline = started + seconds
        while True:
            # Taken before anything is awaited, so that no change is missed.
            news, job = watch.news, watch.job
            if watch.error is not None:
                raise _own(watch.error, group) from watch.error.__cause__
            if now >= deadline or self._stopping:
                return job if job is not None else self._nothing_learnt(group, now)
            self._learn_call_sign(group)
            if report is not None and (job is not None or now > started):
                await self._pace.within(deadline, report(job, now - started))
            if job is not None and (job.is_final or is_news(job)):
                return job
            tick = math.inf if report is None else REPORT_SECONDS
            await self._pace.until(min(deadline, now + tick), news)
            now = clock.time()

    def _nothing_learnt(self, group: _Group, now: float) -> None:
        """Say what kept the watch from learning anything, if it was more than time."""
        refusal = group.key.quiet.refusal(now)
        trouble = group.watch.trouble or refusal
        if self._stopping or trouble is None:
            return
        error = copy.copy(trouble)
        error.advice = GOES_ON
        error.generation_id = group.name.id
        if refusal is not None:
            error.retry_after_seconds = refusal.retry_after_seconds
        raise error

    async def _present(
        self, name: JobName, key: _Key, look: Look[Job], seconds: float
    ) -> Job | None:
        """Give the state without a place in the room: as others know it, else by one look."""
        group, now = self._groups.get(name), self._pace.clock.time()
        if group is not None and group.watch.error is None and group.watch.job is not None:
            return group.watch.job
        if self._stopping:
            return None
        if refusal := key.quiet.refusal(now):
            raise refusal
        return await self._pace.within(now + seconds, look())

    def _learn_call_sign(self, group: _Group) -> None:
        if self._call_sign_of is None or group.call_sign is not None or group.watch.job is None:
            return
        sign = self._call_sign_of(group.watch.job)
        if sign is not None and sign.key == group.name.key:
            group.call_sign = sign
            self._called[sign] = group


def _nothing(_job: object) -> bool:
    return False


def _own(error: LumaMcpError, group: _Group) -> LumaMcpError:
    """Give one waiter an error of its own, with the id of a job that was seen."""
    own = copy.copy(error)
    if group.watch.job is not None:
        own.generation_id = group.name.id
    return own
