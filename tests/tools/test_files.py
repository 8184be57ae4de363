"""The tools about files: four ways to give one, what becomes of it, and how it is found again."""

import base64
import json

import httpx
import pytest
from fastmcp import Client
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from luma_mcp.mcp_server import build_mcp
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.settings import load_settings
from luma_mcp.tools.files import MAX_INLINE_BYTES
from tests.conftest import AGENTS_KEY
from tests.sandbox.pictures import paint
from tests.servers import application_and_url
from tests.services import open_services_over
from tests.tools.calls import (
    BOTH,
    Json,
    Upstream,
    call,
    client_of,
    data,
    lines_of,
    modern_call,
    refusal,
    refused,
)
from tests.tools.test_creating import FILE_ID

FILES = "/agents/v1/files"
FILE = f"{FILES}/{FILE_ID}"
PICTURE = "https://example.com/boat.png"
PNG = {"mime_type": "image/png"}
STORED = {
    "id": FILE_ID,
    "created_at": "2026-11-21T10:00:00Z",
    "mime_type": "image/png",
    "purpose": "input",
    "size_bytes": 1_234,
    "state": "pending",
    "filename": "boat.png",
}
READY = STORED | {"state": "ready"}
REASON = "The file holds no picture"
FAILED = STORED | {"state": "failed", "failure_reason": REASON}
SHOWN = STORED | {"expires_at": None, "failure_reason": None}
USE = "give it as file_id, or as source, to a tool that creates with ray-3.2, uni-1 or uni-1-max"
INVITATION = {
    "url": "https://s3.example.com/up?X-Amz-Signature=abc",
    "method": "PUT",
    "headers": {"Content-Type": "image/png", "x-amz-meta-a": "b"},
    "expires_at": "2026-11-21T11:00:00Z",
}
WAYS: Json = {
    "url": PICTURE,
    "size_bytes": 4,
    "data": "Ym9hdA==",
    "file_id": FILE_ID,
}


def in_base64(size: int) -> str:
    return base64.b64encode(bytes(size)).decode()


@pytest.mark.parametrize(
    "given", [[], ["url", "data"], ["size_bytes", "data"], ["size_bytes", "file_id"], [*WAYS]]
)
async def test_a_file_is_given_in_exactly_one_way(given: list[str]) -> None:
    error = await refused("upload_file", **PNG, **{name: WAYS[name] for name in given})
    assert error["message"] == "Give exactly one of url, size_bytes, data and file_id."
    assert error["advice"] == (
        "A public URL needs no upload at all; a large file takes size_bytes."
    )


async def test_a_link_is_given_back_as_a_source_without_an_upload() -> None:
    upstream = Upstream()
    async with client_of(upstream, BOTH) as client:
        result = await call(client, "upload_file", url=f" {PICTURE} ")
    step = "Nothing was uploaded: Luma fetches the URL itself when it is given as a source."
    assert result.structured_content == {
        "file": None,
        "source": {"url": PICTURE},
        "upload": None,
        "next_step": step,
    }
    assert lines_of(result) == [step]
    assert upstream.asked == []


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "http://example.com/a.png"])
async def test_a_link_that_luma_would_not_fetch_is_no_source(url: str) -> None:
    assert (await refused("upload_file", url=url))["message"] == "url needs an https URL."


async def test_a_file_to_send_is_announced_and_answered_with_where_to_send_it() -> None:
    created = {"id": FILE_ID, "state": "pending", "file": STORED, "upload": INVITATION}
    upstream = Upstream({f"POST {FILES}": created})
    async with client_of(upstream, BOTH) as client:
        result = await call(
            client,
            "upload_file",
            size_bytes=1_234,
            mime_type="image/png",
            filename="boat.png",
            purpose="input",
            expires_at="2999-01-31T12:00:00+01:00",
        )
    assert [json.loads(body) for body in upstream.bodies] == [
        {
            "mime_type": "image/png",
            "size_bytes": 1_234,
            "filename": "boat.png",
            "purpose": "input",
            "expires_at": "2999-01-31T12:00:00+01:00",
        }
    ]
    step = (
        "Send the bytes there with these headers and nothing else, such as with curl "
        f"--upload-file; then call upload_file with file_id {FILE_ID}."
    )
    assert result.structured_content == {
        "file": SHOWN,
        "source": {"file_id": FILE_ID},
        "upload": INVITATION,
        "next_step": step,
    }
    assert lines_of(result) == [
        f"File {FILE_ID} · boat.png · image/png · pending · 1,234 bytes",
        "PUT https://s3.example.com/up?X-Amz-Signature=abc",
        "Content-Type: image/png",
        "x-amz-meta-a: b",
        step,
    ]
    assert upstream.asked == [f"POST {FILES}"]  # there is nothing to wait for yet


