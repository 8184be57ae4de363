"""The gallery: media behind links that nobody can guess, drawn when first asked for."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import anyio
import anyio.to_thread
import httpx
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.sandbox.presigning import LinkRefused, Presigner
from luma_mcp.sandbox.scenes import Scene

_MEDIA_TYPES = {
    "mp4": "video/mp4",
    "jpg": "image/jpeg",
    "png": "image/png",
    "exr": "image/x-exr",
}
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)


@dataclass(frozen=True)
class _Hanging:
    scene: Scene
    presigned: bool


class Gallery:
    """Serves every scene that was hung, as a file, without a key, like Luma's CDN."""

    def __init__(
        self, behaviour: Behaviour, draw: Callable[[Scene], bytes], presigner: Presigner
    ) -> None:
        self._behaviour = behaviour
        self._draw = draw
        self._presigner = presigner
        self._hangings: dict[str, _Hanging] = {}
        self._files: OrderedDict[str, bytes] = OrderedDict()
        self._drawing: dict[str, asyncio.Task[bytes]] = {}
        self._seats = anyio.CapacityLimiter(behaviour.max_renders)

    def list_routes(self) -> list[Route]:
        """Where the media are."""
        return [Route("/media/{name}", self.serve, methods=["GET"])]

    def hang(self, name: str, scene: Scene, *, presigned: bool = False) -> None:
        """Make a scene available under a file name, to everybody or by presigned links alone."""
        self._hangings[name] = _Hanging(scene, presigned)

    def take_down(self, name: str) -> None:
        """Forget a scene and its file."""
        self._hangings.pop(name, None)
        self._files.pop(name, None)

    def link(self, name: str) -> str:
        """A presigned link to a file, without the address of the sandbox."""
        query = self._presigner.sign("GET", name, self._behaviour.link_seconds)
        return f"/media/{name}?{query}"

    def find(self, url: str) -> Scene | None:
        """The scene that a link leads to; None if the link is not one of this gallery's.

        Raises:
            LinkRefused: The link has expired, or was tampered with.
        """
        address = httpx.URL(url)
        folder, _, name = address.path.rpartition("/")
        hanging = self._hangings.get(name) if folder.endswith("/media") else None
        if hanging is None:
            return None
        if hanging.presigned:
            self._presigner.check("GET", name, address.params)
        return hanging.scene

    async def serve(self, request: Request) -> Response:
        """Answer GET and HEAD, whole or in part (RFC 9110, section 14)."""
        name = request.path_params["name"]
        hanging = self._hangings.get(name)
        if hanging is None:
            raise HTTPException(404)
        if hanging.presigned:
            try:
                self._presigner.check("GET", name, request.query_params)
            except LinkRefused as refusal:
                return refusal.build_answer()
        scene, public = hanging.scene, not hanging.presigned
        content = await self._get_file(name, scene)
        headers = {
            "accept-ranges": "bytes",
            "access-control-allow-origin": "*",
            "cache-control": "public, max-age=3600" if public else "private",
            "etag": f'"{name}"',
        }
        wanted = request.headers.get("range", "")
        if request.headers.get("if-range", headers["etag"]) != headers["etag"]:
            wanted = ""
        return _answer(content, wanted, headers, _MEDIA_TYPES[scene.format])

    async def _get_file(self, name: str, scene: Scene) -> bytes:
        """The file, drawn once however many ask for it, even if the first of them leaves."""
        if name in self._files:
            self._files.move_to_end(name)
            return self._files[name]
        if name not in self._drawing:
            self._drawing[name] = task = asyncio.create_task(self._make(name, scene))
            task.add_done_callback(lambda _: self._drawing.pop(name))
        return await asyncio.shield(self._drawing[name])

    async def _make(self, name: str, scene: Scene) -> bytes:
        content = await anyio.to_thread.run_sync(self._draw, scene, limiter=self._seats)
        if name in self._hangings:
            self._files[name] = content
            self._drop_oldest()
        return content

    def _drop_oldest(self) -> None:
        limits = self._behaviour
        size = sum(map(len, self._files.values()))
        while len(self._files) > limits.max_media_items or size > limits.max_media_bytes:
            _, dropped = self._files.popitem(last=False)
            size -= len(dropped)


def _answer(content: bytes, wanted: str, headers: dict[str, str], media_type: str) -> Response:
    match = _RANGE.fullmatch(wanted.strip())
    # Several ranges, other units and nonsense are answered with the whole, as the RFC allows.
    if match is None or match.group(0) == "bytes=-":
        return Response(content, headers=headers, media_type=media_type)
    first, last = match.groups()
    size = len(content)
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= end:
        raise HTTPException(416, headers={"Content-Range": f"bytes */{size}"})
    headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
    return Response(content[start:end], status_code=206, headers=headers, media_type=media_type)
