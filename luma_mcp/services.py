"""The two lifetimes: `Services` live as long as the process, a `Caller` as long as one request."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from luma_mcp.callbacks import Callbacks
from luma_mcp.credentials import ApiKey, Credentials
from luma_mcp.errors import KEYS_PAGE, Internal, LumaMcpError, MissingKey, RefusedByPolicy
from luma_mcp.luma.dream_machine import DreamMachine
from luma_mcp.luma.dream_machine_models import Generation
from luma_mcp.luma.failures import UNDELIVERED, meaning_of
from luma_mcp.luma.ids import checked_id
from luma_mcp.luma.reachability import Reachability
from luma_mcp.luma.sending import Sender
from luma_mcp.luma.transport import open_client
from luma_mcp.redaction import hiding
from luma_mcp.sealing import Sealer
from luma_mcp.settings import Settings
from luma_mcp.stopping import UnderWay
from luma_mcp.telemetry import get_logger
from luma_mcp.waiting import JobName, Report, WaitingRoom
from luma_mcp.watching import Pace

_log = get_logger()


@dataclass(frozen=True)
class Access:
    """What one request may use: its keys, and the switches that narrow the tools on offer."""

    credentials: Credentials
    toolsets: frozenset[str]
    readonly: bool

    @classmethod
    def by(cls, settings: Settings, credentials: Credentials | None = None) -> Self:
        """Give all that the operator offers, to these keys or to none."""
        return cls(credentials or Credentials(), frozenset(settings.toolsets), settings.readonly)

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
    reachability: Reachability
    waiting_room: WaitingRoom = field(default_factory=WaitingRoom)
    callbacks: Callbacks | None = None
    own_access: Access | None = None
    under_way: UnderWay = field(default_factory=UnderWay)

    def stop(self) -> None:
        """Send home who waits; when the last call is answered, nothing keeps the process."""
        self.waiting_room.stop()
        self.under_way.end()


@dataclass(frozen=True)
class Caller:
    """One request's view of Luma: the shared services with this caller's own keys.

    `report` hears how a job goes on while the caller waits for it, if it wants to know.
    """

    services: Services
    access: Access
    report: Report | None = None

    @property
    def dream_machine(self) -> DreamMachine:
        """The Dream Machine API with the caller's key.

        Raises:
            MissingKey: The request brought no key for it.
        """
        key, callbacks = self._dream_machine_key, self.services.callbacks
        if callbacks is None or not callbacks.in_use:
            return DreamMachine(self.services.dream_machine, key.secret)
        make_url = partial(callbacks.make_url, key.fingerprint)
        return DreamMachine(self.services.dream_machine, key.secret, make_url)

    async def wait(self, job: Generation, seconds: float) -> Generation:
        """Wait for a job that was just created; gives its newest state, whatever happens.

        The job is paid for, so that trouble with waiting is no reason to answer an error: the
        next call about the job will tell.
        """
        try:
            return await self._wait(checked_id(job.id or ""), seconds, job)
        except Exception as error:  # noqa: BLE001 - whatever it is, the job is paid for
            if not isinstance(error, LumaMcpError) or isinstance(error, Internal):
                _log.exception("fault", generation_id=job.id)
            return job
        except asyncio.CancelledError:
            _log.warning("left", generation_id=job.id)
            raise

    async def wait_for(self, generation_id: str, seconds: float) -> Generation:
        """Wait for any job that the caller's key sees; gives its newest state.

        Where none was learnt in that time it has no state, only its id.

        Raises:
            LumaMcpError: The job cannot be seen, or Luma was in trouble all the time.
        """
        return await self._wait(checked_id(generation_id), seconds)

    async def look_at(self, generation_id: str) -> Generation:
        """Give the present state of a job.

        Raises:
            LumaMcpError: The job cannot be seen.
        """
        job = await self.dream_machine.get_generation(generation_id)
        self._heed(job)
        return job

    async def _wait(
        self, generation_id: str, seconds: float, known: Generation | None = None
    ) -> Generation:
        key = self._dream_machine_key
        name = JobName(key.fingerprint, "dream_machine", generation_id)
        look = partial(_look, self.dream_machine, key, generation_id)
        job = await self.services.waiting_room.wait(
            name, look, seconds, known=known, report=self.report
        )
        if job is None:
            return Generation(id=generation_id)
        self._heed(job)
        return job

    def _heed(self, job: Generation) -> None:
        """Notice when a job failed because a callback of ours could not be delivered."""
        callbacks = self.services.callbacks
        undelivered = job.state == "failed" and meaning_of(job.failure_reason) is UNDELIVERED
        if callbacks is not None and undelivered and callbacks.call_sign_of(job) is not None:
            callbacks.give_up()

    @property
    def _dream_machine_key(self) -> ApiKey:
        credentials = self.access.credentials
        if credentials.dream_machine is None:
            raise _missing(credentials)
        return credentials.dream_machine


async def _look(luma: DreamMachine, key: ApiKey, generation_id: str) -> Generation:
    """Look for a watch: it runs outside of any request, and asks again by itself."""
    with hiding(key.secret):
        return await luma.get_generation(generation_id, attempts=1)


def _missing(credentials: Credentials) -> LumaMcpError:
    if credentials.agents is None:
        return MissingKey("This tool needs your Luma API key.")
    return MissingKey(
        "This tool needs a key for Luma's Dream Machine API; the key that came is for the "
        "Agents API.",
        advice="Add the header 'X-Luma-API-Key: <Dream Machine key>', with a key made at "
        f"{KEYS_PAGE}.",
    )


@asynccontextmanager
async def open_services(
    settings: Settings, own_access: Access | None = None, pace: Pace | None = None
) -> AsyncGenerator[Services]:
    """Open what the process shares, and close it at the end.

    Args:
        settings: What the operator set.
        own_access: What the one user of stdio may use.
        pace: By what waiting measures time; the machine's own clock by default.
    """
    connections = settings.upstream_connections
    seconds = settings.upstream_timeout_seconds
    async with open_client(connections, seconds) as client:
        slots = asyncio.Semaphore(connections)
        sender = Sender(client, slots, settings.upstream_url, seconds)
        reachability = Reachability(client, settings.upstream_url)
        callbacks = Callbacks(url, Sealer()) if (url := settings.callbacks_url) else None
        room = WaitingRoom(pace, call_sign_of=callbacks.call_sign_of if callbacks else None)
        try:
            yield Services(settings, sender, reachability, room, callbacks, own_access)
        finally:
            await sender.finish()
