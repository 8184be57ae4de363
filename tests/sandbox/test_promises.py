"""Every answer of the sandbox is one that Luma promises, whichever endpoint and state it is."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from jsonschema import Draft202012Validator
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.sandbox.faults import DREAM_MACHINE_FAILURES
from tests.e2e.conftest import until
from tests.sandbox.conftest import OPEN_HANDED, PREFIX, Enter, Json, Luma
from tests.sandbox.promises import CALLBACK, PROMISES, REASONS, REQUESTS, STATES, Schema
from tests.servers import serving

CLIP = "https://media.example/clip.mp4"
PICTURE = "https://media.example/picture.jpg"
MEDIA = {"media": {"url": CLIP}, "aspect_ratio": "9:21"}
PLACED = {"grid_position_x": 1, "grid_position_y": -2, "x_start": 3, "x_end": 4}
# A body that each creating endpoint takes, with every member set.
BODIES: dict[str, Json] = {
    "/generations": {"prompt": "a tiger"},
    "/generations/video": {
        "prompt": "a tiger",
        "model": "ray-2",
        "aspect_ratio": "21:9",
        "loop": False,
        "keyframes": {
            "frame0": {"type": "image", "url": PICTURE},
            "frame1": {"type": "image", "url": PICTURE},
        },
        "resolution": "540p",
        "duration": "9s",
        "concepts": [{"key": "dolly_zoom"}],
        "callback_url": "https://elsewhere.example/hook",
    },
    "/generations/image": {
        "prompt": "a pear",
        "model": "photon-flash-1",
        "format": "png",
        "image_ref": [{"url": PICTURE, "weight": 0.85}, {"url": PICTURE}],
        "style_ref": [{"url": PICTURE, "weight": 1}],
        "character_ref": {"identity0": {"images": [PICTURE] * 4}},
        "modify_image_ref": {"url": PICTURE, "weight": 0},
    },
    "/generations/image/reframe": {**MEDIA, **PLACED, "model": "photon-1", "prompt": "sea"},
    "/generations/video/reframe": {
        **MEDIA,
        **PLACED,
        "model": "ray-flash-2",
        "prompt": "sea",
        "first_frame": {"url": PICTURE},
    },
    "/generations/video/modify": {
        "media": {"url": CLIP},
        "model": "ray-2",
        "mode": "reimagine_3",
        "prompt": "in snow",
        "first_frame": {"url": PICTURE},
    },
}
CHANGES: dict[str, Json] = {
    "/upscale": {"resolution": "4k"},
    "/audio": {"prompt": "waves", "negative_prompt": "wind"},
}


Seen = set[tuple[tuple[str, str], int]]
UNSEEN = {("upscale_video", "failed")}  # it has no prompt that could ask for it


def everything(clip: str) -> dict[str, Json]:
    """Every creating path, with a body for it."""
    return {**BODIES, **{clip + path: body for path, body in CHANGES.items()}}


def endpoint_of(method: str, path: str) -> tuple[str, str]:
    """Name the endpoint that a request is for; an id is what stands where one may."""
    parts = path.removeprefix(PREFIX).split("/")
    fixed = {"video", "image", "concepts", "camera_motion"}
    if len(parts) > 2 and parts[2] not in fixed:
        parts[2] = "{id}"
    return method, "/".join(parts)


def state_of(said: Json) -> tuple[str, str] | None:
    if "state" not in said:
        return None
    return said["request"]["generation_type"], said["state"]


@dataclass
class Checked:
    """The sandbox behind a reader that holds every answer against the promise."""

    app: ASGIApp
    seen: Seen
    states: set[tuple[str, str]]
    prefix: str
    promises: dict[tuple[str, str], dict[int, Schema | None]]
    endpoint_of: Callable[[str, str], tuple[str, str]]
    state_of: Callable[[Json], tuple[str, str] | None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the answer on once it is whole and as promised."""
        if not scope["path"].startswith(self.prefix):
            await self.app(scope, receive, send)
            return
        said: list[Message] = []

        async def keep(message: Message) -> None:
            said.append(message)
            await send(message)

        await self.app(scope, receive, keep)
        body = b"".join(message.get("body", b"") for message in said[1:])
        kind = dict(said[0]["headers"]).get(b"content-type")
        endpoint = self.endpoint_of(scope["method"], scope["path"])
        self._check(endpoint, said[0]["status"], kind, body)

    def _check(
        self, endpoint: tuple[str, str], status: int, kind: bytes | None, body: bytes
    ) -> None:
        schema = self.promises[endpoint][status]
        self.seen.add((endpoint, status))
        if schema is None:
            assert (kind, body) == (None, b"")
            return
        assert kind == b"application/json"
        said = json.loads(body)
        Draft202012Validator(schema).validate(said)
        if state := self.state_of(said):
            self.states.add(state)


