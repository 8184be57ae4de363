"""Every rule of the Agents API: what is refused, in which words, and its neighbour that is not."""

import base64
from dataclasses import replace

import pytest

from luma_mcp.sandbox.clock import TurnedClock
from tests.sandbox.conftest import OPEN_HANDED, Agents, Enter, Json, Luma

PICTURE = {"url": "https://media.example/pear.jpg"}
CLIP = {"url": "https://media.example/clip.mp4", "media_type": "video/mp4"}
RAY: Json = {"model": "ray-3.2", "type": "video"}
EDIT: Json = {"model": "ray-3.2", "type": "video_edit", "source": CLIP}
REFRAME: Json = {
    "model": "ray-3.2",
    "type": "video_reframe",
    "source": CLIP,
    "aspect_ratio": "1:1",
}
LAYERING: Json = {"type": "layering", "source": PICTURE}
CHANGE: Json = {"type": "image_edit", "source": PICTURE}


def video(base: Json = RAY, **options: object) -> Json:
    return {**base, "video": options}


def edit(**options: object) -> Json:
    return video(EDIT, edit=options)


def anchored(count: int, indexes: list[int] | None = None) -> Json:
    return {
        "keyframes": [PICTURE] * count,
        "keyframe_indexes": list(range(count)) if indexes is None else indexes,
    }


def source(**reference: str) -> Json:
    return {"type": "image_edit", "source": reference}


NINE = "1:1, 1:2, 1:3, 16:9, 2:1, 2:3, 3:1, 3:2, 9:16"
SIX = "1:1, 16:9, 21:9, 3:4, 4:3, 9:16"
PROMPT = "Prompt must be between 1 and 6000 characters"
MANGA = "style 'manga' requires one of these aspect_ratios: 2:3, 9:16, 1:2, 1:3"
DATA = base64.b64encode(b"any bytes").decode()
HALF = {"x_norm": 0, "y_norm": 0, "w_norm": 0.5, "h_norm": 0.5}

