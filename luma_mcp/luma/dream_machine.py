"""The 13 operations of the Dream Machine API and its legacy list of camera motions.

What to say and how to read the answer; how to send it is `sending`. Source: OpenAPI 1.1.0 of
lumalabs/lumaai-api. POST /generations is a legacy alias of POST /generations/video with the same
body and answer, so it needs no method here.
"""

from collections.abc import Callable
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from luma_mcp.errors import BadResponse, InvalidRequest, NotFound
from luma_mcp.luma import exchange
from luma_mcp.luma.dream_machine_models import (
    AddAudio,
    CreateImage,
    CreateVideo,
    Creation,
    Credits,
    Generation,
    GenerationList,
    ModifyVideo,
    Pong,
    ReframeImage,
    ReframeVideo,
    Upscale,
)
from luma_mcp.luma.exchange import read, read_nothing, unpromised
from luma_mcp.luma.ids import checked_id
from luma_mcp.luma.jobs import Job, JobList
from luma_mcp.luma.sending import MAX_ATTEMPTS, Call, Sender
from luma_mcp.luma.transport import Answer, BearerKey

_WORDS = TypeAdapter(list[str])


def _read_words(answer: Answer) -> list[str]:
    try:
        return _WORDS.validate_json(answer.body)
    except ValidationError:
        raise unpromised(answer) from None


class DreamMachine:
    """The Dream Machine API as one caller sees it; lives for one request.

    Every method raises the errors of `luma_mcp.errors`, and nothing else.

    Args:
        sender: Sends the calls.
        secret: The caller's key.
        make_callback_url: Makes the URL that Luma tells about a new job whose request names none.
    """

    def __init__(
        self, sender: Sender, secret: str, make_callback_url: Callable[[], str] | None = None
    ) -> None:
        self._sender = sender
        self._auth = BearerKey(secret)
        self._make_callback_url = make_callback_url

    async def ping(self) -> Pong:
        """GET /ping."""
        return read(Pong, await self._get("/ping"))

    async def create_video(self, request: CreateVideo) -> Job:
        """POST /generations/video."""
        return await self._create("/generations/video", request)

    async def create_image(self, request: CreateImage) -> Job:
        """POST /generations/image."""
        return await self._create("/generations/image", request)

    async def reframe_image(self, request: ReframeImage) -> Job:
        """POST /generations/image/reframe."""
        return await self._create("/generations/image/reframe", request)

    async def reframe_video(self, request: ReframeVideo) -> Job:
        """POST /generations/video/reframe."""
        return await self._create("/generations/video/reframe", request)

    async def modify_video(self, request: ModifyVideo) -> Job:
        """POST /generations/video/modify."""
        return await self._create("/generations/video/modify", request)

    async def upscale(self, generation_id: str, request: Upscale) -> Job:
        """POST /generations/{id}/upscale: the answer's id is the one to follow."""
        return await self._create("/generations/{id}/upscale", request, checked_id(generation_id))

    async def add_audio(self, generation_id: str, request: AddAudio) -> Job:
        """POST /generations/{id}/audio: the answer's id is the one to follow."""
        return await self._create("/generations/{id}/audio", request, checked_id(generation_id))

    async def get_generation(self, generation_id: str, *, attempts: int = MAX_ATTEMPTS) -> Job:
        """GET /generations/{id}, up to so many times."""
        generation_id = checked_id(generation_id)
        call = Call("GET", "/generations/{id}", attempts=attempts, id=generation_id)
        job = read(Generation, await self._sender.send(call, self._auth)).to_job()
        return exchange.about(job, generation_id)

    async def list_generations(self, limit: int, offset: int) -> JobList:
        """GET /generations, one page; limit and offset travel in the query."""
        query = {"limit": limit, "offset": offset}
        page = read(GenerationList, await self._get("/generations", query))
        jobs = tuple(generation.to_job() for generation in page.generations)
        return JobList(jobs=jobs, has_more=page.has_more)

    async def delete_generation(self, generation_id: str) -> None:
        """DELETE /generations/{id}: 204 without a body."""
        call = Call("DELETE", "/generations/{id}", id=checked_id(generation_id))
        read_nothing(await self._sender.send(call, self._auth))

    async def get_credits(self) -> Credits:
        """GET /credits: the balance in US cents."""
        return read(Credits, await self._get("/credits"))

    async def list_concepts(self) -> list[str]:
        """GET /generations/concepts/list."""
        return _read_words(await self._get("/generations/concepts/list"))

    async def list_camera_motions(self) -> list[str]:
        """GET /generations/camera_motion/list: legacy, gone from the OpenAPI file."""
        return _read_words(await self._get("/generations/camera_motion/list"))

    async def list_camera_motions_or_concepts(
        self,
    ) -> tuple[list[str], Literal["camera_motion", "concepts"]]:
        """List camera motions, or the concepts that took their place where the list is gone."""
        try:
            return await self.list_camera_motions(), "camera_motion"
        except (NotFound, InvalidRequest, BadResponse):
            return await self.list_concepts(), "concepts"

    async def _get(self, path: str, query: dict[str, int] | None = None) -> Answer:
        return await self._sender.send(Call("GET", path, query or {}), self._auth)

    async def _create(self, route: str, request: Creation, source_id: str = "") -> Job:
        if request.callback_url is None and self._make_callback_url is not None:
            request = request.model_copy(update={"callback_url": self._make_callback_url()})
        call = Call("POST", route, body=request.to_json(), id=source_id)
        return await exchange.create(self._sender, call, self._auth, Generation)
