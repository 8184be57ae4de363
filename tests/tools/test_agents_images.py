"""The tools that make pictures with uni-1 and uni-1-max: what they send, refuse and answer."""

import pytest

from tests.tools.calls import (
    BOTH,
    Json,
    Upstream,
    call,
    client_of,
    data,
    lines_of,
    links_of,
    refused,
)
from tests.tools.test_agents_videos import PICTURE, sent
from tests.tools.test_creating import FILE_ID, JOB, JOB_ID, OF_AGENTS
from tests.tools.test_waiting import AGENTS_GET, POST

UNI = {"model": "uni-1", "prompt": "A boat"}
REFERENCES = [{"url": PICTURE}, {"generation_id": OF_AGENTS}, {"file_id": FILE_ID}]
SENT_REFERENCES = [{"url": PICTURE}, {"generation_id": JOB_ID}, {"file_id": FILE_ID}]


async def test_what_a_picture_of_uni_1_does_not_need_is_not_sent() -> None:
    body = await sent("generate_image", **UNI, image_ref=[])
    assert body == {"type": "image", "model": "uni-1", "prompt": "A boat"}


async def test_everything_about_a_picture_is_sent_in_lumas_own_shape() -> None:
    body = await sent(
        "generate_image",
        model="uni-1-max",
        prompt="A boat",
        aspect_ratio="2:3",
        format="jpg",
        image_ref=REFERENCES * 3,
        style="manga",
        web_search=True,
    )
    assert body == {
        "type": "image",
        "model": "uni-1-max",
        "prompt": "A boat",
        "aspect_ratio": "2:3",
        "output_format": "jpeg",
        "image_ref": SENT_REFERENCES * 3,
        "style": "manga",
        "web_search": True,
    }


@pytest.mark.parametrize(
    ("format_", "by_uni", "by_photon"),
    [("jpg", "jpeg", "jpg"), ("jpeg", "jpeg", "jpg"), ("png", "png", "png")],
)
async def test_a_format_is_sent_in_the_word_of_each_api(
    format_: str, by_uni: str, by_photon: str
) -> None:
    body = await sent("generate_image", **UNI, format=format_)
    assert body["output_format"] == by_uni
    body = await sent("generate_image", f"{POST}/image", prompt="A boat", format=format_)
    assert body["format"] == by_photon


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {**UNI, "image_ref": [{"url": PICTURE}, {"url": PICTURE, "weight": 0}]},
            "image_ref[1].weight is known to photon models only.",
        ),
        (
            {**UNI, "image_ref": [{"url": PICTURE, "file_id": FILE_ID}]},
            "image_ref[0] needs exactly one of url, generation_id and file_id.",
        ),
        (
            {"prompt": "A boat", "image_ref": [{"generation_id": OF_AGENTS}]},
            "image_ref[0] needs a url: photon models take no ids.",
        ),
        (
            {"prompt": "A boat", "image_ref": [{"url": PICTURE}] * 5},
            "image_ref may be 4 pictures at most for photon-1; this is 5.",
        ),
        ({**UNI, "image_ref": REFERENCES * 4}, "image_ref takes 9 at most."),
        (
            {**UNI, "style": "manga", "aspect_ratio": "16:9"},
            "The style manga does not go with the aspect_ratio 16:9.",
        ),
    ],
)
async def test_a_picture_that_no_model_makes_so_is_refused(arguments: Json, message: str) -> None:
    assert (await refused("generate_image", **arguments))["message"] == message


async def test_everything_about_an_edit_is_sent_in_lumas_own_shape() -> None:
    body = await sent(
        "edit_image",
        model="uni-1-max",
        prompt="At night",
        source={"file_id": FILE_ID},
        image_ref=[*REFERENCES * 2, *REFERENCES[:2]],
        format="png",
        style="auto",
        web_search=False,
    )
    assert body == {
        "type": "image_edit",
        "model": "uni-1-max",
        "prompt": "At night",
        "source": {"file_id": FILE_ID},
        "image_ref": [*SENT_REFERENCES * 2, *SENT_REFERENCES[:2]],
        "output_format": "png",
        "style": "auto",
        "web_search": False,
    }


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        (PICTURE, {"url": PICTURE}),
        (f" {PICTURE}\n", {"url": PICTURE}),
        (OF_AGENTS, {"generation_id": JOB_ID}),
        ({"generation_id": OF_AGENTS}, {"generation_id": JOB_ID}),
        (f'{{"url": "{PICTURE}"}}', {"url": PICTURE}),
    ],
)
async def test_a_source_may_be_a_bare_link_or_id(source: object, meant: Json) -> None:
    edited = await sent("edit_image", prompt="At night", source=source)
    assert edited == {
        "type": "image_edit",
        "model": "uni-1",
        "prompt": "At night",
        "source": meant,
    }
    assert (await sent("extract_layers", source=source))["source"] == meant


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({}, "source needs exactly one of url, generation_id and file_id."),
        (
            {"url": PICTURE, "file_id": FILE_ID},
            "source needs exactly one of url, generation_id and file_id.",
        ),
        (
            JOB_ID,
            (
                f"The generation {JOB_ID} belongs to Luma's Dream Machine API, and this works only "
                "with those of its Agents API."
            ),
        ),
    ],
)
@pytest.mark.parametrize("tool", ["edit_image", "extract_layers"])
async def test_a_source_that_is_not_one_thing_of_this_api_is_refused(
    tool: str, source: object, message: str
) -> None:
    assert (await refused(tool, prompt="x", source=source))["message"] == message


