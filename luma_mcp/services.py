"""The two lifetimes: `Services` live as long as the process, a `Caller` as long as one request."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Self

from opentelemetry.trace import SpanContext

from luma_mcp.callbacks import Callbacks
from luma_mcp.credentials import ApiKey, Credentials
from luma_mcp.engine import Engine
from luma_mcp.errors import Internal, LumaMcpError, MissingKey, RefusedByPolicy
from luma_mcp.ledger import Ledger, MemoryLedger, ledger_in
from luma_mcp.limiting import Limits
from luma_mcp.luma.agents import Agents
from luma_mcp.luma.agents_models import File
from luma_mcp.luma.apis import AGENTS, APIS, DREAM_MACHINE, Api
from luma_mcp.luma.catalogue import MODELS
from luma_mcp.luma.dream_machine import DreamMachine
from luma_mcp.luma.ids import api_of_id, checked_id
from luma_mcp.luma.jobs import UNKNOWN_STATE, Job
from luma_mcp.luma.reachability import Reachability
from luma_mcp.luma.sending import Sender, Witness
from luma_mcp.luma.transport import open_client
from luma_mcp.metrics import Metrics
from luma_mcp.orders import Allowance, Bounds, Orders, Receipt
from luma_mcp.previews import Previews
from luma_mcp.redaction import hiding
from luma_mcp.sealing import Sealer
from luma_mcp.settings import Settings
from luma_mcp.stopping import UnderWay
from luma_mcp.telemetry import get_logger
from luma_mcp.tracing import Tracing, open_tracing
from luma_mcp.waiting import JobName, Report, WaitingRoom
from luma_mcp.watching import Pace

_log = get_logger()


def unheard() -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Access:
    """What one request may use: its keys, and what its headers let it do and spend."""

    credentials: Credentials
    toolsets: frozenset[str]
    readonly: bool
    previews: bool = True
    allowance: Allowance = field(default_factory=Allowance)
    # Who let the request in with keys of a sign-in hears that Luma refused one.
    on_rejected_key: Callable[[], None] = unheard

    @classmethod
    def by(cls, settings: Settings, credentials: Credentials | None = None) -> Self:
        """Give all that the operator offers, to these keys or to none."""
        return cls(
            credentials or Credentials(),
            frozenset(settings.toolsets),
            settings.readonly,
            settings.previews,
        )

    def offers(self, toolsets: Sequence[str], *, reads_only: bool) -> bool:
        """Tell whether a tool of these groups is on offer to this request."""
        return not self.toolsets.isdisjoint(toolsets) and (reads_only or not self.readonly)

    def check(self, tool: str, toolsets: Sequence[str], *, reads_only: bool) -> None:
        """Refuse a tool that is not on offer; hiding it from the list would not be enough.

        Raises:
            RefusedByPolicy: Says which switch forbids it.
        """
        if self.offers(toolsets, reads_only=reads_only):
            return
        if self.toolsets.isdisjoint(toolsets):
            raise RefusedByPolicy(
                f"{tool} belongs to the toolset '{toolsets[-1]}', which is switched off here.",
                advice="Name it in the header X-MCP-Toolsets, or ask the operator of this server.",
            )
        raise RefusedByPolicy(
            f"{tool} changes or spends something, and this connection is read-only.",
            advice="Remove the header X-MCP-Readonly, or ask the operator of this server.",
        )


@dataclass(frozen=True)
class Services:
    """What all requests of the process share.

    `own_access` holds the key of the one user of the stdio transport. Over HTTP it is None: no
    key is kept, and there is nothing on the server's side to fall back to.
    """

    settings: Settings
    dream_machine: Sender
    agents: Sender
    reachability: Reachability
    waiting_room: WaitingRoom = field(default_factory=WaitingRoom)
    callbacks: Callbacks | None = None
    own_access: Access | None = None
    engine: Engine | None = None
    ledger: Ledger = field(default_factory=MemoryLedger)
    under_way: UnderWay = field(default_factory=UnderWay)
    previews: Previews | None = None
    metrics: Metrics = field(default_factory=Metrics)
    tracing: Tracing = field(default_factory=Tracing)
    limits: Limits = field(default_factory=Limits)

    def readings(self) -> dict[str, float]:
        """Read the gauges of `metrics`, by their names."""
        senders = (self.dream_machine, self.agents)
        read: dict[str, float] = {
            "luma_mcp_waiters": self.waiting_room.waiters,
            "luma_mcp_watched_jobs": self.waiting_room.jobs,
            "luma_mcp_upstream_slots": self.settings.upstream_connections,
            "luma_mcp_upstream_slots_in_use": sum(one.running for one in senders),
            "luma_mcp_upstream_queue": sum(one.queued for one in senders),
            "luma_mcp_draining": self.waiting_room.is_stopping,
        }
        if self.engine is not None:
            read["luma_mcp_shared_store_up"] = self.engine.is_reachable
        return read

    def stop(self) -> None:
        """Send home who waits; when the last call is answered, nothing keeps the process."""
        self.waiting_room.stop()
        self.under_way.end()

    @cached_property
    def orders(self) -> Orders:
        """The orders of paid jobs."""
        seconds = self.settings.upstream_timeout_seconds
        return Orders(self.ledger, self.limits, self.metrics, seconds)

    async def finish(self) -> None:
        """Wait for paid calls that nobody waits for any more."""
        await self.orders.finish()
        await self.dream_machine.finish()
        await self.agents.finish()


@dataclass(frozen=True)
class Caller:
    """One request's view of Luma: the shared services with this caller's own keys.

    `report` hears how a job goes on while the caller waits for it, if it wants to know. A client
    that shows our pages needs no previews. `trace` is what the client makes the request part of.
    """

    services: Services
    access: Access
    report: Report | None = None
    shows_pages: bool = False
    trace: SpanContext | None = None

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Whom limits count for: each key that came, so that a second one makes no new caller."""
        return tuple({key.fingerprint: None for key in self.access.credentials.keys})

    @property
    def dream_machine(self) -> DreamMachine:
        """The Dream Machine API with the caller's key.

        Raises:
            MissingKey: The request brought no key for it.
        """
        key, callbacks = self.key_for(DREAM_MACHINE), self.services.callbacks
        if callbacks is None or not callbacks.in_use:
            return DreamMachine(self.services.dream_machine, key.secret)
        make_url = partial(callbacks.make_url, key.fingerprint)
        return DreamMachine(self.services.dream_machine, key.secret, make_url)

    @property
    def agents(self) -> Agents:
        """The Agents API with the caller's key.

        Raises:
            MissingKey: The request brought no key for it.
        """
        return Agents(self.services.agents, self.key_for(AGENTS).secret)

    def key_for(self, api: Api, *, what: str = "This tool", instead: Sequence[str] = ()) -> ApiKey:
        """Give the caller's key for an API.

        Args:
            api: Which one.
            what: What needs it.
            instead: Models that do the same with a key for the other API.

        Raises:
            MissingKey: The request brought none; says what to send, and which models do without.
        """
        credentials = self.access.credentials
        key = credentials.key_for(api)
        if key is None:
            raise _missing(api, what, instead if credentials.keys else (), credentials)
        return key

    def bounds(self, max_cost_usd: float | None = None) -> Bounds:
        """Give the lowest of what the call, its request and the operator let a job cost."""
        settings = self.services.settings
        operator = Allowance(settings.max_cost_usd, settings.daily_budget_usd)
        return Bounds.of(max_cost_usd, self.access.allowance, operator)

    async def follow(self, receipt: Receipt, seconds: float) -> Job:
        """Wait for a job that was ordered; gives its newest state, whatever happens.

        Of one that an earlier call made, no state may be learnt: the next call about it will tell.
        """
        job = receipt.job
        if not receipt.replayed:
            return await self.wait(job, seconds)
        try:
            look = self.wait_for(job.id or "", seconds) if seconds else self.look_at(job.id or "")
            return await look
        except Exception as error:  # noqa: BLE001 - whatever it is, the job is paid for
            _note(error, generation_id=job.id)
            return job

    async def wait(self, job: Job, seconds: float) -> Job:
        """Wait for a job that was just created; gives its newest state, whatever happens.

        The job is paid for, so that trouble with waiting is no reason to answer an error: the
        next call about the job will tell.
        """
        try:
            newest = await self._wait(job.id or "", seconds, job)
            return replace(newest, prompt=newest.prompt or job.prompt)
        except Exception as error:  # noqa: BLE001 - whatever it is, the job is paid for
            _note(error, generation_id=job.id)
            return job
        except asyncio.CancelledError:
            _log.warning("left", generation_id=job.id)
            raise

    async def wait_for(self, generation_id: str, seconds: float) -> Job:
        """Wait for any job that the caller's key sees; gives its newest state.

        Where none was learnt in that time it has no state, only its id.

        Raises:
            LumaMcpError: The job cannot be seen, or Luma was in trouble all the time.
        """
        return await self._wait(generation_id, seconds)

    async def wait_for_news(
        self, generation_id: str, known_state: str | None, seconds: float
    ) -> Job:
        """Wait until a job's state is another one than the caller knows; gives the newest.

        Raises:
            LumaMcpError: The job cannot be seen, or Luma was in trouble all the time.
        """
        return await self._wait(
            generation_id, seconds, is_news=lambda job: (job.state or UNKNOWN_STATE) != known_state
        )

    async def look_at(self, generation_id: str) -> Job:
        """Give the present state of a job.

        Raises:
            LumaMcpError: The job cannot be seen.
        """
        job = await self._api_of(generation_id).get_generation(generation_id)
        self._heed(job)
        return job

    async def wait_for_file(self, file: File, seconds: float) -> File:
        """Wait until Luma has taken a file in; gives its newest state, whatever happens.

        The file is there, so that trouble with waiting is no reason to answer an error: whoever
        got one would upload it again.
        """
        key = self.key_for(AGENTS)
        name = JobName(key.fingerprint, "files", file.id or "")
        look = partial(_look_at_file, self.agents, key, name.id)
        try:
            return await self.services.waiting_room.wait(name, look, seconds, known=file) or file
        except Exception as error:  # noqa: BLE001 - whatever it is, the file is there
            _note(error, file_id=file.id)
            return file

    async def preview_of(self, job: Job) -> bytes | None:
        """Draw a small picture of what a job made, if the client cannot show it otherwise.

        Trouble with it is no reason to answer an error: there is none then.
        """
        if self.shows_pages or not self.access.previews:
            return None
        return await self.poster_of(job)

    async def poster_of(self, job: Job) -> bytes | None:
        """Draw a small picture of what a job made, if there is something that can be drawn."""
        previews, sight = self.services.previews, job.assets.sight if job.assets else None
        if previews is None or sight is None:
            return None
        url, kind = sight
        whose = f"{self.access.credentials.principal} {job.id}"
        try:
            return await previews.preview_of(url, kind=kind, whose=whose)
        except asyncio.CancelledError:  # the job may have been paid for in this very call
            _log.warning("left", generation_id=job.id)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, likewise
            _note(error, generation_id=job.id)
            return None

    def _api_of(self, generation_id: str) -> DreamMachine | Agents:
        return self.agents if api_of_id(generation_id) is AGENTS else self.dream_machine

    async def _wait(
        self,
        generation_id: str,
        seconds: float,
        known: Job | None = None,
        is_news: Callable[[Job], bool] | None = None,
    ) -> Job:
        api = api_of_id(generation_id)
        generation_id = f"{api.id_prefix}{checked_id(generation_id, api)}"
        key = self.key_for(api)
        # Its errors name the job, and so by the id that callers know.
        name = JobName(key.fingerprint, api.name, generation_id)
        look = partial(_look, self._api_of(generation_id), key, generation_id)
        job = await self.services.waiting_room.wait(
            name, look, seconds, known=known, report=self.report, is_news=is_news
        )
        if job is None:
            return Job(api=api.name, id=generation_id)
        self._heed(job)
        return job

    def _heed(self, job: Job) -> None:
        """Notice when a job failed because a callback of ours could not be delivered."""
        callbacks = self.services.callbacks
        undelivered = job.failure is not None and job.failure.code == "callback_failed"
        if callbacks is not None and undelivered and callbacks.call_sign_of(job) is not None:
            callbacks.give_up()


