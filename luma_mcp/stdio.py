"""A process that serves its one user over stdin and stdout."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from luma_mcp.credentials import AGENTS_KEY_HEADER, Credentials, credentials_from_headers
from luma_mcp.errors import LumaMcpError
from luma_mcp.importing import importing
from luma_mcp.luma.apis import AGENTS, DREAM_MACHINE
from luma_mcp.settings import SettingError, Settings, load_stdio_keys
from luma_mcp.stopping import ending_in_order

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from luma_mcp.services import Services


def _own_credentials() -> Credentials:
    """Read the keys of the one user from the environment."""
    keys = load_stdio_keys()
    given = (("x-luma-api-key", keys.luma_api_key), (AGENTS_KEY_HEADER, keys.luma_agents_api_key))
    headers = [(name, key.get_secret_value()) for name, key in given if key]
    try:
        credentials = credentials_from_headers(headers)
    except LumaMcpError:
        raise SettingError(
            "LUMA_API_KEY or LUMA_AGENTS_API_KEY does not hold an API key."
        ) from None
    if credentials is None:
        raise SettingError(
            f"set LUMA_API_KEY to your key for Luma's Dream Machine API "
            f"({DREAM_MACHINE.keys_page}), LUMA_AGENTS_API_KEY to that for its Agents API "
            f"({AGENTS.keys_page}), or both."
        )
    return credentials


def serve(settings: Settings) -> None:
    """Serve until stdin ends or the process is told to end.

    Raises:
        SettingError: There is no key, or the sandbox is wanted.
    """
    if settings.sandbox:
        raise SettingError(
            "LUMA_MCP_SANDBOX needs HTTP: run `luma-mcp sandbox` and let "
            "LUMA_MCP_DREAM_MACHINE_URL and LUMA_MCP_AGENTS_URL point to it."
        )
    credentials = _own_credentials()
    # This takes seconds, in which nobody shall wait to hear what is wrong.
    with importing():
        from luma_mcp.mcp_server import build_mcp  # noqa: PLC0415
        from luma_mcp.services import Access, open_services  # noqa: PLC0415

    access = Access.by(settings, credentials)

    @asynccontextmanager
    async def services() -> "AsyncGenerator[Services]":
        async with open_services(settings, access) as opened:
            with ending_in_order(partial(_say_farewell, opened)):
                yield opened

    mcp = build_mcp(services, page_sources=settings.page_sources)
    asyncio.run(mcp.run_async("stdio", show_banner=False))


async def _say_farewell(services: "Services") -> None:
    """Let calls under way be answered: nothing on stdio says when the last answer is out."""
    services.stop()
    await services.under_way.answered()
    await services.finish()
