"""The MCP server itself: what it offers, its middleware, what it says about itself."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import fastmcp
from fastmcp import FastMCP
from fastmcp.server.auth import AuthProvider
from fastmcp.server.lifespan import lifespan

from luma_mcp import __version__
from luma_mcp.calls import ToolCalls
from luma_mcp.middleware import OwnTools
from luma_mcp.offers import add_offers
from luma_mcp.services import Services
from luma_mcp.tools import build_tools
from luma_mcp.widgets import LatestPages, build_widgets, with_widgets

INSTRUCTIONS = """\
Makes videos and pictures with Luma's models, paid by the user's own Luma API key: ray-2, \
ray-flash-2, photon-1 and photon-flash-1 with a key for Dream Machine; ray-3.2, uni-1 and \
uni-1-max with one for the Agents API. luma://models says what each can do and costs, \
luma://guide/prompting how to write prompts for them.

Creating costs credits each time and starts a job. While is_final is false in an answer, the job \
goes on by itself: call wait_for_generation with its id, again if need be, and never create the \
same thing again because it takes long. Show the links of finished videos and pictures to the \
user. Errors say in `advice` what to do; after one that says that a job may exist, never create it \
again before you have done what it says. With an idempotency_key you may repeat any call that \
creates: it makes no second job. Before something costly use estimate_cost, or set max_cost_usd.
"""


class LumaServer(FastMCP):
    """FastMCP with our tools; `calls` answers them without it where nothing of it is needed."""

    def __init__(self, calls: ToolCalls, **options: Any) -> None:  # noqa: ANN401 - FastMCP's
        own = OwnTools(calls)
        super().__init__(tools=list(calls.tools.values()), middleware=[own], **options)
        self.calls = calls

    @property
    def info(self) -> dict[str, Any]:
        """Give what the server says of itself in results of protocol 2026-07-28."""
        return self._mcp_server.server_info_stamp


def build_mcp(
    open_services: Callable[[], AbstractAsyncContextManager[Services]],
    auth: AuthProvider | None = None,
    page_sources: Sequence[str] = (),
) -> LumaServer:
    """Build the server around services that live as long as it runs.

    Args:
        open_services: Opens what the process shares; entered once, however many transports
            the server has.
        auth: Who may call, over HTTP; stdio needs none.
        page_sources: The origins from which pages in a chat may load media.
    """

    @lifespan
    async def services_lifespan(_server: FastMCP) -> AsyncGenerator[dict[str, Any]]:
        async with open_services() as services:
            yield {"services": services}

    # There is no exporter that spans could go to, and making them was a tenth of a call.
    fastmcp.settings.telemetry_mode = "off"
    widgets = build_widgets(page_sources)
    calls = ToolCalls(with_widgets(build_tools(), widgets))
    server = LumaServer(
        calls,
        name="luma-mcp",
        instructions=INSTRUCTIONS,
        version=__version__,
        auth=auth,
        lifespan=services_lifespan,
        mask_error_details=True,
    )
    add_offers(server, calls)
    server.add_middleware(LatestPages(widgets))
    for widget in widgets.values():
        server.add_resource(widget.resource())
    return server