async def test_layers_are_asked_for_in_words_or_without() -> None:
    assert await sent("extract_layers", source=PICTURE) == {
        "type": "layering",
        "model": "uni-1",
        "prompt": "Separate the picture into its natural layers.",
        "source": {"url": PICTURE},
    }
    assert await sent("extract_layers", source=PICTURE, prompt="Boat and sea", resolution="2k") == {
        "type": "layering",
        "model": "uni-1",
        "prompt": "Boat and sea",
        "source": {"url": PICTURE},
        "layering": {"resolution": "2k"},
    }


async def test_the_words_for_layers_may_be_as_many_as_luma_takes() -> None:
    assert await sent("extract_layers", source=PICTURE, prompt="x" * 500)
    error = await refused("extract_layers", source=PICTURE, prompt="x" * 501)
    assert error["message"] == "Prompt must be between 1 and 500 characters (this one has 501)."


FRONT = "https://s3.example.com/front.png?X-Amz-Expires=3600"
BACK = "https://s3.example.com/back?X-Amz-Expires=3600"
BOUNDS = {"x": 1, "y": 2, "width": 3, "height": 4}
LAYERED = {
    **JOB,
    "type": "layering",
    "model": "uni-1",
    "state": "completed",
    "output": [
        {"type": "image", "url": BACK, "layer": {"index": 1, "alpha_hint": "none"}},
        {
            "type": "image",
            "url": FRONT,
            "size_bytes": 5_000,
            "layer": {
                "index": 0,
                "label": "A\nboat",
                "description": "Of paper",
                "alpha_hint": "soft",
                "bounds": BOUNDS,
            },
        },
    ],
}


async def test_layers_are_answered_front_to_back_with_all_that_luma_says_of_them() -> None:
    async with client_of(Upstream({AGENTS_GET: LAYERED}), BOTH) as client:
        result = await call(client, "get_generation", generation_id=OF_AGENTS)
    assert result.structured_content is not None
    assets = result.structured_content["assets"]
    assert assets["image"] is None
    assert assets["layers"] == [
        {
            "url": FRONT,
            "size_bytes": 5_000,
            "index": 0,
            "label": "A\nboat",
            "description": "Of paper",
            "alpha_hint": "soft",
            "bounds": BOUNDS,
        },
        {"url": BACK, "index": 1, "label": None, "description": None, "alpha_hint": "none"},
    ]
    assert lines_of(result) == [
        f"Layering {OF_AGENTS} (uni-1): completed",
        f"Layer 0 (A boat): {FRONT}",
        f"Layer 1: {BACK}",
        "The links work for an hour; get_generation gives fresh ones.",
    ]
    links = links_of(result)
    assert [str(link.uri) for link in links] == [FRONT, BACK]
    assert [link.title for link in links] == [
        f"Layer 0 (A boat) {OF_AGENTS}",
        f"Layer 1 {OF_AGENTS}",
    ]
    assert [link.mime_type for link in links] == ["image/png", "image/png"]


async def test_an_edit_that_is_waited_for_keeps_its_prompt_and_is_linked() -> None:
    link = "https://s3.example.com/out/boat.png?X-Amz-Expires=3600"
    done = {**JOB, "state": "completed", "output": [{"type": "image", "url": link}]}
    answers = {"POST /agents/v1/generations": JOB, AGENTS_GET: done}
    async with client_of(Upstream(answers), BOTH) as client:
        job = await data(client, "edit_image", prompt="At night", source=PICTURE)
    assert (job["id"], job["prompt"], job["assets"]["image"]) == (OF_AGENTS, "At night", link)
    assert (job["estimated_cost_usd"], job["warnings"]) == (0.0434, [])


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        (
            "edit_image",
            {"prompt": "At night", "source": PICTURE, "image_ref": [{"url": PICTURE}] * 9},
            "image_ref takes 8 at most.",
        ),
        ("edit_image", {"prompt": "At night"}, "source is required."),
        ("extract_layers", {}, "source is required."),
        (
            "extract_layers",
            {"source": PICTURE, "prompt": "x" * 501},
            "Prompt must be between 1 and 500 characters (this one has 501).",
        ),
        ("edit_image", {"prompt": " ", "source": PICTURE}, "Prompt is required."),
    ],
)
async def test_what_no_edit_can_have_is_refused(tool: str, arguments: Json, message: str) -> None:
    assert (await refused(tool, **arguments))["message"] == message


async def test_references_may_be_bare_links() -> None:
    links = ["https://example.com/a.jpg", "https://example.com/b.jpg"]
    whole = [{"url": link} for link in links]
    for tool, arguments in (
        ("generate_image", UNI),
        ("edit_image", {"prompt": "At night", "source": PICTURE}),
    ):
        assert (await sent(tool, **arguments, image_ref=links))["image_ref"] == whole
