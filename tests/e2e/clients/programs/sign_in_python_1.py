"""Signing in with the MCP SDK for Python 1.x's own code: the twin of sign_in.mjs."""

import asyncio
import json
import sys

import httpx
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

from tests.e2e.clients.signing_in import LONG_AGO, METADATA, Json, Storage, parameters_of


async def show(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


async def back() -> tuple[str, str | None]:
    """Read where the user's browser came back to."""
    parameters = parameters_of(await asyncio.to_thread(sys.stdin.readline))
    return parameters["code"], parameters["state"]


async def sign_in(endpoint: str) -> Json:
    """Sign in, call a tool, call it once more when the access token has expired."""
    storage = Storage()
    metadata = OAuthClientMetadata.model_validate(METADATA)
    provider = OAuthClientProvider(endpoint, metadata, storage, show, back)
    async with (
        httpx.AsyncClient(auth=provider, timeout=60) as http,
        streamable_http_client(endpoint, http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        tools = [tool.name for tool in (await session.list_tools()).tools]
        first = await session.call_tool("get_credits")
        provider.context.token_expiry_time = LONG_AGO
        second = await session.call_tool("get_credits")
    return storage.report(tools, first.structuredContent, second.structuredContent)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(sign_in(sys.argv[1]))) + "\n")
