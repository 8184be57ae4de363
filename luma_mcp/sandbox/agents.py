"""The Agents API: the endpoints of Luma's newer API (Luma's SDK luma-agents 0.5.0)."""

import re
import uuid
from datetime import datetime
from functools import partial

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luma_mcp.sandbox.accounts import Accounts
from luma_mcp.sandbox.agents_accounts import AgentsAccount, read_key
from luma_mcp.sandbox.agents_bodies import GenerationBody
from luma_mcp.sandbox.agents_drafts import draft
from luma_mcp.sandbox.agents_references import References
from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.sandbox.clock import Clock
from luma_mcp.sandbox.faults import AGENTS_FAILURES
from luma_mcp.sandbox.gallery import Gallery
from luma_mcp.sandbox.jobs import Job, Json, write_moment
from luma_mcp.sandbox.orders import Dialect, Orders
from luma_mcp.sandbox.reading import get_public_url, parse_body, read_body
from luma_mcp.sandbox.scenes import Scene as Picture

PREFIX = "/agents/v1"
_VERSION = "2026-04-01"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_STATES = {"dreaming": "processing"}
# The newer texts of the guide to error handling.
_DETAILS = {502: "Upstream service unavailable", 503: "Media URL ingestion is unavailable"}
_OUTPUTS = {"mp4": "video", "exr": "exr"}  # What Luma calls the second is not published.


class Stamped:
    """An application whose every answer names its request and the version of the API."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the caller's name for the request if it is a sane one."""
        wanted = Headers(scope=scope).get("x-request-id", "")
        request_id = wanted if _REQUEST_ID.fullmatch(wanted) else str(uuid.uuid4())

        async def stamp(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers["X-API-Version"] = _VERSION
            await send(message)

        await self.app(scope, receive, stamp)


class Agents:
    """One emulated Agents API, with its accounts; its files have endpoints of their own."""

    def __init__(self, behaviour: Behaviour, clock: Clock, gallery: Gallery) -> None:
        self._behaviour = behaviour
        self._clock = clock
        self._gallery = gallery
        self.accounts = Accounts(
            behaviour, read_key, lambda: AgentsAccount(behaviour, self._forget)
        )
        dialect = Dialect(
            failures=AGENTS_FAILURES,
            describe=partial(describe, gallery),
            details=_DETAILS,
            presigned=True,
        )
        self._orders = Orders(behaviour, clock, gallery, dialect)

    def list_routes(self) -> list[Route]:
        """Every endpoint, below the prefix."""
        return [
            Route("/generations", self.create_generation, methods=["POST"]),
            Route("/generations/{id}", self.get_generation, methods=["GET"]),
        ]

    async def create_generation(self, request: Request) -> Response:
        """POST /generations."""
        account = self.accounts.get(request.headers)
        limit = self._behaviour.max_agents_body_bytes
        raw = await read_body(request, limit, f"Request body exceeds {limit} bytes")
        body = parse_body(raw, GenerationBody, 422)
        public_url = self._get_public_url(request)
        references = References(
            self._behaviour, account, self._gallery, public_url, self._clock.now()
        )
        return await self._orders.take(draft(body, references), account, public_url, status=201)

    async def get_generation(self, request: Request) -> Response:
        """GET /generations/{id}, with links that are good for another hour."""
        account = self.accounts.get(request.headers)
        return self._orders.read(request.path_params["id"], account, self._get_public_url(request))

    def _forget(self, job: Job) -> None:
        for name, _ in job.list_files():
            self._gallery.take_down(name)

    def _get_public_url(self, request: Request) -> str:
        return get_public_url(request, self._behaviour, PREFIX)


def describe(gallery: Gallery, job: Job, now: datetime, public_url: str) -> Json:
    """The Generation object of Luma's SDK; unlike Dream Machine's it does not echo the request."""
    state, failure = job.get_state(now), job.get_failure(now)
    files = job.list_files() if job.is_completed(now) else ()
    return {
        "id": job.id,
        "type": job.draft.type,
        "model": job.draft.model,
        "state": _STATES.get(state, state),
        "created_at": write_moment(job.created_at),
        "output": [
            _describe_output(scene, public_url + gallery.link(name)) for name, scene in files
        ],
        "failure_reason": failure.reason if failure else None,
        "failure_code": failure.code if failure else None,
    }


def _describe_output(picture: Picture, url: str) -> Json:
    output: Json = {"type": _OUTPUTS.get(picture.format, "image"), "url": url}
    if layer := picture.layer:
        width, height = picture.size
        output["layer"] = {
            "index": layer.index,
            "label": layer.label,
            "description": layer.description,
            "alpha_hint": layer.alpha_hint,
            # The Go SDK 0.6.0 has this member; its shape is not known, and so a guess.
            "bounds": {"x": 0, "y": 0, "width": width, "height": height},
        }
    return output
