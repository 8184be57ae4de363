"""What every message of protocol 2026-07-28 carries."""

from mcp_types.version import LATEST_MODERN_VERSION

MODERN = LATEST_MODERN_VERSION
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
