"""Many callers at once on few connections: twenty thousand calls, in every way there is."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

from luma_mcp.luma.apis import AGENTS, DREAM_MACHINE, ApiName
from luma_mcp.tools import build_tools
from tests.e2e.callers import (
    CALLERS,
    CALLERS_OF_BOTH,
    EVERYBODY,
    NUMBER_OF_CALLERS,
    TELL_TALE,
    Caller,
    Order,
)
from tests.e2e.echoing_luma import (
    CHECK,
    LEAVING,
    LISTS,
    PARTY,
    SCENES,
    USUAL,
    Asked,
    EchoingLuma,
    scene_of,
)
from tests.messages import META, MODERN

CONNECTIONS = 192
UNGREETED, GREETED = "", "greeted"
ERAS = (UNGREETED, GREETED, MODERN)
GREETED_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
HEADERS = ("Authorization", "X-API-Key", "X-Auth-Token", "X-Luma-API-Key")
AGENTS_HEADER = AGENTS.key_header
# The same for all calls of all callers.
MESSAGE_ID = PROGRESS_TOKEN = 1
PATHS = {
    "get_camera_motions": LISTS[0],
    "list_concepts": LISTS[1],
    "get_credits": "/credits",
    "ping": "/ping",
}
CREATING = tuple(
    name for name, tool in build_tools().items() if "max_cost_usd" in tool.parameters["properties"]
)
PRICED = ("create_generation", "generate_image", "reframe_image", "edit_image")
WAITING, UPLOADING, ESTIMATING = "wait_for_generation", "upload_file", "estimate_cost"
# By what a tool that works with both APIs is made to use the newer one; None where an id does it.
NEWER = {
    "create_generation": "ray-3.2",
    "modify_video": "ray-3.2",
    "reframe_video": "ray-3.2",
    "generate_image": "uni-1",
    "get_generation": None,
    "refresh_generation": None,
    WAITING: None,
}
AGENTS_TOOLS = ("edit_image", "extract_layers", UPLOADING, "list_files", "delete_file")
TOOLS = (
    *CREATING,
    UPLOADING,
    "list_files",
    "delete_file",
    ESTIMATING,
    "get_generation",
    WAITING,
    "refresh_generation",
    "delete_generation",
    "list_generations",
    *PATHS,
)
LAPS = 4  # through all tools: every era, about things of one's own and about those of everybody
TURNS = LAPS * len(TOOLS)
PATIENCE = 60  # seconds that a call waits at most

Item = TypeVar("Item")
Json = dict[str, Any]


class Call(NamedTuple):
    """Who calls, what and how; nobody is a caller too, who brings no key."""

    caller: Caller | None
    tool: str
    order: Order
    era: str = MODERN
    header: str = HEADERS[0]
    waits: bool = False
    leaves: bool = False
    newer: bool = False

    @property
    def api(self) -> ApiName:
        """Which API it is about; a ping about the older one where there are two."""
        is_newer = self.tool in AGENTS_TOOLS or (self.newer and self.tool in NEWER)
        return (AGENTS if is_newer else DREAM_MACHINE).name

    @property
    def lacks_a_key(self) -> bool:
        """Whether its caller has no key for that API."""
        return bool(self.caller) and self.caller.key_for(self.api) is None

    @property
    def job_id(self) -> str:
        """The order as the id of a job, as callers write it."""
        return f"{AGENTS.id_prefix if self.api == AGENTS.name else ''}{self.order.id}"

    @property
    def asked(self) -> list[Asked]:
        """What Luma hears of the call: its order, or a path that holds none."""
        if self.caller is None or self.lacks_a_key or self.tool == ESTIMATING:
            return []
        asked = [Asked(self.caller, self.api, PATHS.get(self.tool, self.order))]
        if self.tool != "ping" or self.caller.agents_key is None:
            return asked
        check = Asked(self.caller, AGENTS.name, CHECK)
        return [check, *asked] if scene_of(self.caller) == USUAL else [check]


class Answer(NamedTuple):
    """A call and what came back."""

    call: Call
    status: int
    text: str

    @property
    def whose(self) -> set[str]:
        """Whose it is, by the words that tell it."""
        return set(TELL_TALE.findall(self.text)) - {EVERYBODY}


def _arguments(call: Call) -> Json:
    order = call.order
    text, url, more = f"A boat, {order.id}", f"https://example.com/{order.id}", {}
    if call.tool in {*CREATING, UPLOADING}:
        more["wait_seconds"] = PATIENCE if call.waits else 0
    if call.tool in CREATING and order.serial % 2:
        # The same text for all callers.
        more["idempotency_key"] = (
            f"{call.tool}/{call.era}/{order.serial}/{order.marker == EVERYBODY}"
        )
    if call.newer and NEWER.get(call.tool):
        more["model"] = NEWER[call.tool]
    arguments = {
        "create_generation": {"prompt": text} | ({} if call.newer else {"concepts": [order.id]}),
        "modify_video": {"media_url": url, "mode": "flex_1", "prompt": text},
        "reframe_video": {"media_url": url, "aspect_ratio": "1:1"},
        "upscale_generation": {"generation_id": order.id, "resolution": "4k"},
        "add_audio": {"generation_id": order.id, "prompt": text},
        "generate_image": {"prompt": text, "image_ref": [{"url": url}]},
        "reframe_image": {"media_url": url, "aspect_ratio": "1:1"},
        "edit_image": {"prompt": text, "source": url, "image_ref": [{"file_id": order.id}]},
        "extract_layers": {"source": {"file_id": order.id}},
        UPLOADING: _upload(call),
        "list_files": {"cursor": order.id},
        "delete_file": {"file_id": order.id},
        ESTIMATING: {"tool": "generate_image", "arguments": {"prompt": text}},
        WAITING: {"generation_id": call.job_id, "timeout_seconds": PATIENCE},
        "list_generations": {"offset": order.offset},
        **{tool: {} for tool in PATHS},
    }
    return arguments.get(call.tool, {"generation_id": call.job_id}) | more


def _upload(call: Call) -> Json:
    """Announce a file, send a small one, or complete one; parties are about one that is there."""
    order = call.order
    about = {"mime_type": "image/png", "filename": order.id}
    content = b64encode(b"A boat").decode()
    ways = ({"file_id": order.id}, {"data": content, **about}, {"size_bytes": 9, **about})
    return ways[0 if order.scene == PARTY else order.serial % 3]


def params_of(call: Call) -> Json:
    """Write what the call asks for."""
    return {"name": call.tool, "arguments": _arguments(call)}


def keys_of(call: Call) -> dict[str, str]:
    """Write the headers with the caller's keys."""
    if call.caller is None:
        return {}
    key, agents_key = call.caller.key, call.caller.agents_key
    place = HEADERS.index(call.header)
    second = AGENTS_HEADER if call.newer else HEADERS[(place + 1) % len(HEADERS)]
    keys = {call.header: key} | ({second: agents_key} if agents_key else {})
    return {
        header: f"Bearer {key}" if header == "Authorization" else key
        for header, key in keys.items()
    }


