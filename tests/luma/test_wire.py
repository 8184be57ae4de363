"""What leaves us when we read or delete at Dream Machine, and what the answers become."""

import re

import pytest

from luma_mcp.errors import BadResponse, InvalidRequest, KeyRejected
from luma_mcp.luma.dream_machine import DreamMachine
from luma_mcp.luma.ids import checked_id
from luma_mcp.luma.jobs import Assets, Job, JobList
from tests.luma import test_wire_of_images, test_wire_of_videos
from tests.luma.exchanges import CLIP, ID, Exchange, check
from tests.luma.upstream import answering, open_sender, playing

ROOT = "/dream-machine/v1"
VIDEO = "https://storage.cdn-luma.com/dream_machine/5c0e/video.mp4"
COMPLETED = {
    "id": ID,
    "generation_type": "video",
    "state": "completed",
    "failure_reason": None,
    "created_at": "2024-12-02T15:34:40.388000Z",
    "assets": {"video": VIDEO, "image": None, "progress_video": None},
    "model": "ray-2",
    "request": {"prompt": "A paper boat", "loop": None},
}
COMPLETED_JOB = Job(
    api="dream_machine",
    id=ID,
    type="video",
    state="completed",
    model="ray-2",
    created_at="2024-12-02T15:34:40.388000Z",
    prompt="A paper boat",
    assets=Assets(video=VIDEO),
)
QUEUED_BY_THE_DOCS = {"id": ID, "type": "image", "state": "queued", "version": "v1.6"}

EXCHANGES = {
    "ping": Exchange(
        lambda luma: luma.ping(),
        f"GET {ROOT}/ping",
        None,
        200,
        {"message": "pong"},
        {"message": "pong"},
    ),
    "get": Exchange(
        lambda luma: luma.get_generation(ID),
        f"GET {ROOT}/generations/{ID}",
        None,
        200,
        COMPLETED,
        COMPLETED_JOB,
    ),
    "get by an id in capitals": Exchange(
        lambda luma: luma.get_generation(ID.upper()),
        f"GET {ROOT}/generations/{ID}",
        None,
        200,
        {"state": "dreaming", "assets": None},
        Job(api="dream_machine", id=ID, state="dreaming"),
    ),
    "list": Exchange(
        lambda luma: luma.list_generations(limit=20, offset=40),
        f"GET {ROOT}/generations?limit=20&offset=40",
        None,
        200,
        {
            "generations": [COMPLETED, QUEUED_BY_THE_DOCS],
            "has_more": True,
            "count": 2,
            "limit": 20,
            "offset": 40,
        },
        JobList(
            jobs=(COMPLETED_JOB, Job(api="dream_machine", id=ID, state="queued")), has_more=True
        ),
    ),
    "list from the start": Exchange(
        lambda luma: luma.list_generations(limit=1, offset=0),
        f"GET {ROOT}/generations?limit=1&offset=0",
        None,
        200,
        {"generations": []},
        JobList(jobs=()),
    ),
    "delete": Exchange(
        lambda luma: luma.delete_generation(ID),
        f"DELETE {ROOT}/generations/{ID}",
        None,
        204,
        None,
        None,
    ),
    "credits": Exchange(
        lambda luma: luma.get_credits(),
        f"GET {ROOT}/credits",
        None,
        200,
        {"credit_balance": 1234.5},
        {"credit_balance": 1234.5},
    ),
    "concepts": Exchange(
        lambda luma: luma.list_concepts(),
        f"GET {ROOT}/generations/concepts/list",
        None,
        200,
        ["truck_left", "dolly_zoom"],
        ["truck_left", "dolly_zoom"],
    ),
    "camera motions": Exchange(
        lambda luma: luma.list_camera_motions(),
        f"GET {ROOT}/generations/camera_motion/list",
        None,
        200,
        ["camera orbit left"],
        ["camera orbit left"],
    ),
    "camera motions where the list still is": Exchange(
        lambda luma: luma.list_camera_motions_or_concepts(),
        f"GET {ROOT}/generations/camera_motion/list",
        None,
        200,
        ["camera orbit left"],
        (["camera orbit left"], "camera_motion"),
    ),
}


@pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=EXCHANGES)
async def test_a_request_leaves_us_as_luma_documents_it(exchange: Exchange) -> None:
    await check(exchange)


OPERATIONS = {
    "GET /ping",
    "GET /credits",
    "GET /generations",
    "GET /generations/{id}",
    "DELETE /generations/{id}",
    "POST /generations/{id}/upscale",
    "POST /generations/{id}/audio",
    "POST /generations/video",
    "POST /generations/video/modify",
    "POST /generations/video/reframe",
    "POST /generations/image",
    "POST /generations/image/reframe",
    "GET /generations/concepts/list",
}


def test_every_operation_of_luma_is_among_the_exchanges_and_no_other() -> None:
    exchanges = [
        *EXCHANGES.values(),
        *test_wire_of_images.EXCHANGES.values(),
        *test_wire_of_videos.EXCHANGES.values(),
        *test_wire_of_videos.LATER_STEPS.values(),
    ]
    requests = [exchange.request.replace(ROOT, "").partition("?")[0] for exchange in exchanges]
    seen = {re.sub(f"{ID}|{CLIP}", "{id}", request) for request in requests}
    assert len(OPERATIONS) == 13
    assert seen == OPERATIONS | {"GET /generations/camera_motion/list"}


@pytest.mark.parametrize(
    "gone",
    [answering(404), answering(400), answering(422), answering(405), answering(200, {"a": 1})],
)
async def test_concepts_take_the_place_of_a_list_of_camera_motions_that_is_gone(
    gone: object,
) -> None:
    async with playing(gone, answering(200, ["pan_left"])) as up, open_sender(up.url) as sender:
        words = await DreamMachine(sender, "luma-key").list_camera_motions_or_concepts()
    assert words == (["pan_left"], "concepts")
    assert [seen.target for seen in up.seen] == [
        "/generations/camera_motion/list",
        "/generations/concepts/list",
    ]


async def test_a_rejected_key_is_not_taken_for_a_list_that_is_gone() -> None:
    async with playing(answering(401)) as upstream, open_sender(upstream.url) as sender:
        with pytest.raises(KeyRejected):
            await DreamMachine(sender, "luma-key").list_camera_motions_or_concepts()
    assert upstream.connections == 1


@pytest.mark.parametrize("answer", [{"concepts": ["pan_left"]}, ["pan_left", None], [["x"]], None])
async def test_a_list_of_other_things_than_words_is_a_bad_response(answer: object) -> None:
    async with playing(answering(200, answer)) as upstream, open_sender(upstream.url) as sender:
        with pytest.raises(BadResponse, match=r"\(200\) is not what its API promises"):
            await DreamMachine(sender, "luma-key").list_concepts()


NO_IDS = ["", "..", "../credits", ID[:-1], f"{ID}0", f"{ID}\n", f"{ID}/audio", ID.replace("-", "")]


@pytest.mark.parametrize("text", [*NO_IDS, f"{ID}?x=1", "concepts/list", "\uff15" + ID[1:]])
def test_nothing_but_an_id_gets_into_a_path(text: str) -> None:
    with pytest.raises(InvalidRequest, match="is not the id of a generation"):
        checked_id(text)
