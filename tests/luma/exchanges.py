"""One exchange with Luma: what we call, what leaves us, what comes back and what it became."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import BaseModel

from luma_mcp import __version__
from luma_mcp.luma.bodies import Request
from luma_mcp.luma.dream_machine import DreamMachine
from luma_mcp.luma.jobs import Job
from tests.luma.upstream import answering, open_sender, playing

ID = "5c0e1a3a-8f5e-4d1c-9a53-0d7f5b1e2a11"
CLIP = "aaaaaaaa-1b2c-4d3e-8f90-abcdefabcdef"
HOOK = "https://example.org/hook?a=b"
PICTURE = "https://example.org/boat.png"
FILM = "https://example.org/boat.mp4"
QUEUED = {"id": ID, "state": "queued", "assets": None, "new_member": [1]}
QUEUED_JOB = Job(api="dream_machine", id=ID, state="queued")
PLACEMENT = {
    "grid_position_x": 0,
    "grid_position_y": -3,
    "x_start": 10,
    "x_end": 1034,
    "y_start": 20,
    "y_end": 1044,
    "resized_width": 1024,
    "resized_height": 768,
}


@dataclass(frozen=True)
class Exchange:
    """All of it in literals; `body` None stands for a request without one."""

    call: Callable[[DreamMachine], Awaitable[object]]
    request: str
    body: dict[str, object] | None
    status: int
    answer: object
    result: object


def create(method: str, request: Request, path: str, body: dict[str, object]) -> Exchange:
    """Build a create by the name of its method; it answers 201."""

    async def call(luma: DreamMachine) -> object:
        return await getattr(luma, method)(request)

    return Exchange(
        call, f"POST /dream-machine/v1/generations{path}", body, 201, QUEUED, QUEUED_JOB
    )


async def check(exchange: Exchange) -> None:
    reply = b"" if exchange.status == 204 else exchange.answer
    prefix = "/dream-machine/v1"
    async with playing(answering(exchange.status, reply)) as up, open_sender(up.url + prefix) as it:
        result = await exchange.call(DreamMachine(it, "luma-key-of-this-caller"))
    (seen,) = up.seen
    assert f"{seen.method} {seen.target}" == exchange.request
    headers = {
        "host": up.url.removeprefix("http://"),
        "accept": "application/json",
        "accept-encoding": "identity",
        "authorization": "Bearer luma-key-of-this-caller",
        "connection": "keep-alive",
        "user-agent": f"luma-mcp/{__version__}",
    }
    if exchange.body is not None:
        headers["content-type"] = "application/json"
        headers["content-length"] = str(len(seen.body))
    if seen.method == "DELETE":
        headers["content-length"] = "0"
    assert sorted(seen.headers) == sorted(headers.items())
    assert (json.loads(seen.body) if seen.body else None) == exchange.body
    if isinstance(result, BaseModel):
        result = result.model_dump(exclude_unset=True)
    assert result == exchange.result
