"""What jobs of the Agents API make, decoded, and the links to it, which expire."""

import io
from collections.abc import Callable

import av
import httpx
import pytest
from PIL import Image

from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.sandbox.scenes import SIZES
from tests.sandbox.clips import decode
from tests.sandbox.conftest import Agents, Json
from tests.sandbox.test_agents_files import CLIP, bring
from tests.sandbox.test_agents_rules import EDIT, PICTURE, REFRAME, video


async def finish(agents: Agents, clock: TurnedClock, **body: object) -> Json:
    job = await agents.make(**body)
    clock.advance(10)
    return job


def open_picture(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def measure(content: bytes) -> tuple[tuple[int, int], int]:
    clip = decode(content)
    assert clip.codec == "h264"
    return clip.size, round(clip.seconds)


@pytest.mark.parametrize(
    ("output_format", "kind", "name"),
    [(None, "PNG", "png"), ("png", "PNG", "png"), ("jpeg", "JPEG", "jpg")],
)
async def test_a_picture_has_the_format_that_was_asked_for(
    agents: Agents, clock: TurnedClock, output_format: str | None, kind: str, name: str
) -> None:
    job = await finish(agents, clock, output_format=output_format, aspect_ratio="3:1")
    [output] = (await agents.read(job))["output"]
    assert list(output) == ["type", "url"]
    assert (output["type"], httpx.URL(output["url"]).path[-4:]) == ("image", f".{name}")
    [content] = await agents.fetch(job)
    with open_picture(content) as picture:
        assert (picture.format, picture.size) == (kind, (960, 320))


@pytest.mark.parametrize("ratio", ["3:1", "2:1", "16:9", "3:2", "1:1", "2:3", "9:16", "1:2", "1:3"])
async def test_a_picture_has_the_ratio_that_was_asked_for(
    agents: Agents, clock: TurnedClock, ratio: str
) -> None:
    [content] = await agents.fetch(
        await finish(agents, clock, aspect_ratio=ratio, output_format="jpeg")
    )
    with open_picture(content) as picture:
        width, height = map(int, ratio.split(":"))
        assert picture.width * height == picture.height * width


async def test_an_edited_picture_follows_its_source(agents: Agents, clock: TurnedClock) -> None:
    source = {"generation_id": (await finish(agents, clock, aspect_ratio="1:2"))["id"]}
    job = await finish(agents, clock, type="image_edit", source=source, aspect_ratio="3:1")
    [content] = await agents.fetch(job)
    with open_picture(content) as picture:
        assert picture.size == SIZES["1:2"]


@pytest.mark.parametrize("ratio", ["9:16", "21:9"])
async def test_a_clip_has_the_ratio_and_length_that_were_asked_for(
    agents: Agents, clock: TurnedClock, ratio: str
) -> None:
    job = await finish(agents, clock, **video(), aspect_ratio=ratio)
    [output] = (await agents.read(job))["output"]
    assert output["type"] == "video"
    [content] = await agents.fetch(job)
    assert measure(content) == (SIZES[ratio], 5)


async def test_an_extended_clip_is_five_seconds_longer_than_its_source(
    agents: Agents, clock: TurnedClock
) -> None:
    job = await finish(agents, clock, **video(), aspect_ratio="1:1")
    source = {"generation_id": job["id"]}
    extended = await finish(agents, clock, **video(start_frame=source, loop=True))
    [content] = await agents.fetch(extended)
    assert measure(content) == (SIZES["1:1"], 10)


async def test_edits_and_reframes_are_as_long_as_their_source(
    agents: Agents, clock: TurnedClock
) -> None:
    clip = await bring(agents, clock, CLIP, "video/mp4")
    source = {"source": {"file_id": clip["id"]}}
    for base, ratio in ((EDIT, "9:16"), (REFRAME, "1:1")):
        [content] = await agents.fetch(await finish(agents, clock, **{**base, **source}))
        assert measure(content) == (SIZES[ratio], 2)


async def test_exr_comes_beside_the_clip(agents: Agents, clock: TurnedClock) -> None:
    job = await finish(agents, clock, **video(hdr=True, exr_export=True))
    outputs = (await agents.read(job))["output"]
    assert [output["type"] for output in outputs] == ["video", "exr"]
    content = (await agents.get(outputs[1]["url"])).content
    with av.open(io.BytesIO(content), format="exr_pipe") as container:
        [frame] = container.decode(video=0)
    assert (frame.width, frame.height) == (16, 10)


@pytest.mark.parametrize(("resolution", "factor"), [("1k", 1), ("2k", 2)])
async def test_a_picture_comes_apart_into_layers_that_make_it_up(
    agents: Agents, clock: TurnedClock, resolution: str, factor: int
) -> None:
    job = await finish(
        agents, clock, type="layering", source=PICTURE, layering={"resolution": resolution}
    )
    outputs = (await agents.read(job))["output"]
    layers = [output["layer"] for output in outputs]
    assert {output["type"] for output in outputs} == {"image"}
    assert [layer["index"] for layer in layers] == [0, 1, 2]
    assert [layer["alpha_hint"] for layer in layers] == ["hard", "soft", "none"]
    lowest = []
    for content in await agents.fetch(job):
        with open_picture(content) as picture:
            assert (picture.format, picture.mode) == ("PNG", "RGBA")
            assert picture.size == tuple(factor * side for side in SIZES["1:1"])
            lowest.append(picture.getchannel("A").getextrema()[0])
    assert lowest == [0, 0, 255]


async def test_a_link_is_presigned_for_an_hour_by_the_sandbox_s_clock(
    agents: Agents, clock: TurnedClock
) -> None:
    link = await agents.get_link(await finish(agents, clock))
    query = httpx.URL(link).params
    assert (query["X-Amz-Expires"], len(query["X-Amz-Signature"])) == ("3600", 64)
    assert query["X-Amz-Date"] == clock.now().strftime("%Y%m%dT%H%M%SZ")
    clock.advance(3599)
    answer = await agents.get(link, headers={"authorization": ""})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "private")
    clock.advance(1)
    answer = await agents.get(link, headers={"authorization": ""})
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/xml")
    assert "<Code>AccessDenied</Code><Message>Request has expired</Message>" in answer.text