# (refused, status, text, neighbour that is accepted)
RULES = [
    # Models, types and prompts.
    ({"model": "ray-2"}, 400, "Unknown model: ray-2", {"model": "uni-1-max"}),
    ({"type": "video"}, 400, "Type 'video' is not supported for model 'uni-1'", RAY),
    (
        {"model": "ray-3.2"},
        400,
        "Type 'image' is not supported for model 'ray-3.2'",
        {"model": "uni-1"},
    ),
    (
        {**LAYERING, "model": "uni-1-max"},
        400,
        "Type 'layering' is not supported for model 'uni-1-max'",
        LAYERING,
    ),
    ({"prompt": ""}, 400, PROMPT, {"prompt": "a"}),
    ({"prompt": None}, 400, PROMPT, {**LAYERING, "prompt": None}),
    ({"prompt": "a" * 6001}, 400, PROMPT, {"prompt": "a" * 6000}),
    (
        {**LAYERING, "prompt": "a" * 501},
        400,
        "Prompt must be between 1 and 500 characters",
        {**LAYERING, "prompt": "a" * 500},
    ),
    # Ratios.
    (
        {"aspect_ratio": "4:3"},
        400,
        f"Invalid aspect_ratio '4:3'. Valid: {NINE}",
        {"aspect_ratio": "3:1"},
    ),
    (
        {**RAY, "aspect_ratio": "3:2"},
        400,
        f"Invalid aspect_ratio '3:2'. Valid: {SIX}",
        {**RAY, "aspect_ratio": "21:9"},
    ),
    (
        {**REFRAME, "aspect_ratio": "2:3"},
        400,
        f"Invalid aspect_ratio '2:3'. Valid: {SIX}",
        {**REFRAME, "aspect_ratio": "3:4"},
    ),
    (
        {**REFRAME, "aspect_ratio": None},
        422,
        "aspect_ratio is required for type 'video_reframe'",
        {**EDIT, "aspect_ratio": "whatever"},
    ),
    (
        {"style": "manga", "aspect_ratio": "16:9"},
        422,
        MANGA,
        {"style": "manga", "aspect_ratio": "1:3"},
    ),
    (
        {"style": "manga", "aspect_ratio": "1:1"},
        422,
        MANGA,
        {**CHANGE, "style": "manga", "aspect_ratio": "16:9"},
    ),
    # Sources and references.
    ({"source": PICTURE}, 400, "source is only valid for type 'image_edit'", CHANGE),
    ({**RAY, "source": CLIP}, 400, "source is not supported for type 'video'", EDIT),
    ({"type": "image_edit"}, 400, "source is required for type 'image_edit'", CHANGE),
    ({"type": "layering"}, 400, "source is required for type 'layering'", LAYERING),
    ({**EDIT, "source": None}, 400, "source is required for type 'video_edit'", EDIT),
    ({**REFRAME, "source": None}, 400, "source is required for type 'video_reframe'", REFRAME),
    (
        {"image_ref": [PICTURE] * 10},
        400,
        "image supports up to 9 reference images",
        {"image_ref": [PICTURE] * 9},
    ),
    (
        {**CHANGE, "image_ref": [PICTURE] * 9},
        400,
        "image_edit supports up to 8 reference images (source occupies one slot)",
        {**CHANGE, "image_ref": [PICTURE] * 8},
    ),
    *(
        (
            {**base, "image_ref": [PICTURE]},
            422,
            f"image_ref is not supported for type '{base['type']}'",
            {**base, "image_ref": []},
        )
        for base in (RAY, EDIT, REFRAME, LAYERING)
    ),
    # One way to refer to a thing.
    (
        source(url=PICTURE["url"], data=DATA),
        400,
        "source: provide either 'url' or 'data', not both",
        source(**PICTURE),
    ),
    (source(), 400, "source: provide either 'url' or 'data', not neither", CHANGE),
    (
        {"image_ref": [PICTURE, {"media_type": "image/png"}]},
        400,
        "image_ref[1]: provide either 'url' or 'data', not neither",
        {"image_ref": [PICTURE, {**PICTURE, "media_type": "image/png"}]},
    ),
    (
        source(url=PICTURE["url"], file_id="x"),
        400,
        "source: provide exactly one of 'url', 'data', 'generation_id', 'file_id'",
        CHANGE,
    ),
    (
        source(data=DATA),
        400,
        "source: 'media_type' is required with 'data'",
        source(data=DATA, media_type="image/png"),
    ),
    (
        {"image_ref": [{"data": "no base64", "media_type": "image/png"}]},
        422,
        "image_ref[0]: invalid base64 data",
        {"image_ref": [{"data": DATA, "media_type": "image/webp"}]},
    ),
    (
        source(data="", media_type="image/png"),
        422,
        "source: invalid base64 data",
        source(data=DATA, media_type="image/gif"),
    ),
    (
        source(data=DATA, media_type="video/mp4"),
        422,
        "source: content-type is not an image",
        {**EDIT, "source": {"data": DATA, "media_type": "video/mp4"}},
    ),
    (
        {**EDIT, "source": {"data": DATA, "media_type": "image/png"}},
        422,
        "source: content-type is not a video",
        {**EDIT, "source": {"data": DATA, "media_type": "video/webm"}},
    ),
    (
        source(**CLIP),
        422,
        "source: content-type is not an image",
        source(**{**CLIP, "media_type": "image/png"}),
    ),
    (
        {**REFRAME, "source": {"url": CLIP["url"]}},
        400,
        "source: 'media_type' is required with a video 'url'",
        REFRAME,
    ),
    *(
        (source(url=url), 422, "source: failed to fetch URL", CHANGE)
        for url in (
            "http://media.example/pear.jpg",
            "https://media.example/unreachable",
            "ftp://media.example/pear.jpg",
            "https://a:b",
            "pear.jpg",
        )
    ),
    (
        source(url="http://sandbox.test/media/none.png"),
        422,
        "source: failed to fetch URL (HTTP 404)",
        CHANGE,
    ),
    (source(generation_id="unknown"), 422, "source: generation not found", CHANGE),
    (source(file_id="unknown"), 422, "source: file not found", CHANGE),
    (
        video(keyframes=[PICTURE, {}], keyframe_indexes=[0, 1]),
        400,
        "video.keyframes[1]: provide either 'url' or 'data', not neither",
        video(**anchored(2)),
    ),
    (
        edit(keyframes=[CLIP], keyframe_indexes=[0]),
        422,
        "video.edit.keyframes[0]: content-type is not an image",
        edit(**anchored(1)),
    ),
    # What goes with which type.
    (
        {"layering": {"resolution": "2k"}},
        422,
        "layering is only valid for type 'layering'",
        {**LAYERING, "layering": {"resolution": "2k"}},
    ),
    ({"video": {}}, 422, "video is only valid for model 'ray-3.2'", {"video": None}),
    (
        video(edit={"strength": "flex_1"}),
        422,
        "video.edit is not supported for type 'video'",
        edit(strength="flex_1"),
    ),
    (
        video(source_position=HALF),
        422,
        "video.source_position is not supported for type 'video'",
        video(REFRAME, source_position=HALF),
    ),
    *(
        (
            video(EDIT, **{name: value}),
            422,
            f"video.{name} is not supported for type 'video_edit'",
            video(EDIT, hdr=True, start_frame=PICTURE, duration="10s"),
        )
        for name, value in (
            ("end_frame", PICTURE),
            ("loop", True),
            ("keyframes", [PICTURE]),
            ("keyframe_indexes", [0]),
            ("source_position", HALF),
        )
    ),
    *(
        (
            video(REFRAME, **{name: value}),
            422,
            f"video.{name} is not supported for type 'video_reframe'",
            video(REFRAME, resolution="1080p", loop=False, hdr=False),
        )
        for name, value in (
            ("edit", {"strength": "flex_1"}),
            ("loop", True),
            ("start_frame", PICTURE),
            ("end_frame", PICTURE),
            ("keyframes", [PICTURE]),
            ("keyframe_indexes", [0]),
            ("hdr", True),
            ("exr_export", True),
        )
    ),
    # Loops.
    (
        video(loop=True, duration="10s"),
        422,
        "video.loop requires duration 5s",
        video(loop=True, duration="5s"),
    ),
    (
        video(loop=True, hdr=True),
        422,
        "video.loop is not supported with video.hdr",
        video(loop=True, hdr=False),
    ),
    (
        video(loop=True, end_frame=PICTURE),
        422,
        "video.loop excludes video.end_frame",
        video(loop=True, start_frame=PICTURE),
    ),
    (
        video(loop=True, **anchored(1)),
        422,
        "video.loop excludes video.keyframes",
        video(**anchored(1)),
    ),
    # HDR.
    *(
        (
            video(hdr=True, resolution=low),
            422,
            "video.hdr requires resolution 720p or 1080p",
            video(EDIT, hdr=True, resolution=low),
        )
        for low in ("360p", "540p")
    ),
    (
        video(hdr=True, duration="10s"),
        422,
        "video.hdr with duration 10s requires video.keyframes",
        video(hdr=True, duration="10s", **anchored(1)),
    ),
    (
        video(exr_export=True),
        422,
        "video.exr_export requires video.hdr",
        video(exr_export=True, hdr=True),
    ),
    # Frames.
    *(
        (
            video(duration="10s", **{name: PICTURE}),
            422,
            "video.start_frame and video.end_frame require duration 5s; use video.keyframes",
            video(start_frame=PICTURE, end_frame=PICTURE, resolution="1080p"),
        )
        for name in ("start_frame", "end_frame")
    ),
    *(
        (
            video(**{name: PICTURE}, **anchored(1)),
            422,
            "video.keyframes excludes video.start_frame and video.end_frame",
            {**video(**{name: PICTURE}), "aspect_ratio": "9:16"},
        )
        for name in ("start_frame", "end_frame")
    ),
    (
        video(keyframes=[], keyframe_indexes=[]),
        422,
        "video.keyframes must hold 1 to 64 images",
        video(**anchored(64)),
    ),
    (
        video(**anchored(65)),
        422,
        "video.keyframes must hold 1 to 64 images",
        edit(**anchored(64)),
    ),
    (
        video(keyframe_indexes=[0]),
        422,
        "video.keyframes must hold 1 to 64 images",
        video(**anchored(1)),
    ),
    (
        edit(**anchored(65)),
        422,
        "video.edit.keyframes must hold 1 to 64 images",
        edit(auto_controls=True),
    ),
    (
        video(**anchored(2, [0])),
        422,
        "video.keyframe_indexes must be as many as video.keyframes",
        video(**anchored(2, [0, 120])),
    ),
    (
        video(keyframes=[PICTURE]),
        422,
        "video.keyframe_indexes must be as many as video.keyframes",
        video(**anchored(1, [120])),
    ),
    (
        video(**anchored(2, [7, 7])),
        422,
        "video.keyframe_indexes must be unique",
        video(**anchored(2, [8, 7])),
    ),
    (
        video(**anchored(1, [121])),
        422,
        "video.keyframe_indexes must be between 0 and 120",
        video(duration="10s", **anchored(1, [240])),
    ),
    (
        video(duration="10s", **anchored(1, [241])),
        422,
        "video.keyframe_indexes must be between 0 and 240",
        video(**anchored(1, [0])),
    ),
    (
        video(**anchored(1, [-1])),
        422,
        "video.keyframe_indexes must be between 0 and 120",
        video(**anchored(1, [1])),
    ),
    (
        edit(**anchored(1, [121])),
        422,
        "video.edit.keyframe_indexes must be between 0 and 120",
        edit(**anchored(1, [120])),
    ),
    # Edits.
    (
        edit(auto_controls=True, strength="flex_1"),
        422,
        "video.edit.auto_controls excludes video.edit.strength and video.edit.controls",
        edit(auto_controls=False, strength="flex_1"),
    ),
    (
        edit(auto_controls=True, controls={}),
        422,
        "video.edit.auto_controls excludes video.edit.strength and video.edit.controls",
        edit(controls={"pose": {"strength": "precise"}}),
    ),
    (
        video(EDIT, start_frame=PICTURE, edit=anchored(1)),
        422,
        "video.edit.keyframes excludes video.start_frame",
        video(EDIT, start_frame=PICTURE, edit={"strength": "adhere_1"}),
    ),
    (
        video(EDIT, start_frame={"generation_id": "x"}),
        422,
        "video.start_frame must be an image",
        video(EDIT, start_frame=PICTURE),
    ),
    # Extensions.
    (
        video(start_frame={"generation_id": "x"}, end_frame=PICTURE),
        422,
        "A generation cannot be extended towards another frame",
        video(start_frame=PICTURE, end_frame=PICTURE),
    ),
    (
        video(end_frame={"generation_id": "x"}, hdr=True),
        422,
        "Extensions are SDR only",
        video(end_frame=PICTURE, hdr=True),
    ),
]


