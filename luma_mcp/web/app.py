"""The ASGI application: every path that the server answers, behind the same guards."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from fastmcp import FastMCP
from fastmcp.server.http import StarletteWithLifespan
from sse_starlette.sse import AppStatus
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from luma_mcp import callbacks
from luma_mcp.engine import open_engine
from luma_mcp.errors import InvalidRequest
from luma_mcp.mcp_server import build_mcp
from luma_mcp.metrics import open_metrics
from luma_mcp.oauth.server import RESOURCE_PATH, OAuth, build_oauth
from luma_mcp.pages import asset_routes
from luma_mcp.sandbox.app import running
from luma_mcp.sandbox.clock import Clock
from luma_mcp.services import Services, open_services
from luma_mcp.settings import SANDBOX_PATH, Settings
from luma_mcp.stopping import told_of_the_end
from luma_mcp.tracing import open_tracing
from luma_mcp.watching import Pace
from luma_mcp.web.addresses import MCP_PATH, endpoint
from luma_mcp.web.authentication import KeyGate, KeyVerifier
from luma_mcp.web.callbacks import hear
from luma_mcp.web.emulator import build_emulator
from luma_mcp.web.envelope import Envelope
from luma_mcp.web.guards import HostOriginGuard, PlainAddresses, TrimmedHeaders
from luma_mcp.web.health import alive, ready
from luma_mcp.web.home import Home
from luma_mcp.web.limits import BoundedBodies, LimitedRequests
from luma_mcp.web.metrics import MetricsPage
from luma_mcp.web.plain_calls import PlainCalls
from luma_mcp.web.refusals import Explained, refusal
from luma_mcp.web.streams import KEEP_ALIVE_SECONDS, CutShort, EndedStream, keep_alive_every


class _AsMcp:
    """Serves another path as /mcp: a redirect would lose the key or, behind TLS, the scheme."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        place = {"path": MCP_PATH, "raw_path": MCP_PATH.encode()}
        await self._app({**scope, **place}, receive, send)


class _Gone:
    """Says that the transport of 2024 is gone, and where to connect instead."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = endpoint(Request(scope), self._settings)
        error = InvalidRequest(
            "The HTTP+SSE transport of 2024 is not served here.",
            advice=f"Connect with the streamable HTTP transport to {address}.",
        )
        await refusal(error, 410)(scope, receive, send)


def _legacy_routes(
    mcp: FastMCP, verifier: KeyVerifier, settings: Settings, oauth: OAuth | None
) -> list[BaseRoute]:
    """Serve the HTTP+SSE transport, or say that it is gone.

    A POST whose key is not the one that opened the stream finds no such session: the SDK
    compares the principals, which are hashes of keys.
    """
    paths = ("/sse", "/messages", "/messages/")
    if not settings.legacy_sse:
        return [Route(path, _Gone(settings), methods=["GET", "POST"]) for path in paths]
    sse = mcp.http_app(path="/sse", transport="sse")
    gate = LimitedRequests(KeyGate(Envelope(sse), verifier, oauth))
    stream, *messages = paths
    return [Route(stream, EndedStream(gate)), *(Route(path, gate) for path in messages)]


def _oauth_routes(oauth: OAuth | None, gate: KeyGate) -> list[BaseRoute]:
    if oauth is None:
        return []
    mcp = _AsMcp(LimitedRequests(gate))
    return [Route(RESOURCE_PATH, mcp), Route(f"{RESOURCE_PATH}/", mcp), *oauth.routes]


def _sandbox_routes(
    settings: Settings, clock: Clock | None
) -> tuple[list[BaseRoute], Starlette | None]:
    if not settings.sandbox:
        return [], None
    emulator = build_emulator(settings, below=SANDBOX_PATH, clock=clock)
    return [Mount(SANDBOX_PATH, emulator)], emulator


def _middleware(settings: Settings) -> list[Middleware]:
    guards = [
        Middleware(CutShort),
        Middleware(TrimmedHeaders),
        Middleware(PlainAddresses),
        Middleware(HostOriginGuard, settings=settings),
    ]
    if settings.own_origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=settings.own_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["mcp-protocol-version", "retry-after", "www-authenticate"],
        )
        guards.append(cors)
    return [*guards, Middleware(BoundedBodies, settings.request_timeout_seconds)]


def _lifespan(streamable: StarletteWithLifespan, emulator: Starlette | None) -> Lifespan[Starlette]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        # sse-starlette would cut open streams at the first SIGTERM; uvicorn waits for them.
        AppStatus.disable_automatic_graceful_drain()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(streamable.lifespan(streamable))
            if emulator is not None:
                await stack.enter_async_context(running(emulator))
            yield

    return lifespan


def build_app(
    settings: Settings, sandbox_clock: Clock | None = None, pace: Pace | None = None
) -> Starlette:
    """Build the whole HTTP application.

    Args:
        settings: What the operator set.
        sandbox_clock: What the sandbox's jobs age by; the machine's own clock by default.
        pace: By what waiting measures time; the machine's own clock by default.

    Raises:
        SettingError: A setting turns out to be of no use.
    """
    keep_alive_every(KEEP_ALIVE_SECONDS)
    engine = open_engine(url.get_secret_value() if (url := settings.redis_url) else None)
    tracing, metrics = open_tracing(settings), open_metrics(settings)
    verifier = KeyVerifier(settings)

    @asynccontextmanager
    async def services() -> AsyncGenerator[Services]:
        async with open_services(
            settings, pace=pace, engine=engine, metrics=metrics, tracing=tracing
        ) as opened:
            app.state.services = opened
            with told_of_the_end(opened.stop):
                yield opened

    mcp = build_mcp(services, verifier, settings.page_sources)
    streamable = mcp.http_app(path=MCP_PATH, stateless_http=True, json_response=False)
    plain = PlainCalls(Explained(streamable), mcp.calls, mcp.info, KEEP_ALIVE_SECONDS)
    endpoint = Envelope(plain)
    oauth = build_oauth(settings, lambda: app.state.services)
    gate = LimitedRequests(KeyGate(endpoint, verifier, oauth))
    home = Home(
        settings, mcp.calls.tools.values(), oauth_endpoint=oauth.resource if oauth else None
    )
    sandbox_routes, emulator = _sandbox_routes(settings, sandbox_clock)

    app = Starlette(
        routes=[
            Route("/", home, methods=["GET"]),
            *asset_routes(),
            Route("/healthz", alive),
            Route("/readyz", ready),
            Route("/metrics", MetricsPage(settings, metrics), methods=["GET"]),
            Route(f"{callbacks.PATH}/{{token}}", hear, methods=["POST"]),
            Route(MCP_PATH, gate),
            Route(f"{MCP_PATH}/", _AsMcp(gate)),
            *_oauth_routes(oauth, KeyGate(endpoint, verifier, oauth, announces=True)),
            *_legacy_routes(mcp, verifier, settings, oauth),
            *sandbox_routes,
        ],
        middleware=_middleware(settings),
        lifespan=_lifespan(streamable, emulator),
    )
    app.router.redirect_slashes = False
    app.state.mcp = mcp
    return app
