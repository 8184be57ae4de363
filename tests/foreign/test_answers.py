"""Answers of Luma's that are not as promised: bent, broken, or not JSON at all."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from luma_mcp.luma.apis import AGENTS
from tests.foreign.doors import LEGACY, Door, fields_in
from tests.foreign.examples import examples
from tests.foreign.strategies import ANYTHING, UNKNOWN_ID, Json, broken, written
from tests.foreign.test_arguments import CREATING, TOOLS
from tests.foreign.upstreams import HANGING_UP, open_door
from tests.messages import MODERN

KEY = "luma-canary-of-answers"
SIGNATURE = "canary-of-a-signature"
LINK = f"https://storage.cdn-luma.com/dream_machine/boat.mp4?X-Amz-Signature={SIGNATURE}"
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
JOB_ID = "5c0e1a3a-8f5e-4d1c-9a53-0d7f5b1e2a11"
OTHER_ID = "aaaaaaaa-1b2c-4d3e-8f90-abcdefabcdef"
MEDIA = {"media_url": "https://example.com/boat.mp4", "wait_seconds": 0}
CLIP = {"generation_id": UNKNOWN_ID}
AGENTS_CLIP = {"generation_id": f"{AGENTS.id_prefix}{UNKNOWN_ID}"}
PICTURE = {"source": "https://example.com/boat.jpg", "wait_seconds": 2}
FILE = {"file_id": UNKNOWN_ID}
BYTES = {"mime_type": "image/png", "data": "AAAA", "wait_seconds": 2}
# By the tool, and a word more where it asks the other API or in another way.
ARGUMENTS: dict[str, Json] = {
    "create_generation": {"prompt": "a paper boat"},
    "modify_video": {**MEDIA, "mode": "flex_1"},
    "reframe_video": {**MEDIA, "aspect_ratio": "1:1"},
    "upscale_generation": {**CLIP, "resolution": "4k"},
    "add_audio": {**CLIP, "prompt": "waves"},
    "generate_image": {"prompt": "a paper boat", "wait_seconds": 2},
    "reframe_image": {**MEDIA, "aspect_ratio": "1:1"},
    "get_generation": CLIP,
    "wait_for_generation": {**CLIP, "timeout_seconds": 2},
    "refresh_generation": CLIP,
    "list_generations": {},
    "delete_generation": CLIP,
    "get_credits": {},
    "list_concepts": {},
    "get_camera_motions": {},
    "ping": {},
    "create_generation agents": {"prompt": "a paper boat", "model": "ray-3.2"},
    "modify_video agents": {**MEDIA, "prompt": "at night", "model": "ray-3.2"},
    "reframe_video agents": {**MEDIA, "aspect_ratio": "1:1", "model": "ray-3.2"},
    "generate_image agents": {"prompt": "a boat", "model": "uni-1", "wait_seconds": 2},
    "edit_image agents": {**PICTURE, "prompt": "at night"},
    "extract_layers agents": PICTURE,
    "get_generation agents": AGENTS_CLIP,
    "wait_for_generation agents": {**AGENTS_CLIP, "timeout_seconds": 2},
    "refresh_generation agents": {**AGENTS_CLIP, "timeout_seconds": 2},
    "upload_file size_bytes": {"mime_type": "video/mp4", "size_bytes": 9},
    "upload_file data": BYTES,
    "upload_file file_id": {**FILE, "wait_seconds": 2},
    "list_files": {},
    "delete_file": FILE,
    "estimate_cost": {"tool": "create_generation", "arguments": {"prompt": "a boat"}},
}
JOB = {
    "id": JOB_ID,
    "generation_type": "video",
    "state": "completed",
    "failure_reason": None,
    "created_at": "2026-01-01T00:00:00.000000Z",
    "assets": {"video": LINK, "image": None, "progress_video": None},
    "model": "ray-2",
    "request": {"generation_type": "video", "prompt": "a boat", "callback_url": "https://a.b/c"},
}
FAILED = {**JOB, "state": "failed", "failure_reason": f"Job failed: {LINK}", "assets": None}
EXTENDED = {
    "keyframes": {"frame0": {"type": "generation", "id": OTHER_ID}},
    "prompt": "a boat",
}
OUTPUT = {
    "type": "image",
    "url": LINK,
    "layer": {"index": 0, "label": "Words", "description": "In front", "alpha_hint": "hard"},
}
AGENTS_JOB = {
    "id": JOB_ID,
    "type": "layering",
    "model": "uni-1",
    "state": "completed",
    "created_at": "2026-01-01T00:00:00Z",
    "output": [OUTPUT, {"type": "exr", "url": LINK}, {"type": "video", "url": LINK}],
    "failure_reason": None,
    "failure_code": None,
}
KEPT = {
    "id": JOB_ID,
    "created_at": "2026-01-01T00:00:00Z",
    "mime_type": "image/png",
    "purpose": "input",
    "size_bytes": 9,
    "state": "ready",
    "filename": "boat.png",
    "failure_reason": f"Not readable: {LINK}",
}
UPLOAD = {"url": "https://storage.example/put", "method": "PUT", "headers": {"X-A": "b"}}
CREATED = {"id": JOB_ID, "state": "pending", "file": KEPT, "upload": UPLOAD}
FILES = {"data": [KEPT], "has_more": True, "next_cursor": "abc"}
JOBS = st.sampled_from(
    [
        AGENTS_JOB,
        {**AGENTS_JOB, "output": [{**OUTPUT, "index": 1, "label": "a"}, OUTPUT]},
        {**AGENTS_JOB, "state": "failed", "failure_code": "new_one", "output": None},
        {**AGENTS_JOB, "state": "processing", "output": []},
        JOB,
        FAILED,
        {**JOB, "state": "queued", "assets": None},
        {**JOB, "state": "dreaming", "assets": {}},
        {"request": EXTENDED} | {name: JOB[name] for name in JOB if name != "request"},
        {"id": JOB_ID},
    ]
)
PAGE = {"generations": [JOB, FAILED], "has_more": True, "count": 2, "limit": 10, "offset": 0}
NAMES = (*JOB, *JOB["assets"], *PAGE, "prompt", "credit_balance", "message", "detail")
NAMES += (*AGENTS_JOB, *OUTPUT, *OUTPUT["layer"], *KEPT, *CREATED, *UPLOAD, *FILES)
STORED = st.sampled_from([KEPT, {**KEPT, "state": "failed"}, CREATED, FILES])
BODIES = st.one_of(
    JOBS,
    broken(JOBS, NAMES),
    broken(JOBS, NAMES),
    STORED,
    broken(STORED, NAMES),
    broken(st.just(PAGE), NAMES),
    broken(st.just({"credit_balance": 9_950.5}), NAMES),
    broken(st.just({"message": "pong"}), NAMES),
    broken(st.just(["static", "dolly_zoom"])),
    broken(st.just({"detail": f"key {KEY} and {LINK} are in here"}), NAMES),
    st.sampled_from([PAGE, {"credit_balance": -1}, {"message": "pong"}, ["static"]]),
    ANYTHING,
)
STATUSES = st.sampled_from([200] * 8 + [201] * 4 + [202, 204, 206, 226]) | st.sampled_from(
    [
        300,
        302,
        307,
        400,
        401,
        402,
        403,
        404,
        405,
        408,
        409,
        410,
        418,
        422,
        429,
        451,
        499,
        500,
        501,
        502,
        503,
        504,
        520,
        599,
    ]
)
# A passing trouble says to come back later than any deadline, so that nothing is tried again.
HEADERS = {"Retry-After": "3600", "Content-Type": "application/json", **HANGING_UP}
ERAS = st.sampled_from([LEGACY, MODERN])


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Draw a body: mostly JSON, now and then cut, in another coding, or followed by more."""
    whole = written(draw(BODIES))
    how = draw(st.sampled_from(["whole"] * 8 + ["cut", "wide", "mark", "twice", "bytes"]))
    changed = {
        "cut": whole[: len(whole) // 2],
        "wide": whole.decode().encode("utf-16"),
        "mark": b"\xef\xbb\xbf" + whole,
        "twice": whole * 2,
        "bytes": whole + b"\xff\x00",
    }
    return changed.get(how, whole)


@dataclass
class Luma:
    """An upstream that gives the next of its answers, and the last one again and again."""

    answers: list[tuple[int, bytes]] = field(default_factory=list)
    posts: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer whatever is asked."""
        self.posts += scope["method"] == "POST"
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        body = b"" if status == 204 else body
        await Response(body, status, HEADERS)(scope, receive, send)


@pytest.fixture
async def luma() -> AsyncIterator[tuple[Door, Luma]]:
    upstream = Luma()
    async with open_door(upstream) as door:
        yield door, upstream


def job_id_in(status: int, body: bytes) -> str | None:
    """Find the id that must not be lost: of a paid call that was not refused, at the top."""
    if status == 204 or (400 <= status < 500 and status != 408):
        return None
    try:
        job = json.loads(body.decode())
    except (ValueError, RecursionError):
        return None
    found = job.get("id") if isinstance(job, dict) else None
    return found.lower() if isinstance(found, str) and UUID.fullmatch(found) else None


def _read(fields: Json) -> str | None:
    return fields.get("generation_id") if "code" in fields else fields.get("id")


async def check(
    luma: tuple[Door, Luma], name: str, era: str, answers: list[tuple[int, bytes]]
) -> None:
    door, upstream = luma
    upstream.answers, upstream.posts = [*answers], 0
    tool, _, how = name.partition(" ")
    answer = await door.call(KEY, era, tool, ARGUMENTS[name])
    fields = fields_in(answer, TOOLS[tool]["outputSchema"])
    assert upstream.posts == (tool in {*CREATING, "upload_file"})
    if "code" in fields:
        assert SIGNATURE not in answer.text
        assert len(fields["message"]) < 1_000
        # All that was asked for is right: only Luma can find it wrong.
        refused = any(status // 100 == 4 for status, _ in answers)
        assert refused or fields["code"] != "invalid_request"
    if reason := (fields.get("failure") or {}).get("reason"):
        assert SIGNATURE not in reason
    if tool == "upload_file" and "code" not in fields:
        lost = fields["file"]["state"] in {"failed", "deleted"}
        assert fields["source"] == ({} if lost else {"file_id": fields["file"]["id"]})
        assert how != "file_id" or fields["file"]["id"]
    if tool in CREATING and (job_id := job_id_in(*answers[0])):
        prefix = AGENTS.id_prefix if how else ""
        assert (_read(fields) or "").lower() == f"{prefix}{job_id}"


def test_every_tool_is_answered_so() -> None:
    assert {name.split(" ")[0] for name in ARGUMENTS} == set(TOOLS)


@example(tool="upload_file file_id", era=MODERN, answers=[(200, b'{"state": "pending"}')])
@examples(300)
@given(
    tool=st.sampled_from(list(ARGUMENTS)),
    era=ERAS,
    answers=st.lists(st.tuples(STATUSES, texts()), min_size=1, max_size=3),
)
async def test_whatever_luma_answers_no_id_is_lost_and_nothing_leaks(
    luma: tuple[Door, Luma], tool: str, era: str, answers: list[tuple[int, bytes]]
) -> None:
    await check(luma, tool, era, answers)


@example(tool="create_generation", status=503, job={"request": EXTENDED, "id": JOB_ID})
@example(
    tool="extract_layers agents",
    status=201,
    job={**AGENTS_JOB, "output": [{**OUTPUT, "index": "front", "layer": {"label": "Words"}}]},
)
@example(tool="create_generation", status=201, job={"request": EXTENDED, "id": JOB_ID, "model": 7})
@examples(100)
@given(
    tool=st.sampled_from([name for name in ARGUMENTS if name.split(" ")[0] in CREATING]),
    status=STATUSES,
    job=broken(JOBS, NAMES),
)
async def test_a_paid_job_is_named_however_its_description_is_bent(
    luma: tuple[Door, Luma],
    tool: str,
    status: int,
    job: Any,  # noqa: ANN401 - any JSON
) -> None:
    await check(luma, tool, MODERN, [(status, written(job))])
