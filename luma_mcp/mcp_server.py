"""The MCP server itself: its tools, its middleware and what it says about itself."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import fastmcp
from fastmcp import FastMCP
from fastmcp.server.auth import AuthProvider
from fastmcp.server.lifespan import lifespan
from fastmcp.tools import Tool
from fastmcp.utilities.versions import VersionSpec

from luma_mcp import __version__
from luma_mcp.middleware import ToolCalls
from luma_mcp.services import Services
from luma_mcp.tools import build_tools
from luma_mcp.tools.definition import LumaTool

INSTRUCTIONS = """\
Makes videos and pictures with Luma's models, paid by the user's own Luma API key.

Creating costs credits each time and starts a job. While is_final is false in an answer, the job \
goes on by itself: call wait_for_generation with its id, again if need be, and never create the \
same thing again because it takes long. Show the links of finished videos and pictures to the \
user. Errors say in `advice` what to do; after one that says that a job may exist, look with \
list_generations first.
"""


class LumaServer(FastMCP):
    """FastMCP with tools that never change: a call finds its tool at once.

    Asking every provider, transform and visibility rule was a tenth of a call when measured, and
    there are none here; a tool that is not one of ours is still looked for that way.
    """

    def __init__(self, tools: Mapping[str, LumaTool], **options: Any) -> None:  # noqa: ANN401 - FastMCP's
        super().__init__(tools=list(tools.values()), **options)
        self.own_tools = tools

    async def get_tool(self, name: str, version: VersionSpec | None = None) -> Tool | None:
        """Find a tool by its name."""
        return self.own_tools.get(name) or await super().get_tool(name, version)


def build_mcp(
    open_services: Callable[[], AbstractAsyncContextManager[Services]],
    auth: AuthProvider | None = None,
) -> LumaServer:
    """Build the server around services that live as long as it runs.

    Args:
        open_services: Opens what the process shares; entered once, however many transports
            the server has.
        auth: Who may call, over HTTP; stdio needs none.
    """

    @lifespan
    async def services_lifespan(_server: FastMCP) -> AsyncGenerator[dict[str, Any]]:
        async with open_services() as services:
            yield {"services": services}

    # There is no exporter that spans could go to, and making them was a tenth of a call.
    fastmcp.settings.telemetry_mode = "off"
    tools = build_tools()
    server = LumaServer(
        tools,
        name="luma-mcp",
        instructions=INSTRUCTIONS,
        version=__version__,
        auth=auth,
        lifespan=services_lifespan,
        middleware=[ToolCalls(tools)],
        mask_error_details=True,
    )
    _spare_the_hidden_listing(server, {name: tool.parameters for name, tool in tools.items()})
    return server


def _spare_the_hidden_listing(server: FastMCP, schemas: dict[str, dict[str, Any]]) -> None:
    """Hand the SDK the input schemas, which it would otherwise list anew for every call.

    In protocol 2026-07-28 the SDK checks Mcp-Param-* headers against the tool's schema, and
    FastMCP 4.1 leaves it to a complete tools/list through all middleware. A test notices when
    this is no longer needed.
    """
    server._mcp_server.get_tool_input_schema = schemas.get  # noqa: SLF001 - no public way yet
