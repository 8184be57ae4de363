"""Dream Machine: the endpoints of Luma's first API (Dream Machine OpenAPI 1.1.0)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from luma_mcp.sandbox import dream_machine_bodies as bodies
from luma_mcp.sandbox import dream_machine_drafts as drafts
from luma_mcp.sandbox import dream_machine_rules as rules
from luma_mcp.sandbox.accounts import Accounts
from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.sandbox.callbacks import Callbacks
from luma_mcp.sandbox.clock import Clock
from luma_mcp.sandbox.concepts import CAMERA_MOTIONS, CONCEPTS
from luma_mcp.sandbox.dream_machine_accounts import DreamMachineAccount, read_key
from luma_mcp.sandbox.faults import DREAM_MACHINE_FAILURES
from luma_mcp.sandbox.gallery import Gallery
from luma_mcp.sandbox.jobs import Job, Json, write_moment
from luma_mcp.sandbox.orders import Dialect, Orders
from luma_mcp.sandbox.presigning import LinkRefused
from luma_mcp.sandbox.reading import get_public_url, read_body, read_query_integer
from luma_mcp.sandbox.scenes import Scene

PREFIX = "/dream-machine/v1"
# Luma does not publish how large a page may be.
_MAX_PAGE = 100
_MAX_OFFSET = 10**9

Endpoint = Callable[[Request], Awaitable[Response]]
Creation = tuple[type[bodies.Body], drafts.Drafter]
Change = tuple[type[bodies.Body], drafts.Changer]

_CREATIONS: dict[str, Creation] = {
    "/generations": (bodies.VideoBody, drafts.draft_video),  # what clients posted to at first
    "/generations/video": (bodies.VideoBody, drafts.draft_video),
    "/generations/image": (bodies.ImageBody, drafts.draft_image),
    "/generations/image/reframe": (bodies.ReframeImageBody, drafts.draft_image_reframe),
    "/generations/video/reframe": (bodies.ReframeVideoBody, drafts.draft_video_reframe),
    "/generations/video/modify": (bodies.ModifyVideoBody, drafts.draft_modification),
}
_CHANGES: dict[str, Change] = {
    "/generations/{id}/upscale": (bodies.UpscaleBody, drafts.draft_upscale),
    "/generations/{id}/audio": (bodies.AudioBody, drafts.draft_audio),
}


@dataclass(frozen=True)
class _Shelf:
    """What a request may refer to at one moment."""

    account: DreamMachineAccount
    gallery: Gallery
    now: datetime

    def get_clip(self, generation_id: str) -> Scene:
        job = self.account.find(generation_id)
        if job.draft.kind != "video":
            rules.refuse("Generation is not a video")
        if not job.is_completed(self.now):
            rules.refuse("Generation is not completed")
        return job.draft.scenes[0]

    def get_media(self, url: str) -> Scene | None:
        try:
            return self.gallery.find(url)
        except LinkRefused:
            # A link of the Agents API that has expired is an address like any other.
            return None


class DreamMachine:
    """One emulated Dream Machine, with its accounts."""

    def __init__(self, behaviour: Behaviour, clock: Clock, gallery: Gallery) -> None:
        self._behaviour = behaviour
        self._clock = clock
        self._gallery = gallery
        self._callbacks = Callbacks(behaviour, clock, describe)
        self._accounts = Accounts(
            behaviour, read_key, lambda: DreamMachineAccount(behaviour, self._forget)
        )
        dialect = Dialect(
            failures=DREAM_MACHINE_FAILURES, describe=describe, follow=self._callbacks.follow
        )
        self._orders = Orders(behaviour, clock, gallery, dialect)

    def list_routes(self) -> list[Route]:
        """Every endpoint, with its whole path."""
        readings: dict[str, Endpoint] = {
            "/ping": self.ping,
            "/credits": self.get_credits,
            "/generations": self.list_generations,
            "/generations/concepts/list": self.list_concepts,
            "/generations/camera_motion/list": self.list_camera_motions,
            "/generations/{id}": self.get_generation,
        }
        posts = {path: self._build_creation(*parts) for path, parts in _CREATIONS.items()}
        posts |= {path: self._build_change(*parts) for path, parts in _CHANGES.items()}
        return [
            *(
                Route(PREFIX + path, endpoint, methods=["GET"])
                for path, endpoint in readings.items()
            ),
            *(Route(PREFIX + path, endpoint, methods=["POST"]) for path, endpoint in posts.items()),
            Route(PREFIX + "/generations/{id}", self.delete_generation, methods=["DELETE"]),
        ]

    async def close(self) -> None:
        """Stop whatever runs in the background."""
        await self._callbacks.close()

    async def ping(self, request: Request) -> Response:
        """GET /ping."""
        self._accounts.get(request.headers)
        return JSONResponse({"message": "pong"})

    async def get_credits(self, request: Request) -> Response:
        """GET /credits, in US cents."""
        balance = self._accounts.get(request.headers).get_balance_cents(self._clock.now())
        return JSONResponse({"credit_balance": round(balance, 4)})

    async def list_concepts(self, request: Request) -> Response:
        """GET /generations/concepts/list."""
        self._accounts.get(request.headers)
        return JSONResponse(CONCEPTS)

    async def list_camera_motions(self, request: Request) -> Response:
        """GET /generations/camera_motion/list, which newer specifications leave out."""
        self._accounts.get(request.headers)
        return JSONResponse(CAMERA_MOTIONS)

    async def list_generations(self, request: Request) -> Response:
        """GET /generations, the newest first; Luma publishes no order."""
        account = self._accounts.get(request.headers)
        limit = _read_query(request, "limit", 100, low=1, high=_MAX_PAGE)
        offset = _read_query(request, "offset", 0, low=0, high=_MAX_OFFSET)
        page = islice(reversed(account.jobs.values()), offset, offset + limit)
        now, public_url = self._clock.now(), self._get_public_url(request)
        generations = [describe(job, now, public_url) for job in page]
        return JSONResponse(
            {
                "generations": generations,
                "has_more": offset + limit < len(account.jobs),
                "count": len(generations),
                "limit": limit,
                "offset": offset,
            }
        )

    async def get_generation(self, request: Request) -> Response:
        """GET /generations/{id}."""
        account = self._accounts.get(request.headers)
        public_url = self._get_public_url(request)
        return self._orders.read(request.path_params["id"], account, public_url)

    async def delete_generation(self, request: Request) -> Response:
        """DELETE /generations/{id}, whether it has ended or not."""
        self._accounts.get(request.headers).remove(request.path_params["id"])
        return Response(status_code=204)

    def _build_creation(self, shape: type[bodies.Body], draft: drafts.Drafter) -> Endpoint:
        async def create(request: Request) -> Response:
            account = self._accounts.get(request.headers)
            body = bodies.parse_body(await self._read(request), shape)
            shelf = _Shelf(account, self._gallery, self._clock.now())
            public_url = self._get_public_url(request)
            return await self._orders.take(draft(body, shelf), account, public_url, status=201)

        return create

    def _build_change(self, shape: type[bodies.Body], draft: drafts.Changer) -> Endpoint:
        """Whether Luma gives a changed clip an id of its own is not published; here it does."""

        async def change(request: Request) -> Response:
            account = self._accounts.get(request.headers)
            account.find(request.path_params["id"])
            body = bodies.parse_body(await self._read(request), shape)
            shelf = _Shelf(account, self._gallery, self._clock.now())
            clip = shelf.get_clip(request.path_params["id"])
            public_url = self._get_public_url(request)
            return await self._orders.take(draft(body, clip), account, public_url, status=200)

        return change

    async def _read(self, request: Request) -> bytes:
        return await read_body(request, self._behaviour.max_body_bytes)

    def _forget(self, job: Job) -> None:
        self._callbacks.stop(job)
        for name, _ in job.list_files():
            self._gallery.take_down(name)

    def _get_public_url(self, request: Request) -> str:
        return get_public_url(request, self._behaviour)


def describe(job: Job, now: datetime, public_url: str) -> Json:
    """The Generation object of Dream Machine OpenAPI 1.1.0.

    `progress_video` is always null: Luma does not explain when it would not be.
    """
    failure = job.get_failure(now)
    return {
        "id": job.id,
        "generation_type": job.draft.kind,
        "state": job.get_state(now),
        "failure_reason": failure.reason if failure else None,
        "created_at": write_moment(job.created_at),
        "assets": _list_assets(job, public_url) if job.is_completed(now) else None,
        "model": job.draft.model,
        "request": job.draft.request,
    }


def _list_assets(job: Job, public_url: str) -> dict[str, str | None]:
    assets: dict[str, str | None] = {"video": None, "image": None, "progress_video": None}
    for name, _ in job.list_files():
        assets[job.draft.kind] = f"{public_url}/media/{name}"
    return assets


def _read_query(request: Request, name: str, default: int, *, low: int, high: int) -> int:
    return read_query_integer(request, name, default=default, low=low, high=high, status=400)