async def finish_and_read(luma: Luma, clock: TurnedClock, job: Json) -> None:
    """Read a job in each of its states."""
    for seconds in (0, 2, 600):
        clock.advance(seconds)
        await luma.read(job)


async def make_clip(luma: Luma, clock: TurnedClock) -> str:
    clip = await luma.make(prompt="a tiger", resolution="540p")
    clock.advance(600)
    return f"/generations/{clip['id']}"


async def live(luma: Luma, clock: TurnedClock) -> None:
    """Make every kind of job in every way it can end, and read, list and delete them."""
    clip = await make_clip(luma, clock)
    for path, body in everything(clip).items():
        for word in ("", " [sandbox:fail=job]"):
            prompt = {"prompt": body["prompt"] + word} if "prompt" in body else {}
            job = (await luma.post(path, json={**body, **prompt})).json()
            await finish_and_read(luma, clock, job)
    for word in DREAM_MACHINE_FAILURES:
        job = await luma.make(prompt=f"a tiger [sandbox:fail={word}]")
        await finish_and_read(luma, clock, job)
    extension = {"frame0": {"type": "generation", "id": clip.removeprefix("/generations/")}}
    await luma.make(prompt="on and on", keyframes=extension)
    await luma.make_image(sync=True, sync_timeout=0)
    await luma.make(prompt="a tiger [sandbox:get=503]")
    for path in ("/ping", "/credits", "/generations/concepts/list", "/generations"):
        await luma.get(path)
    assert {one.reason for one in DREAM_MACHINE_FAILURES.values()} == set(REASONS)
    newest = (await luma.get("/generations?limit=1")).json()["generations"][0]
    await luma.get(f"/generations/{newest['id']}")
    await luma.get("/generations/camera_motion/list")
    await luma.get("/generations?limit=0")
    for _ in range(2):
        await luma.delete(clip)
    await luma.get(clip)
    for path, body in CHANGES.items():
        await luma.post(clip + path, json=body)


async def be_refused(luma: Luma, clock: TurnedClock) -> None:
    """Be refused for every reason that lies in a request."""
    clip = await make_clip(luma, clock)
    for key in ("no-key", "luma-api-of-another-product"):
        for method, path in PROMISES:
            await Luma(luma.app, key).request(method, path.replace("/generations/{id}", clip))
    for path, body in everything(clip).items():
        await luma.post(path, json={**body, "callback_url": 7})
        await luma.post(path, content=b"[" * (OPEN_HANDED.max_body_bytes + 1))
        for status in (422, 500, 503):
            if "prompt" in body:
                word = f"{body['prompt']} [sandbox:http={status}]"
                await luma.post(path, json={**body, "prompt": word})


async def be_turned_away(luma: Luma, clock: TurnedClock) -> None:
    """Ask for more than the account may have."""
    clip = await make_clip(luma, clock)
    for path, body in everything(clip).items():
        for _ in range(2):
            await luma.post(path, json=body)


async def test_every_answer_is_as_promised(clock: TurnedClock, enter: Enter) -> None:
    seen: Seen = set()
    states: set[tuple[str, str]] = set()
    poor = replace(OPEN_HANDED, starting_balance_cents=40.0)
    hasty = replace(OPEN_HANDED, video_creates_per_minute=1, image_creates_per_minute=1)
    for behaviour, visits in (
        (OPEN_HANDED, (live, be_refused)),
        (poor, (be_turned_away,)),
        (hasty, (be_turned_away,)),
    ):
        sandbox = (await enter(behaviour)).app
        checked = Checked(sandbox, seen, states, PREFIX, PROMISES, endpoint_of, state_of)
        async with Luma(checked) as luma:
            for visit in visits:
                await visit(luma, clock)
    promised = {(endpoint, status) for endpoint, answers in PROMISES.items() for status in answers}
    assert seen == promised
    assert states == {(one, state) for one in REQUESTS for state in STATES} - UNSEEN


async def test_every_callback_is_as_promised(enter: Enter, clock: TurnedClock) -> None:
    luma = await enter(OPEN_HANDED)
    taken: list[Json] = []

    async def take(scope: Scope, receive: Receive, send: Send) -> None:
        taken.append(await Request(scope, receive).json())
        await Response()(scope, receive, send)

    async with serving(take) as url:
        for path, body in everything(await make_clip(luma, clock)).items():
            taken.clear()
            await luma.post(path, json={**body, "callback_url": url})
            await clock.wait_for_sleepers()
            clock.advance(600)
            await until(lambda: len(taken) == 2)
            for said in taken:
                Draft202012Validator(CALLBACK).validate(said)
