"""What every message of protocol 2026-07-28 carries, and what the gravest of errors says."""

from mcp_types.version import LATEST_MODERN_VERSION

from luma_mcp.luma.apis import DREAM_MACHINE

MODERN = LATEST_MODERN_VERSION
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
# What the error of a paid call in doubt advises, by its API.
MAY_EXIST = DREAM_MACHINE.may_exist