@pytest.mark.parametrize(("body", "status", "text"), [rule[:3] for rule in RULES])
async def test_a_broken_rule_is_refused(agents: Agents, body: Json, status: int, text: str) -> None:
    answer = await agents.ask(**body)
    assert (answer.status_code, answer.json()) == (status, {"detail": text})


@pytest.mark.parametrize("body", [rule[3] for rule in RULES])
async def test_its_neighbour_is_accepted(agents: Agents, body: Json) -> None:
    assert (await agents.make(**body))["state"] == "queued"


WRONG_FIELDS = [
    ({"prompt": 3}, "prompt"),
    ({"model": 3}, "model"),
    ({"type": "audio"}, "type"),
    ({"aspect_ratio": 1}, "aspect_ratio"),
    ({"style": "anime"}, "style"),
    ({"output_format": "webp"}, "output_format"),
    ({"image_ref": PICTURE}, "image_ref"),
    ({"image_ref": [{"url": 1}]}, "image_ref.0.url"),
    ({"source": "https://a.example"}, "source"),
    ({"web_search": "yes"}, "web_search"),
    ({"user_id": "a" * 257}, "user_id"),
    ({**LAYERING, "layering": {"resolution": "4k"}}, "layering.resolution"),
    (video(resolution="4k"), "video.resolution"),
    (video(duration="9s"), "video.duration"),
    (video(loop=1), "video.loop"),
    (video(keyframe_indexes=[0.5]), "video.keyframe_indexes.0"),
    (video(REFRAME, source_position={"x_norm": 0}), "video.source_position.y_norm"),
    (video(REFRAME, source_position={**HALF, "x_norm": -2.1}), "video.source_position.x_norm"),
    (video(REFRAME, source_position={**HALF, "y_norm": 2.1}), "video.source_position.y_norm"),
    (video(REFRAME, source_position={**HALF, "w_norm": 0}), "video.source_position.w_norm"),
    (video(REFRAME, source_position={**HALF, "h_norm": 2.1}), "video.source_position.h_norm"),
    (edit(strength="flex_4"), "video.edit.strength"),
    (edit(controls={"depth": {"blur": 1.1}}), "video.edit.controls.depth.blur"),
    (edit(controls={"normals": {"augmentation": -1}}), "video.edit.controls.normals.augmentation"),
    (edit(controls={"pose": {"strength": "exact"}}), "video.edit.controls.pose.strength"),
    (edit(controls={"trajectory": {"sparsity": 2}}), "video.edit.controls.trajectory.sparsity"),
    (edit(controls={"face": {"enabled": "no"}}), "video.edit.controls.face.enabled"),
]