def _note(error: Exception, **whose: str | None) -> None:
    """Write down a fault of ours that is answered with what is known; Luma's trouble is no news."""
    if not isinstance(error, LumaMcpError) or isinstance(error, Internal):
        _log.error("fault", exc_info=error, **whose)


async def _look(luma: DreamMachine | Agents, key: ApiKey, generation_id: str) -> Job:
    """Look for a watch: it runs outside of any request, and asks again by itself."""
    with hiding(key.secret):
        return await luma.get_generation(generation_id, attempts=1)


async def _look_at_file(luma: Agents, key: ApiKey, file_id: str) -> File:
    """Look for a watch, likewise."""
    with hiding(key.secret):
        return await luma.get_file(file_id, attempts=1)


def _missing(api: Api, what: str, instead: Sequence[str], credentials: Credentials) -> LumaMcpError:
    if api is DREAM_MACHINE and not credentials.keys:
        return MissingKey(f"{what} needs your Luma API key.")
    other = next((one for one in APIS if credentials.key_for(one)), None)
    came = f"; the key that came is for its {other.title}" if other else ""
    way_out = f", or use {' or '.join(instead)}, which works with the key that came"
    return MissingKey(
        f"{what} needs a key for Luma's {api.title}{came}.",
        advice=f"Add the header '{api.key_header}: <key>' (over stdio, the variable "
        f"{api.variable}), with a key made at {api.keys_page}{way_out if instead else ''}.",
    )