async def test_each_reading_brings_a_fresh_link(agents: Agents, clock: TurnedClock) -> None:
    job = await finish(agents, clock)
    first = await agents.get_link(job)
    clock.advance(3600)
    second = await agents.get_link(job)
    assert httpx.URL(first).path == httpx.URL(second).path
    assert [(await agents.get(link)).status_code for link in (first, second)] == [403, 200]


TAMPERINGS: list[Callable[[httpx.URL], httpx.URL]] = [
    lambda link: link.copy_set_param("X-Amz-Expires", "7200"),
    lambda link: link.copy_set_param("X-Amz-Date", "20300101T000000Z"),
    lambda link: link.copy_set_param("X-Amz-Signature", "0" * 64),
    lambda link: link.copy_set_param("X-Amz-Signature", "é"),
]


@pytest.mark.parametrize("tamper", TAMPERINGS)
async def test_a_link_that_was_tampered_with_is_403(
    agents: Agents, clock: TurnedClock, tamper: Callable[[httpx.URL], httpx.URL]
) -> None:
    link = httpx.URL(await agents.get_link(await finish(agents, clock)))
    answer = await agents.get(tamper(link))
    assert answer.status_code == 403
    assert "<Code>SignatureDoesNotMatch</Code>" in answer.text


@pytest.mark.parametrize("missing", ["X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature"])
async def test_a_link_that_is_not_signed_is_403(
    agents: Agents, clock: TurnedClock, missing: str
) -> None:
    link = httpx.URL(await agents.get_link(await finish(agents, clock)))
    answer = await agents.get(link.copy_remove_param(missing))
    assert answer.status_code == 403
    assert "<Message>Access Denied</Message>" in answer.text


async def test_the_signature_of_one_link_opens_no_other(agents: Agents, clock: TurnedClock) -> None:
    one, other = [httpx.URL(await agents.get_link(await finish(agents, clock))) for _ in range(2)]
    assert (await agents.get(one.copy_with(query=other.query))).status_code == 403