@pytest.mark.parametrize(("body", "field"), WRONG_FIELDS)
async def test_a_wrong_field_is_refused_by_its_name(agents: Agents, body: Json, field: str) -> None:
    answer = await agents.ask(**body)
    assert (answer.status_code, answer.json()["detail"].split(":")[0]) == (422, field)


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "Request body is required"),
        (b"{", "Request body is not valid JSON"),
        (b"[]", "Request body must be a JSON object"),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(
    agents: Agents, content: bytes, detail: str
) -> None:
    answer = await agents.post("/generations", content=content)
    assert (answer.status_code, answer.json()) == (422, {"detail": detail})


async def test_null_counts_as_not_sent_at_every_depth(agents: Agents) -> None:
    for body in (
        dict.fromkeys(("model", "type", "style", "image_ref", "video", "web_search")),
        video(resolution=None, loop=None, keyframes=None, start_frame=None),
        edit(auto_controls=None, controls={"depth": {"enabled": None, "blur": None}}),
    ):
        await agents.make(**body)


async def test_what_is_not_known_is_ignored(agents: Agents) -> None:
    await agents.make(seed=7, callback_url=7, source=None)
    await agents.make(**video(guide_frame=PICTURE))


async def test_a_reference_is_a_completed_generation_of_the_same_kind_and_account(
    agents: Agents, clock: TurnedClock
) -> None:
    picture, clip = await agents.make(), await agents.make_clip()
    failed = await agents.make(prompt="[sandbox:fail=generation_failed]")

    async def refuse(generation: Json, **body: object) -> str:
        reference = {"generation_id": generation["id"]}
        answer = await agents.ask(source=reference, **body)
        assert answer.status_code == 422
        return answer.json()["detail"]

    change = {"type": "image_edit"}
    assert await refuse(picture, **change) == "source: generation is not completed"
    clock.advance(10)
    assert await refuse(failed, **change) == "source: generation is not completed"
    assert await refuse(clip, **change) == "source: generation is not an image"
    moving = {"model": "ray-3.2", "type": "video_edit"}
    assert await refuse(picture, **moving) == "source: generation is not a video"
    by_id = {"generation_id": picture["id"]}
    await agents.make(type="image_edit", source=by_id, image_ref=[by_id])
    await agents.make(type="layering", source=by_id)
    await agents.make(**{**EDIT, "source": {"generation_id": clip["id"]}})
    still = await agents.ask(**video(start_frame=by_id))
    assert still.json()["detail"] == "video.start_frame: generation is not a video"
    async with Agents(agents.app, "luma-api-other") as other:
        answer = await other.ask(type="image_edit", source=by_id)
    assert (answer.status_code, answer.json()["detail"]) == (422, "source: generation not found")


