"""Who calls: over HTTP the headers of each request say it, whoever the process belongs to."""

import asyncio

import httpx

from luma_mcp.mcp_server import build_mcp
from luma_mcp.settings import load_settings
from luma_mcp.web.authentication import KeyGate, KeyVerifier
from tests.conftest import KEY
from tests.services import access_with, open_services_over
from tests.tools.calls import Upstream, modern_call


async def test_calls_over_http_go_to_luma_with_the_key_of_their_own_request() -> None:
    settings = load_settings(dream_machine_url="http://sandbox/dream-machine/v1")
    upstream = Upstream({"GET /dream-machine/v1/ping": {"message": "pong"}})
    verifier = KeyVerifier(settings)
    owner = access_with(KEY)
    server = build_mcp(
        lambda: open_services_over(httpx.ASGITransport(upstream), settings, owner), auth=verifier
    )
    app = server.http_app(path="/mcp", stateless_http=True)
    gate = KeyGate(app, verifier)
    keys = [f"luma-key-{number}" for number in range(20)]
    async with app.router.lifespan_context(app), asyncio.TaskGroup() as group:
        for key in keys:
            group.create_task(modern_call(gate, "ping", {}, Authorization=f"Bearer {key}"))
    assert sorted(upstream.keys) == sorted(f"Bearer {key}" for key in keys)