def _greeted_version(call: Call) -> str:
    return GREETED_VERSIONS[(call.caller.number if call.caller else 0) % len(GREETED_VERSIONS)]


def _bounds(call: Call) -> dict[str, str]:
    """Write bounds of costs for what has a price; a job without one would be refused."""
    return (
        {"X-Luma-Max-Cost-USD": "5", "X-Luma-Daily-Budget-USD": "1000"}
        if call.tool in PRICED
        else {}
    )


def headers_of(call: Call) -> dict[str, str]:
    """Write the headers by which the call is known."""
    headers = {"Accept": "application/json, text/event-stream", **keys_of(call), **_bounds(call)}
    if call.era == GREETED:
        return headers | {"MCP-Protocol-Version": _greeted_version(call)}
    if call.era == MODERN:
        how = {"Mcp-Method": "tools/call", "Mcp-Name": call.tool}
        return headers | {"MCP-Protocol-Version": MODERN, **how}
    return headers


# --- Who calls when ----------------------------------------------------------------------------


def _usual(caller: Caller, turn: int) -> Call:
    """Let each caller turn through every tool in every era.

    Who has a key for the newer API uses it half the time; others try now and then.
    """
    lap, place = divmod(turn, len(TOOLS))
    tool = TOOLS[place]
    scene = SCENES[(turn + caller.number) % len(SCENES)]
    return Call(
        caller=caller,
        tool=tool,
        order=Order(EVERYBODY if (lap + caller.number) % 2 else caller.marker, scene, turn),
        era=ERAS[lap % len(ERAS)],
        header=HEADERS[(turn + lap + caller.number) % len(HEADERS)],
        waits=tool == WAITING
        or (tool in {*CREATING, UPLOADING} and (lap + caller.number // 2) % LAPS == 0),
        newer=(place + lap + caller.number // 3) % (2 if caller.agents_key else 8) == 0,
    )


def _usual_calls() -> list[Call]:
    """Let neighbours in time be different callers with different tools."""
    return [
        _usual(caller, (turn + 23 * (caller.number % 4)) % TURNS)
        for turn in range(TURNS)
        for caller in (CALLERS[place * 7 % NUMBER_OF_CALLERS] for place in range(len(CALLERS)))
    ]


def _parties() -> list[list[Call]]:
    """Let five callers at a time wait for one and the same thing, four times each.

    It is a job of either API, which one of the four makes while another leaves; or a job and a
    file of the same id.
    """
    parties = []
    for number in range(3 * NUMBER_OF_CALLERS // 5):
        newer, both = number % 2 == 1, number % 4 == 3
        callers = CALLERS_OF_BOTH if newer else CALLERS
        order = Order(EVERYBODY, PARTY, TURNS + number)
        tools = ("create_generation", WAITING, *((UPLOADING,) * 2 if both else (WAITING,) * 2))
        parties.append(
            [
                Call(
                    caller=callers[(number // 2 * 5 + guest * 41) % len(callers)],
                    tool=tool,
                    order=order,
                    era=ERAS[(number + place) % len(ERAS)],
                    waits=True,
                    leaves=place == 3 and not both,
                    newer=newer,
                )
                for place, tool in enumerate(tools)
                for guest in range(5)
            ]
        )
    return parties


def _leavers() -> list[Call]:
    """Let each caller leave while a call is under way, of which two cost; two are of each API."""
    tools = ("create_generation", "get_generation") * 2
    return [
        Call(
            caller,
            tool,
            Order(caller.marker, LEAVING, serial),
            ERAS[serial % 2],
            leaves=True,
            newer=serial > 1 and caller.agents_key is not None,
        )
        for serial, tool in enumerate(tools)
        for caller in CALLERS
    ]


def _strangers() -> list[Call]:
    """Let somebody without a key ask for everything now and then."""
    order = Order(EVERYBODY, SCENES[0], 0)
    return [Call(None, tool, order, era) for tool in TOOLS for era in ERAS for _ in range(8)]


def _interleaved(*streams: Sequence[Item]) -> list[Item]:
    """Spread each stream evenly over the whole."""
    placed = [
        (place / len(stream), item) for stream in streams for place, item in enumerate(stream)
    ]
    return [item for _, item in sorted(placed, key=itemgetter(0))]


def _grouped(calls: Iterable[Call]) -> Iterator[list[Call]]:
    """Put three at a time onto one connection; whoever waits has it alone."""
    group: list[Call] = []
    for call in calls:
        if call.waits:
            yield [call]
            continue
        group.append(call)
        if len(group) == 3:
            yield group
            group = []
    if group:
        yield group


def plan() -> list[list[Call]]:
    """Say who calls when, group by group."""
    usual = [[group] for group in _grouped(_interleaved(_usual_calls(), _strangers()))]
    parties = [[[call] for call in party] for party in _parties()]
    leavers = [[[call]] for call in _leavers()]
    return [group for part in _interleaved(usual, parties, leavers) for group in part]


# --- How they call -----------------------------------------------------------------------------


class Connection:
    """One kept-alive connection to the server, for the calls of many callers."""

    def __init__(self, url: str) -> None:
        self.address = urlsplit(url)
        self.callers: set[Caller | None] = set()

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(
            self.address.hostname, self.address.port
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    def say(self, headers: dict[str, str], message: Json) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message})
        lines = [
            "POST /mcp HTTP/1.1",
            f"Host: {self.address.netloc}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self._writer.write("\r\n".join([*lines, "", body]).encode())

    def ask(self, call: Call) -> None:
        """Send a call; nobody waits here for the answer to an earlier one."""
        params = params_of(call) | {
            "_meta": {"progressToken": PROGRESS_TOKEN, **(META if call.era == MODERN else {})}
        }
        self.callers.add(call.caller)
        self.say(headers_of(call), {"id": MESSAGE_ID, "method": "tools/call", "params": params})

    async def greet(self, call: Call) -> list[str]:
        """Introduce the caller's client, as clients of the earlier era do; gives what came back."""
        headers = headers_of(call._replace(era=UNGREETED))
        client = {"capabilities": {}, "clientInfo": {"name": "crowd", "version": "1"}}
        params = {"protocolVersion": _greeted_version(call), **client}
        self.say(headers, {"id": MESSAGE_ID, "method": "initialize", "params": params})
        self.say(headers_of(call), {"method": "notifications/initialized"})
        return [(await self.hear())[1] for _ in range(2)]

    async def hear(self, *, whole: bool = True) -> tuple[int, str]:
        """Read the next answer, or only the beginning of its text."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        if b"\r\ntransfer-encoding: chunked" in head:
            text = await self._chunk()
            while whole and (part := await self._chunk()):
                text += part
        else:
            length = head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
            text = await self._reader.readexactly(int(length))
        return int(head.split(b" ", 2)[1]), text.decode()

    async def _chunk(self) -> bytes:
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        return (await self._reader.readexactly(size + 2))[:-2]


class Crowd:
    """Everybody who calls, at once.

    Attributes:
        groups: All calls, in their order.
        answers: Each call and what came back, unless its caller left.
        beginnings: Calls whose callers left when they had heard something, and what that was.
        greetings: What came back when a client introduced itself.
        callers: Who used each connection.
    """

    def __init__(self, url: str, luma: EchoingLuma) -> None:
        self._url = url
        self._luma = luma
        self._to_greet = set(CALLERS)
        self.groups = plan()
        self.answers: list[Answer] = []
        self.beginnings: list[Answer] = []
        self.greetings: list[str] = []
        self.callers: list[set[Caller | None]] = []

    async def call(self) -> None:
        """Make all calls, each on whatever connection is free."""
        groups = iter(self.groups)
        async with asyncio.TaskGroup() as tasks:
            for number in range(CONNECTIONS):
                tasks.create_task(self._use_connections(groups, pipelined=bool(number % 2)))

    async def _use_connections(self, groups: Iterator[list[Call]], *, pipelined: bool) -> None:
        """Use one connection after the other: who leaves in the middle takes it along."""
        gone = True
        while gone:
            async with Connection(self._url) as connection:
                gone = await self._use(connection, groups, pipelined=pipelined)
            self.callers.append(connection.callers)

    async def _use(
        self, connection: Connection, groups: Iterator[list[Call]], *, pipelined: bool
    ) -> bool:
        for group in groups:
            if group[0].leaves:
                await self._leave(connection, group[0])
                return True
            for calls in [group] if pipelined else ([call] for call in group):
                await self._exchange(connection, calls)
        return False

    async def _exchange(self, connection: Connection, calls: list[Call]) -> None:
        """Send some calls, and only then read the answers."""
        for call in calls:
            if call.era == GREETED and call.caller in self._to_greet:
                self._to_greet.remove(call.caller)
                self.greetings += await connection.greet(call)
        for call in calls:
            connection.ask(call)
        for call in calls:
            self.answers.append(Answer(call, *await connection.hear()))

    async def _leave(self, connection: Connection, call: Call) -> None:
        """Make a call and hang up: when Luma has heard of it, or after the first news of a job."""
        connection.ask(call)
        if call.waits:
            self.beginnings.append(Answer(call, *await connection.hear(whole=False)))
        else:
            begun = asyncio.ensure_future(self._luma.begun[call.order].wait())
            answered = asyncio.ensure_future(connection.hear())  # before Luma heard: a mistake
            await asyncio.wait({begun, answered}, return_when=asyncio.FIRST_COMPLETED)
            begun.cancel()
            answered.cancel()
        await connection.close()
        self._luma.left[call.order].set()
