"""A Luma that answers with the canary of whoever's key came, and watches what comes with it."""

import asyncio
import json
from collections import Counter, defaultdict
from contextlib import suppress
from typing import Any

from tests.e2e.callers import CALLERS, EVERYBODY, Caller, Order, orders_in
from tests.luma.upstream import Line, Seen, answer_of

CALLER_OF = {f"Bearer {caller.key}": caller for caller in CALLERS}
USUAL, GARBAGE, LEAVING, PARTY = 200, 0, 499, 202
# What happens, by an order's scene: mostly nothing. So it is also with calls that cannot hold an
# order: there it goes by the caller.
SCENES = (USUAL, 400, USUAL, 401, USUAL, 403, USUAL, 404, 429, USUAL, 500, USUAL, GARBAGE, USUAL)
PASSING = frozenset({429, 500, GARBAGE})  # about a job, only the first answer is so
LISTS = ("/generations/camera_motion/list", "/generations/concepts/list")

Answer = tuple[int, Any]


def scene_of(caller: Caller) -> int:
    """What happens to a call that cannot hold an order."""
    return SCENES[caller.number % len(SCENES)]


class EchoingLuma:
    """An upstream of raw connections; jobs are done when they are looked at once more.

    Attributes:
        asked: How often each caller's key came, and with which order or to which path.
        strays: Requests whose key is not that of the caller whose arguments they hold.
        begun: Set when a call that its caller is to leave has arrived here.
        left: To be set when that caller has left.
    """

    def __init__(self) -> None:
        self.asked: Counter[tuple[Caller, Order | str]] = Counter()
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
        if key is None and seen.target == "/ping":
            return 401, {"detail": "No key"}  # whoever asks whether Luma is there has none
        caller = CALLER_OF.get(key or "")
        orders = orders_in(f"{seen.target} {seen.body.decode()}")
        if caller is None or not {order.marker for order in orders} <= {caller.marker, EVERYBODY}:
            self.strays.append(seen)
            return 401, {"detail": "Whose key is this?"}
        if not orders:
            self.asked[caller, seen.target] += 1
            return _about_the_account(caller, seen.target)
        (order,) = orders
        self.asked[caller, order] += 1
        if order.scene == LEAVING:
            self.begun[order].set()
            await self.left[order].wait()
        return _about(caller, order, seen, self.asked[caller, order])


def _about(caller: Caller, order: Order, seen: Seen, times: int) -> Answer:
    is_a_page = "?" in seen.target
    passes = times > 1 and order.scene in PASSING and not is_a_page
    if _goes_wrong(order.scene) and not passes:
        return _refused(caller, order.scene)
    if seen.method == "DELETE":
        return 204, b""
    if seen.method == "POST":
        return 201, _job(caller, order, is_done=False)
    # The guests of a party make the job, look at it and look again; others only look again.
    job = _job(caller, order, is_done=times > (2 if order.scene == PARTY else 1))
    return 200, {"generations": [job], "has_more": False} if is_a_page else job


def _goes_wrong(scene: int) -> bool:
    return scene not in {USUAL, LEAVING, PARTY}


def _job(caller: Caller, order: Order, *, is_done: bool) -> dict[str, Any]:
    """Describe a job, with the canary wherever a text may stand."""
    return {
        "id": order.id,
        "state": "completed" if is_done else f"dreaming of {caller.canary}",
        "model": caller.canary,
        "request": {"prompt": caller.canary},
        "assets": {"video": f"https://media.example/{caller.canary}.mp4"} if is_done else None,
    }


def _refused(caller: Caller, status: int) -> Answer:
    """Refuse in a text that repeats the key, as careless servers do."""
    detail = f"Not with {caller.key}, {caller.canary}"
    return (200, f"<p>{detail}".encode()) if status == GARBAGE else (status, {"detail": detail})


def _about_the_account(caller: Caller, path: str) -> Answer:
    scene = scene_of(caller)
    if _goes_wrong(scene):
        return _refused(caller, scene)
    if path in LISTS:
        return 200, [caller.canary]
    return 200, {"credit_balance": int(caller.marker), "message": caller.canary}
