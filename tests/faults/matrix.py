"""The fault matrix: what can go wrong between here and Luma, and what becomes of each call.

The rows are played by `test_matrix`; `python -m tests.documents` writes them down for people.
"""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal

from luma_mcp.errors import InvalidRequest, NotFound
from luma_mcp.luma.apis import AGENTS, DREAM_MACHINE, Api
from tests.faults import certificates, scenes
from tests.faults.scenes import CHUNKED, CUT, JOB, MADE, STALE
from tests.luma.test_sending import HTML, hang_up, reset_when_read, stall, talk_garbage
from tests.luma.upstream import Scene, answer_of, answering

PATIENT_SECONDS = 6.0
HASTY_SECONDS = 1.0
WAIT_SECONDS = 5
LOOKS = 3  # that a watch in trouble makes in this time: at 0, 1 and 3 seconds
NEXT_LOOK_SECONDS = 7.0  # when it would make the next
HUGE_SECONDS = 3600.0
WAITING, RAY_3 = "wait_for_generation", "ray-3.2"


@dataclass(frozen=True)
class Cell:
    """What becomes of one kind of call.

    Attributes:
        code: The error's code; "ok" where there is none.
        sent: How many requests were made of it.
        may_exist: Whether the error says that the job may exist.
        has_id: Whether it also tells the job's id.
        retry_after: What it says of when to come again, in seconds.
    """

    code: str = "ok"
    sent: int = 1
    _: KW_ONLY
    may_exist: bool = False
    has_id: bool = False
    retry_after: float | None = None

    def __str__(self) -> str:
        """Say it in a table."""
        if self.code == "ok":
            return "works" if self.sent == 1 else f"works at request {self.sent}"
        text = f"`{self.code}`"
        if self.may_exist:
            return f"{text}, may exist{', with its id' if self.has_id else ''}"
        requests = {0: ", nothing sent", 1: ""}.get(self.sent, f", {self.sent} requests")
        return f"{text}{requests}"

    @property
    def in_a_wait(self) -> str:
        """Say it of a wait, which makes as many requests as it has time for."""
        if self.code == "ok":
            return "works" if self.sent == 1 else "works on"
        return f"`{self.code}` at its end" if self.has_id else f"`{self.code}` at once"


def doubt(code: str, *, has_id: bool = False) -> Cell:
    return Cell(code, may_exist=True, has_id=has_id)


def ridden_out(code: str, sent: int = LOOKS, retry_after: float | None = None) -> Cell:
    """A wait that hoped to its end, and names the job that it waited for."""
    return Cell(code, sent, has_id=True, retry_after=retry_after)


OK, SECOND = Cell(), Cell(sent=2)
UNASKED = Cell(sent=0)  # of what is answered without Luma

Kind = Literal["reads", "delete", "paid", "wait", "computes"]


@dataclass(frozen=True)
class Ask:
    """A call that meets every fault.

    Attributes:
        kind: What it is to Luma; what stores a file costs nothing, and is like reading.
        tool: Which tool is called.
        arguments: With what.
        how: What tells it from other calls of the same tool.
        api: Whose key it comes with, and no other.
    """

    kind: Kind
    tool: str
    arguments: dict[str, object]
    how: str = ""
    _: KW_ONLY
    api: Api = DREAM_MACHINE

    @property
    def name(self) -> str:
        """What the tests call it."""
        return f"{self.tool} {self.how}".strip()

    @property
    def subject(self) -> str:
        """The id of the job that its error may name."""
        return f"{self.api.id_prefix}{SOURCE if self.kind == 'wait' else MADE}"