async def test_an_invitation_without_method_and_headers_is_to_put_without_any() -> None:
    created = {"id": FILE_ID, "upload": {"url": INVITATION["url"]}}
    async with client_of(Upstream({f"POST {FILES}": created}), BOTH) as client:
        answer = await data(client, "upload_file", size_bytes=1, **PNG)
    assert answer["upload"] == {
        "method": "PUT",
        "url": INVITATION["url"],
        "headers": {},
        "expires_at": None,
    }


@pytest.mark.parametrize(
    "text",
    [
        "Ym9hdA==",
        "data:image/png;base64,Ym9hdA==",
        "data:image/png;name=boat.png;base64,Ym9hdA==",
        "Ym9h\r\ndA==\n",
    ],
    ids=["base64", "data: URL", "data: URL with a name", "in lines"],
)
async def test_a_small_file_goes_to_luma_in_a_form(text: str) -> None:
    created = {"id": FILE_ID, "state": "pending", "file": STORED, "upload": None}
    upstream = Upstream({f"POST {FILES}": created, f"GET {FILE}": READY})
    async with client_of(upstream, BOTH) as client:
        answer = await data(client, "upload_file", data=text, filename="boat.png", **PNG)
    form = upstream.bodies[0]
    assert b'name="file"; filename="boat.png"\r\nContent-Type: image/png\r\n\r\nboat\r\n' in form
    assert b'name="mime_type"\r\n\r\nimage/png\r\n' in form
    assert upstream.asked == [f"POST {FILES}", f"GET {FILE}"]
    assert upstream.keys == [f"Bearer {AGENTS_KEY}"] * 2
    assert answer == {
        "file": SHOWN | {"state": "ready"},
        "source": {"file_id": FILE_ID},
        "upload": None,
        "next_step": f"The file is ready: {USE}.",
    }


async def test_without_waiting_a_file_is_answered_as_it_is_taken_in() -> None:
    upstream = Upstream({f"POST {FILES}": {"file": STORED}})
    async with client_of(upstream, BOTH) as client:
        result = await call(client, "upload_file", data="Ym9hdA==", wait_seconds=0, **PNG)
    assert lines_of(result) == [
        f"File {FILE_ID} · boat.png · image/png · pending · 1,234 bytes",
        f"Luma is taking the file in: call upload_file with file_id {FILE_ID} again.",
    ]
    assert upstream.asked == [f"POST {FILES}"]


@pytest.mark.parametrize(
    "text",
    [
        "???",
        "Ym9hdA",
        "data:image/png;base64,Ym9hdA",
        "data:text/plain,boat",
        "boat,boat",
        "Ym9h*dA=",
        "\u00e9",
    ],
)
async def test_what_is_not_base64_is_refused(text: str) -> None:
    error = await refused("upload_file", data=text, **PNG)
    assert error["message"] == "data is not base64."
    assert error["advice"] == "Send the file's bytes in base64."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data:image/png;base64,", "0 bytes"),
        (in_base64(MAX_INLINE_BYTES + 1), f"{MAX_INLINE_BYTES + 1:,} bytes"),
    ],
)
async def test_bytes_of_a_wrong_number_are_refused(text: str, said: str) -> None:
    error = await refused("upload_file", data=text, **PNG)
    assert error["message"] == f"data holds {said}; 1 to 150,000 are taken."
    assert error["advice"].endswith("call upload_file with size_bytes.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size_bytes": 4}, "mime_type is required."),
        ({"data": "Ym9hdA=="}, "mime_type is required."),
        (
            {"size_bytes": 4, "mime_type": "png"},
            "mime_type must be a media type such as image/png or video/mp4.",
        ),
        ({"size_bytes": 0, **PNG}, "size_bytes must be at least 1."),
        (
            {"size_bytes": 5 * 1024**3 + 1, **PNG},
            "A file has from 1 byte to 5 GiB; this one has 5,368,709,121 bytes.",
        ),
        (
            {"size_bytes": 4, "expires_at": "2999-01-31", **PNG},
            "expires_at is not a date with time and zone.",
        ),
        (
            {"data": "Ym9hdA==", "expires_at": "2020-01-31T12:00:00Z", **PNG},
            "expires_at has passed.",
        ),
        (
            {"file_id": f"agents:{FILE_ID}"},
            "file_id must be the id of a file, such as 123e4567-e89b-12d3-a456-426614174000.",
        ),
    ],
)
async def test_a_file_that_cannot_be_is_refused(arguments: Json, message: str) -> None:
    assert (await refused("upload_file", **arguments))["message"] == message


