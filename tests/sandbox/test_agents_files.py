"""Files of the Agents API: two ways to bring them, what becomes of them, and what is refused."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.sandbox.inspection import inspect
from luma_mcp.sandbox.jobs import write_moment
from luma_mcp.sandbox.media import draw
from luma_mcp.sandbox.scenes import Scene, find_nearest_ratio
from tests.sandbox.conftest import OPEN_HANDED, Agents, Enter, Json
from tests.sandbox.pictures import paint
from tests.sandbox.test_agents_rules import EDIT, REFRAME

PICTURE = paint("PNG")
CLIP = draw(Scene(title="", model="", format="mp4", aspect_ratio="9:16", seconds=2))


async def announce(agents: Agents, content: bytes = PICTURE, **described: object) -> Json:
    body = {"mime_type": "image/png", "size_bytes": len(content), **described}
    answer = await agents.post("/files", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def send(agents: Agents, made: Json, content: bytes = PICTURE) -> httpx.Response:
    upload = made["upload"]
    headers = {**upload["headers"], "authorization": ""}
    return await agents.request(upload["method"], upload["url"], content=content, headers=headers)


async def complete(agents: Agents, made: Json) -> Json:
    answer = await agents.post(f"/files/{made['id']}/complete")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def read(agents: Agents, made: Json) -> Json:
    return (await agents.get(f"/files/{made['id']}")).json()


async def send_form(
    agents: Agents, content: bytes = PICTURE, mime_type: str = "image/png", **fields: str
) -> httpx.Response:
    files = {"file": ("pear.png", content, mime_type)}
    return await agents.post("/files", files=files, data=fields)


async def bring(agents: Agents, clock: TurnedClock, content: bytes, mime_type: str) -> Json:
    """A file in one form, after its ingest."""
    made = (await send_form(agents, content, mime_type)).json()
    clock.advance(1)
    return await read(agents, made)


async def test_a_file_is_announced_then_sent_then_completed_then_ready(
    agents: Agents, clock: TurnedClock
) -> None:
    expires_at = write_moment(clock.now() + timedelta(days=1))
    made = await announce(
        agents, filename="pear.png", purpose="reference", user_id="me", expires_at=expires_at
    )
    file = {
        "id": made["id"],
        "created_at": write_moment(clock.now()),
        "mime_type": "image/png",
        "purpose": "reference",
        "size_bytes": len(PICTURE),
        "state": "pending",
        "filename": "pear.png",
        "user_id": "me",
        "expires_at": expires_at,
        "deleted_at": None,
        "failure_reason": None,
    }
    assert (made["file"], made["state"]) == (file, "pending")
    assert made["upload"]["expires_at"] == write_moment(clock.now() + timedelta(minutes=15))
    assert (await send(agents, made)).status_code == 200
    clock.advance(100)
    assert await read(agents, made) == file
    assert await complete(agents, made) == file
    clock.advance(0.9)
    assert await complete(agents, made) == file
    clock.advance(0.1)
    assert await read(agents, made) == {**file, "state": "ready"}
    assert await complete(agents, made) == {**file, "state": "ready"}


async def test_a_file_in_a_form_is_pending_ingest_at_once(
    agents: Agents, clock: TurnedClock
) -> None:
    answer = await send_form(agents, purpose="reference", user_id="me")
    made = answer.json()
    assert (answer.status_code, made["upload"], made["state"]) == (201, None, "pending")
    assert (made["file"]["filename"], made["file"]["size_bytes"]) == ("pear.png", len(PICTURE))
    assert (made["file"]["purpose"], made["file"]["user_id"]) == ("reference", "me")
    clock.advance(1)
    assert (await read(agents, made))["state"] == "ready"


async def test_fields_of_a_form_go_before_what_its_part_says(agents: Agents) -> None:
    made = await agents.post(
        "/files",
        files={"file": ("pear", PICTURE, "text/plain")},
        data={"mime_type": "image/png", "filename": "other.png", "size_bytes": "7"},
    )
    file = made.json()["file"]
    assert (file["mime_type"], file["filename"]) == ("image/png", "other.png")
    assert file["size_bytes"] == len(PICTURE)


SORTS = [
    (paint("PNG"), "image/png"),
    (paint("JPEG"), "image/jpeg"),
    (paint("WEBP"), "image/webp"),
    (paint("GIF"), "image/gif"),
    (CLIP, "video/mp4"),
    (CLIP, "video/quicktime"),
]


@pytest.mark.parametrize(("content", "mime_type"), SORTS)
async def test_a_file_that_is_what_it_says_becomes_ready(
    agents: Agents, clock: TurnedClock, content: bytes, mime_type: str
) -> None:
    assert (await bring(agents, clock, content, mime_type))["state"] == "ready"


# A list of other files: what reads it must not be chosen by what it says.
PLAYLIST = b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:5,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    ("content", "mime_type", "reason"),
    [
        (paint("JPEG"), "image/png", "The bytes are image/jpeg, not image/png"),
        (CLIP, "image/png", "The bytes are no image/png that can be read"),
        (PICTURE, "video/mp4", "The bytes are no video/mp4 that can be read"),
        (CLIP, "video/webm", "The bytes are no video/webm that can be read"),
        (CLIP, "video/x-unknown", "The bytes are no video/x-unknown that can be read"),
        (PLAYLIST, "video/mp4", "The bytes are no video/mp4 that can be read"),
        (PICTURE[:60], "image/png", "The bytes are no image/png that can be read"),
        (b"\x00", "image/png", "The bytes are no image/png that can be read"),
        (paint("BMP"), "image/bmp", "The bytes are no image/bmp that can be read"),
    ],
)
async def test_a_file_that_is_not_what_it_says_fails(
    agents: Agents, clock: TurnedClock, content: bytes, mime_type: str, reason: str
) -> None:
    file = await bring(agents, clock, content, mime_type)
    assert (file["state"], file["failure_reason"]) == ("failed", reason)
    answer = await agents.ask(type="image_edit", source={"file_id": file["id"]})
    assert answer.json()["detail"] == "source: file is failed, not ready"


def test_a_picture_with_too_many_pixels_fails() -> None:
    content = paint("PNG", (9_000, 8_900), "1")
    found = inspect(io.BytesIO(content), "image/png")
    assert found.failure_reason == "The picture has too many pixels"


async def test_moderation_fails_when_the_name_of_the_file_asks_for_it(
    agents: Agents, clock: TurnedClock
) -> None:
    made = await announce(agents, filename="pear [sandbox:fail=content_moderated].png")
    await send(agents, made)
    await complete(agents, made)
    clock.advance(1)
    file = await read(agents, made)
    assert file["state"] == "failed"
    assert "content moderation" in file["failure_reason"]
    body = {"mime_type": "image/png", "size_bytes": 1, "filename": "[sandbox:fail=typo]"}
    answer = await agents.post("/files", json=body)
    assert answer.json() == {"detail": "Unknown sandbox word: fail=typo"}


async def test_a_file_that_was_not_sent_cannot_be_completed(agents: Agents) -> None:
    made = await announce(agents)
    answer = await agents.post(f"/files/{made['id']}/complete")
    text = "File has not been uploaded yet"
    assert (answer.status_code, answer.json()) == (409, {"detail": text})


async def test_an_upload_may_be_repeated_until_the_file_is_complete(
    agents: Agents, clock: TurnedClock
) -> None:
    made = await announce(agents)
    assert (await send(agents, made, bytes(len(PICTURE)))).status_code == 200
    assert (await send(agents, made)).status_code == 200
    await complete(agents, made)
    assert (await send(agents, made, bytes(len(PICTURE)))).status_code == 403
    clock.advance(1)
    assert (await read(agents, made))["state"] == "ready"


async def test_an_upload_of_another_size_is_refused(agents: Agents) -> None:
    made = await announce(agents)
    short = await send(agents, made, PICTURE[:-1])
    assert (short.status_code, "<Code>IncompleteBody</Code>" in short.text) == (400, True)
    long = await send(agents, made, PICTURE + b"x")
    text = f"The body has more than {len(PICTURE)} bytes"
    assert (long.status_code, long.json()) == (413, {"detail": text})
    assert (await agents.post(f"/files/{made['id']}/complete")).status_code == 409


async def test_an_upload_needs_the_headers_that_were_given(agents: Agents) -> None:
    made = await announce(agents)
    made["upload"]["headers"] = {"Content-Type": "image/jpeg"}
    answer = await send(agents, made)
    assert (answer.status_code, "SignatureDoesNotMatch" in answer.text) == (403, True)


async def test_an_upload_link_expires_and_cannot_be_tampered_with(
    agents: Agents, clock: TurnedClock
) -> None:
    made = await announce(agents)
    link = httpx.URL(made["upload"]["url"])
    forged = {"upload": {**made["upload"], "url": str(link.copy_set_param("X-Amz-Expires", 9999))}}
    assert (await send(agents, forged)).status_code == 403
    clock.advance(900)
    answer = await send(agents, made)
    assert (answer.status_code, "Request has expired" in answer.text) == (403, True)


async def test_a_deleted_file_stays_visible_and_is_of_no_use(
    agents: Agents, clock: TurnedClock
) -> None:
    made, sent = await announce(agents), await announce(agents)
    await send(agents, sent)
    path = f"/files/{made['id']}"
    assert [(await agents.delete(path)).status_code for _ in range(2)] == [204, 204]
    deleted_at = write_moment(clock.now())
    clock.advance(5)
    file = await read(agents, made)
    assert (file["state"], file["deleted_at"]) == ("deleted", deleted_at)
    assert (await send(agents, made)).status_code == 403
    answer = await agents.post(f"{path}/complete")
    assert (answer.status_code, answer.json()) == (409, {"detail": "File is deleted"})


async def test_a_file_whose_time_is_up_is_deleted(agents: Agents, clock: TurnedClock) -> None:
    naive = f"{clock.now() + timedelta(seconds=60):%Y-%m-%dT%H:%M:%S}"
    made = await announce(agents, expires_at=naive)
    clock.advance(59)
    assert (await read(agents, made))["state"] == "pending"
    clock.advance(1)
    file = await read(agents, made)
    assert (file["state"], file["deleted_at"]) == ("deleted", file["expires_at"])
    await agents.delete(f"/files/{made['id']}")
    assert (await read(agents, made))["deleted_at"] == file["expires_at"]


async def test_files_are_listed_by_pages_and_filters(agents: Agents) -> None:
    made = [await announce(agents, purpose=one) for one in ("input", "reference", "input")]
    await agents.delete(f"/files/{made[0]['id']}")

    async def list_ids(query: str) -> list[str]:
        page = (await agents.get(f"/files?{query}")).json()
        assert (page["has_more"], page["next_cursor"]) == (False, None)
        return [file["id"] for file in page["data"]]

    ids = [file["id"] for file in made]
    assert await list_ids("") == ids[::-1]
    assert await list_ids("state=deleted") == ids[:1]
    assert await list_ids("purpose=input&state=pending") == ids[2:]
    assert await list_ids("state=ready") == []
    first = (await agents.get("/files?limit=1&purpose=input")).json()
    assert first["has_more"]
    assert await list_ids(f"purpose=input&cursor={first['next_cursor']}") == ids[:1]
    for _ in range(25):
        await announce(agents)
    assert len((await agents.get("/files")).json()["data"]) == 25


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("limit=0", "limit: must be an integer from 1 to 100"),
        ("limit=101", "limit: must be an integer from 1 to 100"),
        ("limit=x", "limit: must be an integer from 1 to 100"),
        ("purpose=mask", "purpose: must be one of input, reference"),
        ("state=gone", "state: must be one of pending, ready, failed, deleted"),
        ("cursor=x", "cursor: is not one that was given out"),
    ],
)
async def test_an_odd_query_is_refused(agents: Agents, query: str, text: str) -> None:
    answer = await agents.get(f"/files?{query}")
    assert (answer.status_code, answer.json()) == (422, {"detail": text})


@pytest.mark.parametrize(
    ("described", "field"),
    [
        ({"mime_type": None}, "mime_type"),
        ({"mime_type": "text/html"}, "mime_type"),
        ({"size_bytes": None}, "size_bytes"),
        ({"size_bytes": 0}, "size_bytes"),
        ({"size_bytes": 5 * 1024**3 + 1}, "size_bytes"),
        ({"size_bytes": "7"}, "size_bytes"),
        ({"purpose": "mask"}, "purpose"),
        ({"filename": 7}, "filename"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+23:00"}, "expires_at"),
        ({"user_id": "a" * 257}, "user_id"),
    ],
)
async def test_a_wrong_field_is_refused_by_its_name(
    agents: Agents, described: Json, field: str
) -> None:
    body = {"mime_type": "image/png", "size_bytes": 1, **described}
    answer = await agents.post("/files", json=body)
    assert (answer.status_code, answer.json()["detail"].split(":")[0]) == (422, field)


async def test_a_form_that_makes_no_sense_is_refused(agents: Agents) -> None:
    answer = await agents.post("/files", files={"other": ("pear.png", PICTURE, "image/png")})
    assert (answer.status_code, answer.json()) == (422, {"detail": "file: Field required"})
    for content_type in ("multipart/form-data; boundary=x", "multipart/form-data"):
        headers = {"content-type": content_type}
        answer = await agents.post("/files", content=b"nonsense", headers=headers)
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith("The form cannot be read: ")


async def test_the_largest_file_may_be_announced_but_not_sent(agents: Agents) -> None:
    made = await announce(agents, size_bytes=5 * 1024**3)
    answer = await send(agents, made)
    text = f"The sandbox takes files of {64 * 1024**2} bytes at most"
    assert (answer.status_code, answer.json()) == (413, {"detail": text})


@pytest.fixture
async def narrow(enter: Enter) -> AsyncIterator[Agents]:
    behaviour = replace(
        OPEN_HANDED, max_inline_bytes=1000, max_incoming_bytes=2000, max_files_per_account=3
    )
    async with Agents((await enter(behaviour)).app) as client:
        yield client


async def test_a_form_is_limited_in_size(narrow: Agents) -> None:
    assert (await send_form(narrow)).status_code == 201
    answer = await send_form(narrow, bytes(1000))
    text = "A form may have 1000 bytes; announce larger files with JSON"
    assert (answer.status_code, answer.json()) == (413, {"detail": text})


async def test_uploads_are_limited_together_while_they_are_under_way(narrow: Agents) -> None:
    files = [await announce(narrow, size_bytes=size) for size in (1500, 600)]
    half, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield bytes(1499)
        half.set()
        await go_on.wait()
        yield b"x"

    upload = files[0]["upload"]
    first = asyncio.create_task(
        narrow.put(upload["url"], content=slowly(), headers=upload["headers"])
    )
    await half.wait()
    answer = await send(narrow, files[1], bytes(600))
    assert (answer.status_code, answer.json()) == (
        507,
        {"detail": "The sandbox takes no more uploads at the moment"},
    )
    go_on.set()
    assert (await first).status_code == 200
    # What was under way is gone again, however it ended.
    remaining = await announce(narrow, size_bytes=1500)
    assert (await send(narrow, remaining, bytes(1500))).status_code == 200


async def test_the_oldest_file_is_forgotten_with_its_upload(narrow: Agents) -> None:
    files = [await announce(narrow) for _ in range(4)]
    assert (await send(narrow, files[0])).status_code == 403
    assert (await narrow.get(f"/files/{files[0]['id']}")).status_code == 404
    assert (await send(narrow, files[1])).status_code == 200


async def test_a_clip_from_a_file_counts_by_its_own_length_and_ratio(
    agents: Agents, clock: TurnedClock
) -> None:
    file = await bring(agents, clock, CLIP, "video/mp4")
    source = {"source": {"file_id": file["id"]}}
    too_late = {"keyframes": [{"url": "https://media.example/x.jpg"}], "keyframe_indexes": [49]}
    answer = await agents.ask(**{**EDIT, **source}, video={"edit": too_late})
    assert answer.json()["detail"] == "video.edit.keyframe_indexes must be between 0 and 48"
    await agents.make(**{**REFRAME, **source})
    answer = await agents.ask(type="image_edit", **source)
    assert answer.json()["detail"] == "source: content-type is not an image"


async def test_a_long_clip_is_too_long_to_edit(agents: Agents, clock: TurnedClock) -> None:
    long = draw(Scene(title="", model="", format="mp4", aspect_ratio="1:3", seconds=19))
    file = await bring(agents, clock, long, "video/mp4")
    answer = await agents.ask(**{**EDIT, "source": {"file_id": file["id"]}})
    assert answer.json()["detail"] == "source: video must be 18 seconds or shorter"


@pytest.mark.parametrize(
    ("size", "ratio"),
    [((1920, 1080), "16:9"), ((1080, 1920), "9:16"), ((500, 500), "1:1"), ((9000, 10), "3:1")],
)
def test_any_size_is_drawn_in_the_nearest_ratio(size: tuple[int, int], ratio: str) -> None:
    assert find_nearest_ratio(*size) == ratio