@dataclass(frozen=True)
class Row:
    """A fault, and what becomes of reading, deleting, paying and waiting.

    Attributes:
        reads: So it is also with storing a file.
        scenes: What connections bring, one after the other, the last one again and again; none
            if nobody listens.
        recovered: What the upstream plays once it is well again.
        url: How the upstream is addressed, by its port.
        seconds: The deadline of a call.
        at_once: Whether all calls are made together, because each takes its whole deadline.
        is_warm: Whether a good call leaves its connection behind for each call.
    """

    fault: str
    scenes: tuple[Scene, ...]
    reads: Cell
    delete: Cell
    paid: Cell
    wait: Cell
    _: KW_ONLY
    recovered: Scene | None = scenes.good
    url: str = "http://127.0.0.1:{port}"
    seconds: float = PATIENT_SECONDS
    at_once: bool = False
    is_warm: bool = False

    def cell(self, ask: Ask) -> Cell:
        """What becomes of this call."""
        cell = UNASKED if ask.kind == "computes" else getattr(self, ask.kind)
        return replace(cell, sent=cell.sent + self._further(ask, cell))

    def _further(self, ask: Ask, cell: Cell) -> int:
        """How many requests it makes to find another way.

        One tool looks for concepts where Luma has no list of camera motions or a bad one; one
        looks how a file stands that Luma does not take in.
        """
        gone = {"bad_response", NotFound.code, InvalidRequest.code}
        if ask.name == "get_camera_motions" and cell.code in gone:
            return cell.sent
        return int(ask.name == COMPLETING and cell.code == InvalidRequest.code)

    @property
    def slots(self) -> int:
        """How many calls of Luma the server may make at once: no more than it needs."""
        return len(CALLS) if self.at_once else 1

    @property
    def waits(self) -> int:
        """How many calls wait at the same time."""
        return sum(ask.kind == "wait" for ask in CALLS.values()) if self.at_once else 1

    @property
    def is_usual(self) -> bool:
        """Whether it plays on the server that rows share."""
        return bool(self.scenes) and (self.url, self.seconds, self.slots) == (
            USUAL.url,
            USUAL.seconds,
            USUAL.slots,
        )

    @property
    def waits_after_creation(self) -> bool:
        """Whether a good connection for the creation can come before the fault."""
        return bool(self.scenes) and not self.is_warm and self.recovered is scenes.good

    @property
    def outcomes(self) -> tuple[str, str, str, str]:
        """What becomes of everything, in words."""
        return str(self.reads), str(self.delete), str(self.paid), self.wait.in_a_wait


SOURCE = "5c0e1a3a-8f5e-4d1c-9a53-0d7f5b1e2a11"
CLIP = "https://example.com/boat.mp4"
PICTURE = {"source": {"url": "https://example.com/boat.jpg"}, "wait_seconds": 0}
PROMPT = {"prompt": "A paper boat"}
AGENTS_SOURCE = {"generation_id": f"{AGENTS.id_prefix}{SOURCE}"}
FILE = {"mime_type": "image/png", "wait_seconds": 0}
COMPLETING = "upload_file file_id"
CALLS = {
    ask.name: ask
    for ask in (
        Ask("paid", "create_generation", PROMPT),
        Ask("paid", "modify_video", {"media_url": CLIP, "mode": "flex_1"}),
        Ask("paid", "reframe_video", {"media_url": CLIP, "aspect_ratio": "1:1"}),
        Ask("paid", "upscale_generation", {"generation_id": SOURCE, "resolution": "4k"}),
        Ask("paid", "add_audio", {"generation_id": SOURCE, "prompt": "Waves"}),
        Ask("paid", "generate_image", {**PROMPT, "wait_seconds": 0}),
        Ask("paid", "reframe_image", {"media_url": CLIP, "aspect_ratio": "1:1", "wait_seconds": 0}),
        Ask("reads", "get_generation", {"generation_id": SOURCE}),
        Ask("reads", "refresh_generation", {"generation_id": SOURCE}),
        Ask("wait", WAITING, {"generation_id": SOURCE, "timeout_seconds": WAIT_SECONDS}),
        Ask("reads", "list_generations", {}),
        Ask("delete", "delete_generation", {"generation_id": SOURCE}),
        Ask("reads", "get_credits", {}),
        Ask("reads", "list_concepts", {}),
        Ask("reads", "get_camera_motions", {}),
        Ask("reads", "ping", {}),
        Ask("computes", "estimate_cost", {"tool": "create_generation", "arguments": PROMPT}),
        Ask("paid", "create_generation", {**PROMPT, "model": RAY_3}, RAY_3, api=AGENTS),
        Ask(
            "paid",
            "generate_image",
            {**PROMPT, "model": "uni-1", "wait_seconds": 0},
            "uni-1",
            api=AGENTS,
        ),
        Ask("paid", "edit_image", {**PROMPT, **PICTURE}, api=AGENTS),
        Ask("paid", "extract_layers", PICTURE, api=AGENTS),
        Ask("reads", "get_generation", AGENTS_SOURCE, "agents", api=AGENTS),
        Ask(
            "wait",
            WAITING,
            {**AGENTS_SOURCE, "timeout_seconds": WAIT_SECONDS},
            "agents",
            api=AGENTS,
        ),
        Ask("reads", "upload_file", {**FILE, "size_bytes": 4_000}, "size_bytes", api=AGENTS),
        Ask("reads", "upload_file", {**FILE, "data": "AAAA"}, "data", api=AGENTS),
        Ask("reads", "upload_file", {"file_id": SOURCE}, "file_id", api=AGENTS),
        Ask("reads", "list_files", {}, api=AGENTS),
        Ask("delete", "delete_file", {"file_id": SOURCE}, api=AGENTS),
        Ask("reads", "ping", {}, "agents", api=AGENTS),
    )
}