async def test_a_small_file_needs_no_type_where_its_url_says_it() -> None:
    upstream = Upstream({f"POST {FILES}": {"file": READY}})
    async with client_of(upstream, BOTH) as client:
        await data(client, "upload_file", data="data:image/webp;base64,Ym9hdA==")
        await data(client, "upload_file", data="data:image/webp;base64,Ym9hdA==", **PNG)
    assert b"Content-Type: image/webp\r\n" in upstream.bodies[0]
    assert b"Content-Type: image/png\r\n" in upstream.bodies[1]


async def test_the_largest_small_file_fits_through_the_endpoint() -> None:
    arguments = {"data": in_base64(MAX_INLINE_BYTES), "wait_seconds": 0, **PNG}
    async with application_and_url() as (app, _):
        answer = await modern_call(
            app, "upload_file", arguments, Authorization=f"Bearer {AGENTS_KEY}"
        )
    assert answer.status_code == 200
    result = answer.json()["result"]
    assert not result.get("isError"), result
    assert result["structuredContent"]["file"]["size_bytes"] == MAX_INLINE_BYTES


async def test_a_completed_upload_is_waited_for_until_it_is_ready() -> None:
    upstream = Upstream({f"POST {FILE}/complete": STORED, f"GET {FILE}": READY})
    async with client_of(upstream, BOTH) as client:
        result = await call(client, "upload_file", file_id=f" {FILE_ID.upper()}")
    assert upstream.asked == [f"POST {FILE}/complete", f"GET {FILE}"]
    assert lines_of(result) == [
        f"File {FILE_ID} · boat.png · image/png · ready · 1,234 bytes",
        f"The file is ready: {USE}.",
    ]


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_a_file_that_luma_took_in_already_is_no_error(status: int) -> None:
    refusal_of_luma = JSONResponse({"detail": "Already complete"}, status)
    upstream = Upstream({f"POST {FILE}/complete": refusal_of_luma, f"GET {FILE}": READY})
    async with client_of(upstream, BOTH) as client:
        answer = await data(client, "upload_file", file_id=FILE_ID)
    assert answer["file"]["state"] == "ready"
    assert upstream.asked == [f"POST {FILE}/complete", f"GET {FILE}"]


async def test_a_file_that_luma_cannot_take_in_yet_is_an_error_in_lumas_words() -> None:
    refusal_of_luma = JSONResponse({"detail": "Nothing was uploaded"}, 409)
    upstream = Upstream({f"POST {FILE}/complete": refusal_of_luma, f"GET {FILE}": STORED})
    async with client_of(upstream, BOTH) as client:
        error = await refusal(client, "upload_file", file_id=FILE_ID)
    assert error["message"] == (
        'Luma\'s Agents API refused the request (409): "Nothing was uploaded"'
    )


async def test_a_file_that_nobody_knows_is_not_found() -> None:
    upstream = Upstream()
    async with client_of(upstream, BOTH) as client:
        error = await refusal(client, "upload_file", file_id=FILE_ID)
    assert (error["code"], error["generation_id"]) == ("not_found", None)
    assert error["advice"].startswith("Check the id (list_files shows those of files)")
    assert upstream.asked == [f"POST {FILE}/complete"]