async def test_a_link_of_the_sandbox_is_a_source_of_its_own_kind(
    agents: Agents, clock: TurnedClock
) -> None:
    picture, clip = await agents.make(), await agents.make_clip()
    clock.advance(10)
    still, moving = await agents.get_link(picture), await agents.get_link(clip)
    assert still.startswith("http://")
    await agents.make(type="image_edit", source={"url": still})
    await agents.make(**{**EDIT, "source": {"url": moving, "media_type": "video/mp4"}})
    wrong = await agents.ask(type="image_edit", source={"url": moving})
    assert wrong.json()["detail"] == "source: content-type is not an image"
    odd = await agents.ask(**{**EDIT, "source": {"url": still, "media_type": "video/mp4"}})
    assert odd.json()["detail"] == "source: content-type is not a video"
    clock.advance(3600)
    late = await agents.ask(type="image_edit", source={"url": still})
    assert late.json()["detail"] == "source: failed to fetch URL (HTTP 403)"


async def test_dream_machine_takes_a_link_of_the_agents_api_for_what_it_shows_while_it_works(
    luma: Luma, agents: Agents, clock: TurnedClock
) -> None:
    clip = await agents.make_clip(aspect_ratio="1:1", video={"duration": "10s"})
    clock.advance(10)
    media = {"url": await agents.get_link(clip)}
    body = {"media": media, "model": "ray-2", "mode": "flex_1"}
    paid = []
    for _ in range(2):
        before = await luma.get_balance()
        assert (await luma.post("/generations/video/modify", json=body)).status_code == 201
        paid.append(before - await luma.get_balance())
        clock.advance(3600)
    assert paid[0] == pytest.approx(2 * paid[1], abs=0.001)


