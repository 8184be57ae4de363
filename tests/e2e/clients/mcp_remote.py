"""mcp-remote, the bridge for clients that know only stdio, with the SDK for Python before it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory

from mcp import Client, StdioServerParameters

from tests.e2e.clients.python_sdk_2 import PythonSdk2
from tests.e2e.requirements import NODE, need_node_clients

PROGRAM = NODE / "node_modules" / ".bin" / "mcp-remote"


@asynccontextmanager
async def connect(
    endpoint: str, headers: dict[str, str], protocol: str
) -> AsyncGenerator[PythonSdk2]:
    """Start the bridge, which speaks to the server by `--protocol` legacy or auto."""
    variables = need_node_clients()
    with TemporaryDirectory() as folder:
        bridge = StdioServerParameters(
            command=str(PROGRAM),
            args=[
                *(endpoint, "--allow-http", "--transport", "http-only", "--protocol", protocol),
                *(word for name in headers for word in ("--header", f"{name}: {headers[name]}")),
            ],
            env={**variables, "MCP_REMOTE_CONFIG_DIR": folder},
        )
        async with Client(bridge, mode="legacy") as client:
            yield PythonSdk2(client)