async def test_a_file_that_failed_says_why() -> None:
    upstream = Upstream({f"POST {FILE}/complete": STORED, f"GET {FILE}": FAILED})
    async with client_of(upstream, BOTH) as client:
        result = await call(client, "upload_file", file_id=FILE_ID)
    assert result.structured_content is not None
    assert result.structured_content["file"]["failure_reason"] == REASON
    assert result.structured_content["next_step"] is None
    assert result.structured_content["source"] == {}
    assert lines_of(result) == [
        f"File {FILE_ID} · boat.png · image/png · failed · 1,234 bytes · {REASON}"
    ]


async def test_a_file_is_waited_for_where_luma_calls_back_too() -> None:
    created = {"id": FILE_ID, "state": "pending", "file": STORED}
    upstream = Upstream({f"POST {FILES}": created, f"GET {FILE}": READY})
    settings = load_settings(
        public_url="https://luma.example.com", agents_url="https://luma.example.org/agents/v1"
    )
    transport = httpx.ASGITransport(upstream)
    async with Client(build_mcp(lambda: open_services_over(transport, settings, BOTH))) as client:
        upload = await data(client, "upload_file", **PNG, data=WAYS["data"])
    assert upload["file"]["state"] == "ready"


class InTurn(Response):
    """Answers that follow one another."""

    def __init__(self, *answers: Json) -> None:
        super().__init__()
        self._answers = iter(answers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse(next(self._answers))(scope, receive, send)


async def test_a_file_that_luma_is_taking_in_is_waited_for_although_completing_is_refused() -> None:
    refusal_of_luma = JSONResponse({"detail": "Already complete"}, 409)
    looks = InTurn(STORED, STORED, READY)
    upstream = Upstream({f"POST {FILE}/complete": refusal_of_luma, f"GET {FILE}": looks})
    async with client_of(upstream, BOTH) as client:
        answer = await data(client, "upload_file", file_id=FILE_ID)
    assert answer["file"]["state"] == "ready"


@pytest.mark.parametrize("status", [401, 404, 422, 503])
async def test_trouble_while_waiting_never_hides_a_file_that_was_stored(status: int) -> None:
    trouble = JSONResponse({"detail": "No"}, status)
    upstream = Upstream({f"POST {FILES}": {"file": STORED}, f"GET {FILE}": trouble})
    async with client_of(upstream, BOTH) as client:
        answer = await data(client, "upload_file", data="Ym9hdA==", **PNG)
    assert answer["file"] == SHOWN
    assert answer["next_step"].endswith(f"call upload_file with file_id {FILE_ID} again.")
    assert f"GET {FILE}" in upstream.asked


class Faulty(Response):
    """An answer by which the way to Luma itself breaks."""

    async def __call__(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ZeroDivisionError


async def test_a_fault_of_ours_never_hides_a_file_that_was_stored_either() -> None:
    upstream = Upstream({f"POST {FILES}": {"file": STORED}, f"GET {FILE}": Faulty()})
    with capture_logs() as logs:
        async with client_of(upstream, BOTH) as client:
            answer = await data(client, "upload_file", data="Ym9hdA==", **PNG)
    assert answer["file"] == SHOWN
    assert [line["file_id"] for line in logs if line["event"] == "fault"] == [FILE_ID]


async def test_a_file_goes_the_whole_way_and_becomes_a_picture(
    mcp_client: Client, sandbox_transport: httpx.ASGITransport, clock: TurnedClock
) -> None:
    content = paint("PNG")
    announced = await data(mcp_client, "upload_file", size_bytes=len(content), **PNG)
    upload = announced["upload"]
    async with httpx.AsyncClient(transport=sandbox_transport) as http:
        put = await http.request(
            upload["method"], upload["url"], content=content, headers=upload["headers"]
        )
    assert put.status_code == 200
    file_id = announced["source"]["file_id"]
    completed = await data(mcp_client, "upload_file", file_id=file_id, wait_seconds=0)
    assert completed["file"]["state"] == "pending"
    clock.advance(60)
    ready = await data(mcp_client, "upload_file", file_id=file_id)
    assert ready["file"]["state"] == "ready"
    job = await data(
        mcp_client, "edit_image", prompt="At night", source=ready["source"], wait_seconds=0
    )
    assert job["state"] == "queued"
    gone = await data(mcp_client, "delete_file", file_id=file_id)
    assert gone == {"id": file_id, "deleted": True}
    error = await refusal(mcp_client, "edit_image", prompt="At night", source=ready["source"])
    assert error["code"] in {"invalid_request", "not_found"}


@pytest.fixture
async def three_files(mcp_client: Client, clock: TurnedClock) -> list[str]:
    """The ids of three files, the newest first, of which the oldest is no reference."""
    ids = []
    for purpose in ("input", "reference", "reference"):
        file = await data(mcp_client, "upload_file", size_bytes=4, purpose=purpose, **PNG)
        ids.insert(0, file["file"]["id"])
        clock.advance(1)
    return ids


async def test_pages_of_files_follow_one_another_to_the_end(
    mcp_client: Client, three_files: list[str]
) -> None:
    first = await data(mcp_client, "list_files", limit=2)
    second = await data(mcp_client, "list_files", limit=2, cursor=first["next_cursor"])
    pages = [[file["id"] for file in page["files"]] for page in (first, second)]
    assert pages == [three_files[:2], three_files[2:]]
    assert [page["count"] for page in (first, second)] == [2, 1]
    assert [page["has_more"] for page in (first, second)] == [True, False]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ({"purpose": "reference"}, slice(0, 2)),
        ({"purpose": "input"}, slice(2, 3)),
        ({"state": "pending"}, slice(0, 3)),
        ({"state": "ready"}, slice(0, 0)),
    ],
)
async def test_files_are_listed_by_purpose_and_state(
    mcp_client: Client, three_files: list[str], asked: Json, chosen: slice
) -> None:
    page = await data(mcp_client, "list_files", **asked)
    assert [file["id"] for file in page["files"]] == three_files[chosen]