@asynccontextmanager
async def open_services(
    settings: Settings,
    own_access: Access | None = None,
    pace: Pace | None = None,
    engine: Engine | None = None,
    metrics: Metrics | None = None,
    tracing: Tracing | None = None,
) -> AsyncGenerator[Services]:
    """Open what the process shares, and close it at the end.

    Args:
        settings: What the operator set.
        own_access: What the one user of stdio may use.
        pace: By what waiting measures time; the machine's own clock by default.
        engine: What the processes of one server share; closed at the end.
        metrics: What is counted with, by default for nobody to read; closed at the end.
        tracing: What makes spans, by default as the settings say; likewise.
    """
    metrics, tracing = metrics or Metrics(), tracing or open_tracing(settings)
    metrics.expect(MODELS)
    witness = Witness(metrics, tracing)
    connections = settings.upstream_connections
    seconds = settings.upstream_timeout_seconds
    async with (
        open_client(connections, seconds) as client,
        Previews(settings.media_sources) as previews,
    ):
        slots = asyncio.Semaphore(connections)
        callbacks = Callbacks(url, Sealer()) if (url := settings.callbacks_url) else None
        services = Services(
            settings,
            Sender(client, slots, settings.dream_machine_upstream, seconds, witness=witness),
            Sender(client, slots, settings.agents_upstream, seconds, api=AGENTS, witness=witness),
            Reachability(
                client,
                f"{settings.dream_machine_upstream}/ping",
                f"{settings.agents_upstream}/files",
            ),
            WaitingRoom(pace, call_sign_of=callbacks.call_sign_of if callbacks else None),
            callbacks,
            own_access,
            engine,
            ledger_in(engine),
            previews=previews,
            metrics=metrics,
            limits=Limits.by(settings, engine, metrics.limited) if own_access is None else Limits(),
            tracing=tracing,
        )
        try:
            async with metrics.reading(services.readings):
                yield services
        finally:
            await services.finish()
            await services.limits.close()
            if engine is not None:
                await engine.close()
            metrics.close()
            await tracing.close()
