"""What leaves us for the Agents API, and what its answers become."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from luma_mcp import __version__
from luma_mcp.luma import agents_models as models
from luma_mcp.luma.agents import Agents
from luma_mcp.luma.jobs import Assets, Job
from tests.luma.test_agents import CLIP, FILE, JOB, KEY, meeting
from tests.luma.upstream import answering

ROOT = "/agents/v1"
PICTURE = "https://example.org/boat.png"
VIDEO = "https://s3.example.org/boat.mp4?X-Amz-Expires=3600"
BYTES = b"\x89PNG\r\n\x1a\n\x00--boat"
BOUNDARY = re.compile(r"multipart/form-data; boundary=(\w+)")
STORED = {
    "id": FILE,
    "created_at": "2026-11-21T10:00:00Z",
    "mime_type": "image/png",
    "purpose": "input",
    "size_bytes": 14,
    "state": "pending",
    "filename": "boat.png",
}
READY = STORED | {"state": "ready"}
INVITATION = {
    "url": "https://s3.example.org/up?X-Amz-Signature=1",
    "method": "PUT",
    "headers": {"Content-Type": "image/png"},
    "expires_at": "2026-11-21T11:00:00Z",
}
NEW_FILE = models.CreateFile(
    mime_type="image/png",
    size_bytes=14,
    filename="boat.png",
    purpose="input",
    expires_at="2030-01-31T12:00:00Z",
)
FORM = (
    b"--BOUNDARY\r\n"
    b'Content-Disposition: form-data; name="mime_type"\r\n\r\nimage/png\r\n'
    b"--BOUNDARY\r\n"
    b'Content-Disposition: form-data; name="filename"\r\n\r\nboat.png\r\n'
    b"--BOUNDARY\r\n"
    b'Content-Disposition: form-data; name="purpose"\r\n\r\ninput\r\n'
    b"--BOUNDARY\r\n"
    b'Content-Disposition: form-data; name="expires_at"\r\n\r\n2030-01-31T12:00:00Z\r\n'
    b"--BOUNDARY\r\n"
    b'Content-Disposition: form-data; name="file"; filename="boat.png"\r\n'
    b"Content-Type: image/png\r\n\r\n" + BYTES + b"\r\n"
    b"--BOUNDARY--\r\n"
)


@dataclass(frozen=True)
class Exchange:
    """One call in literals; `body` is empty where nothing is sent, `kind` says what it is."""

    method: str
    call: Callable[[Agents], Awaitable[object]]
    request: str
    status: int
    answer: object
    result: object
    body: bytes = b""
    kind: str | None = None


EXCHANGES = {
    "create": Exchange(
        "create",
        lambda luma: luma.create(
            models.CreateGeneration(
                type="video",
                model="ray-3.2",
                prompt="A paper boat \u2014 \u7d19\u306e\u8239 \U0001f6a3",
                aspect_ratio="16:9",
                video=models.VideoOptions(
                    resolution="720p", loop=False, start_frame=models.ImageRef(url=PICTURE)
                ),
            )
        ),
        f"POST {ROOT}/generations",
        201,
        {
            "id": JOB.upper(),
            "type": "video",
            "model": "ray-3.2",
            "state": "queued",
            "created_at": "2026-11-21T10:00:00Z",
            "output": [],
            "failure_reason": None,
            "failure_code": None,
        },
        Job(
            api="agents",
            id=f"agents:{JOB}",
            type="video",
            state="queued",
            model="ray-3.2",
            created_at="2026-11-21T10:00:00Z",
            prompt="A paper boat \u2014 \u7d19\u306e\u8239 \U0001f6a3",
        ),
        '{"prompt":"A paper boat \u2014 \u7d19\u306e\u8239 \U0001f6a3","model":"ray-3.2",'
        '"type":"video","aspect_ratio":"16:9","video":{"resolution":"720p","loop":false,'
        f'"start_frame":{{"url":"{PICTURE}"}}}}}}'.encode(),
        "application/json",
    ),
    "get": Exchange(
        "get_generation",
        lambda luma: luma.get_generation(f"agents:{JOB}"),
        f"GET {ROOT}/generations/{JOB}",
        200,
        {"id": JOB, "state": "completed", "output": [{"type": "video", "url": VIDEO}]},
        Job(api="agents", id=f"agents:{JOB}", state="completed", assets=Assets(video=VIDEO)),
    ),
    "announce a file": Exchange(
        "begin_upload",
        lambda luma: luma.begin_upload(NEW_FILE),
        f"POST {ROOT}/files",
        201,
        {"id": FILE, "state": "pending", "file": STORED, "upload": INVITATION},
        (models.File(**STORED), models.PresignedUpload(**INVITATION)),
        b'{"mime_type":"image/png","size_bytes":14,"filename":"boat.png","purpose":"input",'
        b'"expires_at":"2030-01-31T12:00:00Z"}',
        "application/json",
    ),
    "announce a file, in short": Exchange(
        "begin_upload",
        lambda luma: luma.begin_upload(models.CreateFile(mime_type="video/mp4", size_bytes=5)),
        f"POST {ROOT}/files",
        200,
        {"id": FILE, "state": "pending", "file": None, "upload": None},
        (models.File(id=FILE, state="pending"), None),
        b'{"mime_type":"video/mp4","size_bytes":5}',
        "application/json",
    ),
    "send a file": Exchange(
        "upload",
        lambda luma: luma.upload(NEW_FILE, BYTES),
        f"POST {ROOT}/files",
        201,
        {"id": FILE, "state": "pending", "file": STORED, "upload": None},
        models.File(**STORED),
        FORM,
        "multipart/form-data; boundary=BOUNDARY",
    ),
    "complete a file": Exchange(
        "complete_upload",
        lambda luma: luma.complete_upload(FILE.upper()),
        f"POST {ROOT}/files/{FILE}/complete",
        200,
        STORED,
        models.File(**STORED),
        kind="application/json",
    ),
    "get a file": Exchange(
        "get_file",
        lambda luma: luma.get_file(FILE.upper()),
        f"GET {ROOT}/files/{FILE}",
        200,
        READY,
        models.File(**READY),
    ),
    "list files": Exchange(
        "list_files",
        lambda luma: luma.list_files(2, "a&b=c/d+e", "reference", "ready"),
        f"GET {ROOT}/files?limit=2&cursor=a%26b%3Dc/d%2Be&purpose=reference&state=ready",
        200,
        {"data": [READY, {"id": CLIP}], "has_more": True, "next_cursor": "next"},
        models.FileList(
            data=[models.File(**READY), models.File(id=CLIP)], has_more=True, next_cursor="next"
        ),
    ),
    "list files, in short": Exchange(
        "list_files",
        lambda luma: luma.list_files(25),
        f"GET {ROOT}/files?limit=25",
        200,
        {"data": []},
        models.FileList(data=[]),
    ),
    "check the key": Exchange(
        "check_key",
        lambda luma: luma.check_key(),
        f"GET {ROOT}/files?limit=1",
        200,
        {"data": [READY]},
        None,
    ),
    "delete a file": Exchange(
        "delete_file",
        lambda luma: luma.delete_file(FILE.upper()),
        f"DELETE {ROOT}/files/{FILE}",
        204,
        b"",
        None,
    ),
}


@pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=EXCHANGES)
async def test_a_request_leaves_us_as_luma_documents_it(exchange: Exchange) -> None:
    scene = answering(exchange.status, exchange.answer)
    async with meeting(scene, path=ROOT) as (luma, upstream):
        assert await exchange.call(luma) == exchange.result
    (seen,) = upstream.seen
    assert f"{seen.method} {seen.target}" == exchange.request
    told = dict(seen.headers)
    assert len(told) == len(seen.headers)
    kind, body = told.pop("content-type", None), seen.body
    if kind is not None and (boundary := BOUNDARY.fullmatch(kind)):
        kind = "multipart/form-data; boundary=BOUNDARY"
        body = body.replace(boundary[1].encode(), b"BOUNDARY")
    assert (kind, body) == (exchange.kind, exchange.body)
    length = {} if seen.method == "GET" else {"content-length": str(len(seen.body))}
    assert told == length | {
        "host": upstream.url.removeprefix("http://"),
        "accept": "application/json",
        "accept-encoding": "identity",
        "authorization": f"Bearer {KEY}",
        "connection": "keep-alive",
        "user-agent": f"luma-mcp/{__version__}",
    }


# SDK luma-agents 0.5.
OPERATIONS = {
    "POST /generations",
    "GET /generations/{id}",
    "POST /files",
    "GET /files",
    "GET /files/{id}",
    "POST /files/{id}/complete",
    "DELETE /files/{id}",
}


def test_every_operation_of_luma_is_among_the_exchanges_and_no_other() -> None:
    requests = [
        exchange.request.replace(ROOT, "").partition("?")[0] for exchange in EXCHANGES.values()
    ]
    assert len(OPERATIONS) == 7
    assert {re.sub(f"{JOB}|{FILE}", "{id}", request) for request in requests} == OPERATIONS


def test_every_method_of_ours_is_among_the_exchanges() -> None:
    ours = {name for name in vars(Agents) if not name.startswith("_")}
    assert {exchange.method for exchange in EXCHANGES.values()} == ours