async def test_sources_of_edits_and_reframes_are_limited_in_length(
    agents: Agents, clock: TurnedClock
) -> None:
    clip = await agents.make_clip()
    refusals = []
    for _ in range(6):
        clock.advance(10)
        source = {"source": {"generation_id": clip["id"]}}
        refusals.append(
            [
                answer.json().get("detail")
                for answer in (
                    await agents.ask(**{**EDIT, **source}),
                    await agents.ask(**{**REFRAME, **source}),
                )
            ]
        )
        clip = await agents.make(**video(start_frame={"generation_id": clip["id"]}))
    long = "source: video must be 18 seconds or shorter"
    assert refusals == [[None, None]] * 3 + [[long, None]] * 3
    clock.advance(10)
    answer = await agents.ask(**{**REFRAME, "source": {"generation_id": clip["id"]}})
    assert answer.json()["detail"] == "source: video must be 30 seconds or shorter"


async def test_a_clip_in_hdr_is_neither_extended_nor_reframed(
    agents: Agents, clock: TurnedClock
) -> None:
    clip = {"generation_id": (await agents.make(**video(hdr=True)))["id"]}
    clock.advance(10)
    extended = await agents.ask(**video(end_frame=clip))
    assert extended.json()["detail"] == "Extensions are SDR only"
    reframed = await agents.ask(**{**REFRAME, "source": clip})
    assert reframed.json()["detail"] == "source: video_reframe is SDR only"
    await agents.make(**{**EDIT, "source": clip})


async def test_a_picture_and_a_body_are_limited_in_size(enter: Enter) -> None:
    mebibyte = 1024 * 1024
    narrow = replace(OPEN_HANDED, max_image_bytes=mebibyte, max_agents_body_bytes=2 * mebibyte)
    app = (await enter(narrow)).app
    refused = "source: image exceeds 1 MB limit", "Request body exceeds 2097152 bytes"
    async with Agents(app) as agents:
        for size, text in zip((mebibyte + 1, 2 * mebibyte), refused, strict=True):
            data = base64.b64encode(bytes(size)).decode()
            answer = await agents.ask(**source(data=data, media_type="image/png"))
            assert (answer.status_code, answer.json()) == (413, {"detail": text})
        data = base64.b64encode(bytes(mebibyte)).decode()
        await agents.make(**source(data=data, media_type="image/png"))
