"""Clients whose id is the address of a page that says who they are; FastMCP fetches and checks it.

The draft is draft-ietf-oauth-client-id-metadata-document. FastMCP connects by https to the public
address that it checked, follows no redirect, and reads 5 kB at most.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from cachetools import TTLCache
from fastmcp.server.auth.cimd import CIMDClientManager, CIMDDocument

from luma_mcp.errors import Unavailable
from luma_mcp.oauth.redirects import normalized
from luma_mcp.telemetry import get_logger
from luma_mcp.wording import one_line

_log = get_logger()
MAX_REASON = 200
# Names are looked up in threads that the whole process shares, five at least: whoever makes names
# that take their time must leave some to the calls of Luma.
MAX_FETCHES = 3
PATIENCE_SECONDS = 10.0
MAX_RECENT, RECENT_SECONDS = 1_000, 300


class Documents(CIMDClientManager):
    """FastMCP's, which trusts the shape of foreign addresses, documents and assertions too much."""

    def is_cimd_client_id(self, client_id: str) -> bool:
        """Tell whether an id is an address, plainly written: it is shown to people."""
        parts = urlsplit(client_id) if normalized(client_id) == client_id else None
        is_plain = parts and "@" not in parts.netloc and "#" not in client_id
        return bool(is_plain) and super().is_cimd_client_id(client_id)

    def __init__(self) -> None:
        super().__init__()
        self._recent = TTLCache[str, CIMDDocument](MAX_RECENT, RECENT_SECONDS)
        self._slots = asyncio.Semaphore(MAX_FETCHES)

    async def fetch(self, client_id: str) -> CIMDDocument | None:
        """Get the document of a client; None if there is none that can be read.

        Raises:
            Unavailable: Too many others are being fetched.
        """
        recent = self._recent.get(client_id)
        if recent is not None:
            return recent
        async with self._slot():
            document = await self._fetch(client_id)
        if document is not None:
            self._recent[client_id] = document
        return document

    @asynccontextmanager
    async def _slot(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            raise Unavailable("Too many pages of clients are being read just now.") from None
        try:
            yield
        finally:
            self._slots.release()

    async def _fetch(self, client_id: str) -> CIMDDocument | None:
        try:
            return await self._fetcher.fetch(client_id)
        except Exception as error:  # noqa: BLE001 - whatever a foreign text makes of FastMCP
            reason = one_line(f"{type(error).__name__}: {error}", MAX_REASON)
            _log.warning("metadata document not read", client=client_id, reason=reason)
            return None

    async def validate_private_key_jwt(
        self,
        assertion: str,
        client: Any,  # noqa: ANN401 - likewise
        token_endpoint: str,
    ) -> bool:
        """Check what a client signed.

        Raises:
            ValueError: It is not right, or nothing that could be.
        """
        # FastMCP hands it on as the audience, of which there may be several: some clients name the
        # token endpoint, others the issuer.
        audience: Any = [token_endpoint, token_endpoint.removesuffix("/token")]
        try:
            return await super().validate_private_key_jwt(assertion, client, audience)
        except (AttributeError, OverflowError, TypeError) as error:
            raise ValueError("it or the client's keys cannot be read") from error
