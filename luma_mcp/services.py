"""The two lifetimes: `Services` live as long as the process, a `Caller` as long as one request."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from luma_mcp.credentials import Credentials
from luma_mcp.errors import KEYS_PAGE, LumaMcpError, MissingKey, RefusedByPolicy
from luma_mcp.luma.dream_machine import DreamMachine
from luma_mcp.luma.reachability import Reachability
from luma_mcp.luma.sending import Sender
from luma_mcp.luma.transport import open_client
from luma_mcp.settings import Settings


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

    def offers(self, toolset: str, *, reads_only: bool) -> bool:
        """Tell whether a tool of this group is on offer to this request."""
        return toolset in self.toolsets and (reads_only or not self.readonly)

    def check(self, tool: str, toolset: str, *, reads_only: bool) -> None:
        """Refuse a tool that is not on offer; hiding it from the list would not be enough.

        Raises:
            RefusedByPolicy: Says which switch forbids it.
        """
        if self.offers(toolset, reads_only=reads_only):
            return
        if toolset not in self.toolsets:
            raise RefusedByPolicy(
                f"{tool} belongs to the toolset '{toolset}', which is switched off here.",
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
    own_access: Access | None = None


@dataclass(frozen=True)
class Caller:
    """One request's view of Luma: the shared services with this caller's own keys."""

    services: Services
    access: Access

    @property
    def dream_machine(self) -> DreamMachine:
        """The Dream Machine API with the caller's key.

        Raises:
            MissingKey: The request brought no key for it.
        """
        credentials = self.access.credentials
        if credentials.dream_machine is None:
            raise _missing(credentials)
        return DreamMachine(self.services.dream_machine, credentials.dream_machine.secret)


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
    settings: Settings, own_access: Access | None = None
) -> AsyncGenerator[Services]:
    """Open what the process shares, and close it at the end."""
    connections = settings.upstream_connections
    seconds = settings.upstream_timeout_seconds
    async with open_client(connections, seconds) as client:
        slots = asyncio.Semaphore(connections)
        sender = Sender(client, slots, settings.upstream_url, seconds)
        reachability = Reachability(client, settings.upstream_url)
        try:
            yield Services(settings, sender, reachability, own_access)
        finally:
            await sender.finish()