UNSENT = Cell("unavailable", 0), Cell("unavailable", 0), Cell("unavailable", 0)
NEVER_THERE = (*UNSENT, ridden_out("unavailable", 0))
THRICE = Cell("unavailable", 3)
LOST = THRICE, THRICE, doubt("unavailable"), ridden_out("unavailable")
SILENT = Cell("timed_out"), Cell("timed_out"), doubt("timed_out"), ridden_out("timed_out")
UNREADABLE = Cell("bad_response"), OK, doubt("bad_response"), ridden_out("bad_response")
NO_JSON = Cell("bad_response"), Cell("bad_response"), *UNREADABLE[2:]
HOLDS_ID = doubt("bad_response", has_id=True)
ODD = Cell("bad_response"), OK, HOLDS_ID, ridden_out("bad_response")
NO_JSON_WITH_ID = Cell("bad_response"), Cell("bad_response"), *ODD[2:]
BROKEN_OFF = Cell("bad_response", 3), Cell("bad_response", 3), HOLDS_ID, ridden_out("bad_response")
TOO_LARGE = Cell("bad_response"), Cell("bad_response"), HOLDS_ID, ridden_out("bad_response")
WELL = OK, OK, OK, OK
USUAL = Row("None", (scenes.good,), *WELL)


def _limited(sent: int, retry_after: float | None = None, looks: int = LOOKS) -> tuple[Cell, ...]:
    cell = Cell("rate_limited", sent, retry_after=retry_after)
    left = (retry_after or NEXT_LOOK_SECONDS) - WAIT_SECONDS
    return cell, cell, cell, ridden_out("rate_limited", looks, left)


def _refused(code: str) -> tuple[Cell, ...]:
    return (Cell(code),) * 4


def _busy(retry_after: str) -> tuple[Scene, ...]:
    return (answering(429, None, f"Retry-After: {retry_after}"),)


def _behind(context: str) -> tuple[Scene, ...]:
    return (scenes.behind(getattr(certificates, context), scenes.good),)


def _tls(fault: str, *acts: Scene) -> Row:
    return Row(
        fault, acts, *NEVER_THERE, recovered=scenes.good_over_tls, url="https://localhost:{port}"
    )


SMUGGLED = answer_of(200, CUT, "Transfer-Encoding: chunked", "Connection: close")