async def listed(page: Json) -> tuple[Json, list[str]]:
    async with client_of(Upstream({f"GET {FILES}": page}), BOTH) as client:
        result = await call(client, "list_files")
    assert result.structured_content is not None
    return result.structured_content, lines_of(result)


async def test_a_page_has_a_line_for_each_file_and_says_how_to_go_on() -> None:
    strange = {"filename": "a\nb", "size_bytes": 1, "state": "melted", "failure_reason": " "}
    page = {"data": [READY, FAILED, strange], "has_more": True, "next_cursor": "c=1"}
    fields, lines = await listed(page)
    assert lines == [
        f"- {FILE_ID} · boat.png · image/png · ready · 1,234 bytes",
        f"- {FILE_ID} · boat.png · image/png · failed · 1,234 bytes · {REASON}",
        "- unknown · a b · melted · 1 byte",
        "There are more: call again with cursor c=1.",
    ]
    assert (fields["has_more"], fields["next_cursor"]) == (True, "c=1")


@pytest.mark.parametrize(
    ("page", "fields"),
    [
        ({"data": []}, (False, None)),
        ({"data": [], "has_more": None, "next_cursor": "c"}, (True, "c")),
        ({"data": [], "has_more": False, "next_cursor": None}, (False, None)),
    ],
)
async def test_a_cursor_promises_more_where_luma_does_not_say(
    page: Json, fields: tuple[bool, str | None]
) -> None:
    answer, lines = await listed(page)
    assert (answer["has_more"], answer["next_cursor"]) == fields
    assert lines == ["There are more: call again with cursor c." if fields[0] else "No files."]


async def test_a_deleted_file_is_gone() -> None:
    upstream = Upstream({f"DELETE {FILE}": JSONResponse(None, 204)})
    async with client_of(upstream, BOTH) as client:
        result = await call(client, "delete_file", file_id=f"{FILE_ID.upper()} ")
        error = await refusal(client, "delete_file", file_id=FILE_ID.replace("3", "4"))
    assert result.structured_content == {"id": FILE_ID.upper(), "deleted": True}
    assert lines_of(result) == [f"File {FILE_ID.upper()} is deleted."]
    assert upstream.asked[0] == f"DELETE {FILE}"
    assert error["code"] == "not_found"
