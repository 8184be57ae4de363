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
# A trace that a request is part of (W3C Trace Context).
TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"
