"""Where things are on this server."""

from starlette.requests import Request

from luma_mcp.settings import Settings

MCP_PATH = "/mcp"


def endpoint(request: Request, settings: Settings) -> str:
    """Give the address of the MCP endpoint as the one who asks sees it."""
    base = settings.public_url or str(request.base_url).rstrip("/")
    return f"{base}{MCP_PATH}"