ROWS = (
    Row("The connection is refused", (), *NEVER_THERE),
    Row(
        "The name is not found",
        (),
        *NEVER_THERE,
        recovered=None,
        url="http://luma.invalid:{port}",
        at_once=True,
    ),
    _tls("The certificate is nobody's", *_behind("of_nobody")),
    _tls("The certificate has expired", *_behind("expired")),
    _tls("The certificate is another host's", *_behind("of_another_host")),
    _tls("No TLS on the port of TLS", scenes.speak_no_tls),
    Row("Reset at once", (scenes.reset_at_once,), *LOST),
    Row("Reset with the request half read", (scenes.reset_half_read,), *LOST),
    Row("Reset after the request", (reset_when_read,), *LOST),
    Row("Closed without an answer", (hang_up,), *LOST),
    Row("Garbage instead of HTTP", (talk_garbage,), *LOST),
    Row(
        "Reset after 100 Continue",
        (scenes.resetting_after(b"HTTP/1.1 100 Continue\r\n\r\n"),),
        *LOST,
    ),
    Row(
        "Thousands of headers",
        (answering(200, JOB, *(f"X-{number}: x" for number in range(5_000))),),
        *LOST,
    ),
    Row("A header of 1 MB", (answering(200, JOB, f"X-Long: {'x' * 1_000_000}"),), *LOST),
    Row("Two lengths that disagree", (scenes.saying(SMUGGLED),), *LOST),
    Row(
        "A kept connection is closed when the request comes",
        (scenes.at_the_second_request(hang_up), scenes.good),
        SECOND,
        SECOND,
        doubt("unavailable"),
        SECOND,
        is_warm=True,
    ),
    Row(
        "A kept connection is reset when the request comes",
        (scenes.at_the_second_request(reset_when_read), scenes.good),
        SECOND,
        SECOND,
        doubt("unavailable"),
        SECOND,
        is_warm=True,
    ),
    Row("Silence", (stall,), *SILENT, seconds=HASTY_SECONDS, at_once=True),
    Row(
        "Silence after the headers",
        (scenes.stall_after_the_head,),
        *SILENT,
        seconds=HASTY_SECONDS,
        at_once=True,
    ),
    Row(
        "The answer comes in drops",
        (scenes.drip,),
        Cell("timed_out"),
        Cell("timed_out"),
        doubt("timed_out", has_id=True),
        ridden_out("timed_out"),
        seconds=1.0,
        at_once=True,
    ),
    Row("The answer is cut short", (answering(200, CUT, length=500),), *BROKEN_OFF),
    Row(
        "The answer is cut short, in chunks",
        (scenes.saying(CHUNKED + b"%x\r\n%s\r\n" % (len(CUT), CUT)),),
        *BROKEN_OFF,
    ),
    Row("50 MB, declared", (scenes.pour_declared,), *TOO_LARGE),
    Row("50 MB, in chunks", (scenes.pour_chunks,), *TOO_LARGE),
    Row("50 MB, packed to 50 kB", (scenes.bomb,), *TOO_LARGE),
    Row(
        "HTTP/1.0, cut short", (scenes.saying(b"HTTP/1.0 200 OK\r\n\r\n" + CUT),), *NO_JSON_WITH_ID
    ),
    Row(
        "Success, but not JSON", (answering(200, f'OK "id": "{MADE}"'.encode()),), *NO_JSON_WITH_ID
    ),
    Row("Success with a list", (answering(200, [JOB]),), *ODD),
    Row("Success with HTML", (answering(200, HTML),), *NO_JSON),
    Row("Success with an empty body", (answering(200, b""),), *UNREADABLE),
    Row("Success with null", (answering(200, None),), *UNREADABLE),
    Row("Success with a text", (answering(200, "queued"),), *UNREADABLE),
    Row("204 where a body is promised", (answering(204, b""),), *UNREADABLE),
    Row(
        "101 Switching Protocols",
        (answering(101, b"", "Upgrade: x"),),
        *(Cell("bad_response"),) * 2,
        doubt("bad_response"),
        ridden_out("bad_response"),
    ),
    Row(
        "A redirect to another host",
        (scenes.redirect,),
        *(Cell("bad_response"),) * 2,
        doubt("bad_response"),
        ridden_out("bad_response"),
    ),
    Row(
        "500 with an id",
        (answering(500, {"detail": "Late fault", "generation": JOB}),),
        *(Cell("unavailable"),) * 2,
        doubt("unavailable", has_id=True),
        ridden_out("unavailable"),
    ),
    Row("502 with HTML", (answering(502, HTML),), *LOST),
    Row("503", (answering(503, {"detail": "Busy"}),), *LOST),
    Row("504", (answering(504),), *LOST),
    Row("408", (answering(408),), *LOST),
    Row(
        "503 with Retry-After 60",
        (answering(503, None, "Retry-After: 60"),),
        *(Cell("unavailable", retry_after=60.0),) * 2,
        Cell("unavailable", may_exist=True, retry_after=60.0),
        ridden_out("unavailable", 1, 55.0),
    ),
    Row(
        "503 once, then well",
        (answering(503), scenes.good),
        SECOND,
        SECOND,
        doubt("unavailable"),
        SECOND,
    ),
    Row("429 once, then well", (answering(429), scenes.good), *(SECOND,) * 4),
    Row("429", (answering(429),), *_limited(3)),
    Row("429 with Retry-After 0", _busy("0"), *_limited(3, 0.0)),
    Row("429 with a garbled Retry-After", _busy("soon"), *_limited(3)),
    Row("429 with Retry-After 7", _busy("7"), *_limited(1, 7.0, looks=1)),
    Row("429 with a huge Retry-After", _busy("9" * 30), *_limited(1, HUGE_SECONDS, looks=1)),
    Row(
        "429 with a date far off",
        _busy(format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)),
        *_limited(1, HUGE_SECONDS, looks=1),
    ),
    Row("401", (answering(401, {"detail": "Invalid API key"}),), *_refused("key_rejected")),
    Row("403", (answering(403),), *_refused("key_rejected")),
    Row("402", (answering(402),), *_refused("insufficient_credits")),
    Row(
        "413, with the request half read",
        (scenes.refuse_half_read,),
        *_refused("invalid_request"),
    ),
    Row(
        "100 Continue before the answer",
        (scenes.before_the_answer(b"HTTP/1.1 100 Continue\r\n\r\n" * 100),),
        *WELL,
    ),
    Row(
        "103 Early Hints before the answer",
        (scenes.before_the_answer(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),),
        *WELL,
    ),
    Row("HTTP/1.0 instead of 1.1", (scenes.in_http_1_0,), *WELL),
    Row("Two answers in one go", (scenes.followed_by(STALE),), *WELL),
)


def faults() -> Iterator[str]:
    """Write the table for people: faults with equal outcomes share a row."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for row in ROWS:
        alike.setdefault(row.outcomes, []).append(row.fault)
    yield "| fault | reads, uploads | delete | paid | wait |"
    yield f"|{'---|' * 5}"
    for outcomes, names in alike.items():
        yield f"| {' | '.join(('; '.join(names), *outcomes))} |"
