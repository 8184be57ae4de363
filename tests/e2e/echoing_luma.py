"""Both of Luma's APIs: each answers with the canary of the key that came, and watches it."""

import asyncio
import json
from collections import Counter, defaultdict
from contextlib import suppress
from typing import Any, NamedTuple

from luma_mcp.luma.apis import AGENTS, APIS, DREAM_MACHINE, ApiName
from tests.e2e.callers import CALLERS, EVERYBODY, Caller, Order, orders_in
from tests.luma.upstream import Line, Seen, answer_of

AGENTS_PATH = "/agents/v1"
CALLER_OF = {
    (api.name, f"Bearer {key}"): caller
    for api in APIS
    for caller in CALLERS
    if (key := caller.key_for(api.name))
}
USUAL, GARBAGE, LEAVING, PARTY = 200, 0, 499, 202
# What happens, by an order's scene: mostly nothing. So it is also with calls that cannot hold an
# order: there it goes by the caller.
SCENES = (USUAL, 400, USUAL, 401, USUAL, 403, USUAL, 404, 429, USUAL, 500, USUAL, GARBAGE, USUAL)
PASSING = frozenset({429, 500, GARBAGE})  # about a job, only the first answer is so
LISTS = ("/generations/camera_motion/list", "/generations/concepts/list")
CHECK = "/files?limit=1"  # by which the Agents API is asked whether it takes a key
KEYLESS = {(DREAM_MACHINE.name, "/ping"), (AGENTS.name, "/files")}

Answer = tuple[int, Any]


class Asked(NamedTuple):
    """Which API was asked with whose key, and about which order or at which path."""

    caller: Caller
    api: ApiName
    subject: Order | str

    @property
    def canary(self) -> str:
        return self.caller.canary(self.api)


def scene_of(caller: Caller) -> int:
    """What happens to a call that cannot hold an order."""
    return SCENES[caller.number % len(SCENES)]


class EchoingLuma:
    """An upstream of raw connections; jobs are done when they are looked at once more.

    Attributes:
        asked: How often each caller's key came, where and with what.
        looks: How often it was looked at something, likewise.
        strays: Requests whose key is not the one of the caller, for the API, whose arguments they
            hold.
        begun: Set when a call that its caller is to leave has arrived here.
        left: To be set when that caller has left.
    """

    def __init__(self) -> None:
        self.asked: Counter[Asked] = Counter()
        self.looks: Counter[tuple[Asked, str]] = Counter()
        self.strays: list[Seen] = []
        self.begun: defaultdict[Order, asyncio.Event] = defaultdict(asyncio.Event)
        self.left: defaultdict[Order, asyncio.Event] = defaultdict(asyncio.Event)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer whatever comes over one connection, until the other end closes it."""
        line = Line(reader, writer, [])
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await line.hear()
                await line.say(await self._answer(line.seen.pop()))
        writer.close()

    async def _answer(self, seen: Seen) -> bytes:
        status, body = await self._heard(seen)
        return answer_of(status, body if isinstance(body, bytes) else json.dumps(body).encode())

    async def _heard(self, seen: Seen) -> Answer:
        key = dict(seen.headers).get("authorization")
        path = seen.target.removeprefix(AGENTS_PATH)
        api = (DREAM_MACHINE if path == seen.target else AGENTS).name
        if key is None and (api, path) in KEYLESS:
            return 401, {"detail": "No key"}  # whoever asks whether Luma is there has none
        caller = CALLER_OF.get((api, key or ""))
        orders = orders_in(f"{path} {seen.body.decode()}")
        if caller is None or not {order.marker for order in orders} <= {caller.marker, EVERYBODY}:
            self.strays.append(seen)
            return 401, {"detail": "Whose key is this?"}
        if not orders:
            asked = Asked(caller, api, path)
            self.asked[asked] += 1
            return _about_the_account(asked, path)
        (order,) = orders
        asked = Asked(caller, api, order)
        self.asked[asked] += 1
        if seen.method == "GET":
            self.looks[asked, path] += 1
        if order.scene == LEAVING:
            self.begun[order].set()
            await self.left[order].wait()
        about = _about_a_file if path.startswith("/files") else _about
        return about(asked, order, seen, self.asked[asked], self.looks.get((asked, path), 0))


def _passes(order: Order, times: int, *, is_a_page: bool) -> bool:
    """Tell whether nothing goes wrong, or does not any more."""
    passed = times > 1 and order.scene in PASSING and not is_a_page
    return passed or not _goes_wrong(order.scene)


def _about(asked: Asked, order: Order, seen: Seen, times: int, looks: int) -> Answer:
    is_a_page = "?" in seen.target
    if not _passes(order, times, is_a_page=is_a_page):
        return _refused(asked, order.scene)
    if seen.method == "DELETE":
        return 204, b""
    if seen.method == "POST":
        return 201, _job(asked, order, is_done=False)
    # The guests of a party look at the job twice; others once, or also once if they made it.
    job = _job(asked, order, is_done=(looks if order.scene == PARTY else times) > 1)
    return 200, {"generations": [job], "has_more": False} if is_a_page else job


def _about_a_file(asked: Asked, order: Order, seen: Seen, times: int, looks: int) -> Answer:
    is_a_page = "?" in seen.target
    if not _passes(order, times, is_a_page=is_a_page):
        return _refused(asked, order.scene)
    if seen.method == "DELETE":
        return 204, b""
    is_done = looks >= (2 if order.scene == PARTY else 1)
    file = {
        "id": order.id,
        "state": "ready" if is_done else "pending",
        "filename": asked.canary,
        "mime_type": asked.canary,
    }
    if is_a_page:
        return 200, {"data": [file], "has_more": False, "next_cursor": asked.canary}
    if seen.target.endswith("/files"):
        upload = {"url": f"https://storage.example/{asked.canary}"}
        return 201, {"id": order.id, "state": "pending", "file": file, "upload": upload}
    return 200, file


def _goes_wrong(scene: int) -> bool:
    return scene not in {USUAL, LEAVING, PARTY}


def _job(asked: Asked, order: Order, *, is_done: bool) -> dict[str, Any]:
    """Describe a job as either API does, with the canary wherever a text may stand."""
    link = f"https://media.example/{asked.canary}.mp4"
    job = {
        "id": order.id,
        "state": "completed" if is_done else f"dreaming of {asked.canary}",
        "model": asked.canary,
    }
    if asked.api == AGENTS.name:
        return {**job, "output": [{"type": "video", "url": link}] if is_done else []}
    return {
        **job,
        "request": {"prompt": asked.canary},
        "assets": {"video": link} if is_done else None,
    }


def _refused(asked: Asked, status: int) -> Answer:
    """Refuse in a text that repeats the key, as careless servers do."""
    detail = f"Not with {asked.caller.key_for(asked.api)}, {asked.canary}"
    return (200, f"<p>{detail}".encode()) if status == GARBAGE else (status, {"detail": detail})


def _about_the_account(asked: Asked, path: str) -> Answer:
    scene = scene_of(asked.caller)
    if _goes_wrong(scene):
        return _refused(asked, scene)
    if path == CHECK:
        return 200, {"data": [], "has_more": False}
    if path in LISTS:
        return 200, [asked.canary]
    return 200, {"credit_balance": int(asked.caller.marker), "message": asked.canary}
