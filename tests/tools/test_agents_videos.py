"""The tools that make videos with ray-3.2: what they send, refuse and answer."""

import json

import pytest

from tests.tools.calls import BOTH, Json, Upstream, call, client_of, data, lines_of, refused
from tests.tools.test_creating import FILE_ID, JOB, JOB_ID, OF_AGENTS
from tests.tools.test_waiting import AGENTS_GET, AGENTS_POST, POST

PICTURE = "https://example.com/boat.jpg"
CLIP = "https://example.com/boat.mp4?token=1"
RAY = {"model": "ray-3.2"}
BOAT = {**RAY, "prompt": "A boat"}


async def sent(tool: str, path: str = AGENTS_POST, **arguments: object) -> Json:
    """What Luma is sent for one call."""
    upstream = Upstream({path: JOB})
    async with client_of(upstream, BOTH) as client:
        await data(client, tool, **arguments, wait_seconds=0)
    (body,) = upstream.bodies
    return json.loads(body)


async def test_what_a_video_of_ray_3_2_does_not_need_is_not_sent() -> None:
    assert await sent("create_generation", **BOAT) == {
        "type": "video",
        "model": "ray-3.2",
        "prompt": "A boat",
    }


async def test_frames_by_link_and_file_are_the_start_and_the_end_of_a_new_video() -> None:
    body = await sent(
        "create_generation",
        **BOAT,
        aspect_ratio="21:9",
        resolution="360p",
        duration="5s",
        keyframes={
            "frame0": {"type": "image", "url": PICTURE},
            "frame1": {"type": "image", "file_id": FILE_ID.upper()},
        },
    )
    assert body == {
        "type": "video",
        "model": "ray-3.2",
        "prompt": "A boat",
        "aspect_ratio": "21:9",
        "video": {
            "resolution": "360p",
            "duration": "5s",
            "start_frame": {"url": PICTURE},
            "end_frame": {"file_id": FILE_ID},
        },
    }


async def test_pictures_at_frames_guide_a_long_video_in_hdr_with_exr_files() -> None:
    body = await sent(
        "create_generation",
        **BOAT,
        resolution="1080p",
        duration="10s",
        hdr=True,
        exr_export="true",
        indexed_keyframes=[
            {"index": 240, "url": PICTURE},
            {"index": 0, "generation_id": OF_AGENTS.replace(JOB_ID, JOB_ID.upper())},
            {"index": 7, "file_id": FILE_ID},
        ],
    )
    assert body == {
        "type": "video",
        "model": "ray-3.2",
        "prompt": "A boat",
        "video": {
            "resolution": "1080p",
            "duration": "10s",
            "hdr": True,
            "exr_export": True,
            "keyframes": [{"url": PICTURE}, {"generation_id": JOB_ID}, {"file_id": FILE_ID}],
            "keyframe_indexes": [240, 0, 7],
        },
    }


async def test_a_loop_that_extends_a_clip_is_sent_as_such() -> None:
    body = await sent(
        "create_generation",
        **BOAT,
        loop=True,
        keyframes={"frame0": {"type": "generation", "id": OF_AGENTS}},
    )
    assert body["video"] == {"loop": True, "start_frame": {"generation_id": JOB_ID}}


# By what stands at the start and at the end: what either API is sent; None where it is refused.
FRAMES: dict[str, Json] = {
    "image": {"type": "image", "url": PICTURE},
    "generation": {"type": "generation", "id": JOB_ID},
}
BY_RAY_3: dict[str, Json] = {
    "image": {"url": PICTURE},
    "generation": {"generation_id": JOB_ID},
}
KINDS = (None, "image", "generation")
JOINED = {("image", "generation"), ("generation", "image"), ("generation", "generation")}
PAIRS = [(start, end) for start in KINDS for end in KINDS]


def frames_of(start: str | None, end: str | None, clip: str) -> Json:
    named = {"frame0": start, "frame1": end}
    frames = {name: dict(FRAMES[kind]) for name, kind in named.items() if kind}
    for frame in frames.values():
        if "id" in frame:
            frame["id"] = clip
    return {"keyframes": frames} if frames else {}


@pytest.mark.parametrize(("start", "end"), PAIRS)
async def test_every_pair_of_frames_is_taken_by_ray_2(start: str | None, end: str | None) -> None:
    keyframes = frames_of(start, end, JOB_ID)
    body = await sent("create_generation", f"{POST}/video", prompt="A boat", **keyframes)
    plain = {"generation_type": "video", "model": "ray-2", "prompt": "A boat"}
    assert body == plain | keyframes


@pytest.mark.parametrize(("start", "end"), [pair for pair in PAIRS if pair not in JOINED])
async def test_a_pair_of_frames_that_ray_3_2_takes_is_sent(
    start: str | None, end: str | None
) -> None:
    body = await sent("create_generation", **BOAT, **frames_of(start, end, OF_AGENTS))
    named = {"start_frame": start, "end_frame": end}
    frames = {name: BY_RAY_3[kind] for name, kind in named.items() if kind}
    plain = {"type": "video", "model": "ray-3.2", "prompt": "A boat"}
    assert body == plain | ({"video": frames} if frames else {})


@pytest.mark.parametrize(("start", "end"), sorted(JOINED))
async def test_a_clip_joined_to_another_frame_is_refused_by_ray_3_2_which_names_ray_2(
    start: str, end: str
) -> None:
    error = await refused("create_generation", **BOAT, **frames_of(start, end, OF_AGENTS))
    assert error["message"] == "ray-3.2 cannot join a clip to another frame."
    assert "or use ray-2, which can join clips" in error["advice"]


WRONG_FRAMES = {
    "a clip of Dream Machine": (
        {"frame0": {"type": "generation", "id": JOB_ID}},
        "belongs to Luma's Dream Machine API",
    ),
    "a file as a generation": (
        {"frame1": {"type": "generation", "file_id": FILE_ID}},
        "keyframes.frame1 needs exactly one of url, file_id and id, one of its type.",
    ),
    "a generation as an image": (
        {"frame0": {"type": "image", "id": OF_AGENTS}},
        "keyframes.frame0 needs exactly one of url, file_id and id, one of its type.",
    ),
    "two pictures": (
        {"frame0": {"type": "image", "url": PICTURE, "file_id": FILE_ID}},
        "keyframes.frame0 needs exactly one of url, file_id and id, one of its type.",
    ),
}


@pytest.mark.parametrize(("keyframes", "text"), WRONG_FRAMES.values(), ids=WRONG_FRAMES)
async def test_a_frame_that_is_not_one_thing_of_ray_3_2_is_refused(
    keyframes: Json, text: str
) -> None:
    assert text in (await refused("create_generation", **BOAT, keyframes=keyframes))["message"]


async def test_ray_2_takes_neither_files_nor_clips_of_the_other_api_as_frames() -> None:
    file = {"frame1": {"type": "image", "file_id": FILE_ID}}
    error = await refused("create_generation", prompt="A boat", keyframes=file)
    assert error["message"] == "keyframes.frame1.file_id is known to ray-3.2 only."
    clip = {"frame0": {"type": "generation", "id": OF_AGENTS}}
    error = await refused("create_generation", prompt="A boat", keyframes=clip)
    assert f"{OF_AGENTS} belongs to Luma's Agents API" in error["message"]
    assert error["advice"].endswith("models of Dream Machine take its results only by their links.")


CONTROLS = {
    "depth": {"enabled": True, "blur": 0.5},
    "face": {"enabled": False},
    "normals": {"enabled": True, "augmentation": 0.25},
    "pose": {"enabled": True, "strength": "coarse"},
    "trajectory": {"enabled": True, "sparsity": 1.0},
}


async def test_everything_about_an_edit_is_sent_in_lumas_own_shape() -> None:
    body = await sent(
        "modify_video",
        **RAY,
        media_url=CLIP,
        prompt="In felt",
        mode="adhere_3",
        controls=CONTROLS,
        indexed_keyframes=[{"index": 0, "generation_id": OF_AGENTS}, {"index": 9, "url": PICTURE}],
        resolution="1080p",
        hdr=True,
        exr_export=True,
        source_seconds=5,
        source_resolution="720p",
    )
    assert body == {
        "type": "video_edit",
        "model": "ray-3.2",
        "prompt": "In felt",
        "source": {"url": CLIP, "media_type": "video/mp4"},
        "video": {
            "resolution": "1080p",
            "hdr": True,
            "exr_export": True,
            "edit": {
                "strength": "adhere_3",
                "controls": CONTROLS,
                "keyframes": [{"generation_id": JOB_ID}, {"url": PICTURE}],
                "keyframe_indexes": [0, 9],
            },
        },
    }


async def test_an_edit_may_leave_all_to_the_model_and_start_from_a_picture() -> None:
    body = await sent(
        "modify_video",
        **RAY,
        generation_id=OF_AGENTS,
        prompt="In felt",
        auto_controls=True,
        first_frame_url=PICTURE,
    )
    assert body == {
        "type": "video_edit",
        "model": "ray-3.2",
        "prompt": "In felt",
        "source": {"generation_id": JOB_ID},
        "video": {"start_frame": {"url": PICTURE}, "edit": {"auto_controls": True}},
    }


async def test_everything_about_a_reframe_is_sent_in_lumas_own_shape() -> None:
    position = {"x_norm": -0.5, "y_norm": 0.0, "w_norm": 1.5, "h_norm": 2.0}
    body = await sent(
        "reframe_video",
        **RAY,
        file_id=FILE_ID,
        aspect_ratio="9:16",
        prompt="More sea",
        resolution="540p",
        source_position=position,
    )
    assert body == {
        "type": "video_reframe",
        "model": "ray-3.2",
        "prompt": "More sea",
        "aspect_ratio": "9:16",
        "source": {"file_id": FILE_ID},
        "video": {"resolution": "540p", "source_position": position},
    }


async def test_a_reframe_without_a_prompt_gets_one_since_luma_wants_it() -> None:
    mov = "https://example.com/boat.MOV"
    body = await sent("reframe_video", **RAY, media_url=mov, aspect_ratio="1:1")
    assert body == {
        "type": "video_reframe",
        "model": "ray-3.2",
        "prompt": "Continue the scene naturally into the new area.",
        "aspect_ratio": "1:1",
        "source": {"url": mov, "media_type": "video/quicktime"},
    }


@pytest.mark.parametrize(
    ("url", "media_type"),
    [
        ("https://example.com/boat", "video/mp4"),
        ("https://example.com/boat.webm?a=b.png#c", "video/webm"),
        ("https://example.com/boat.jpg", "video/mp4"),
    ],
)
async def test_a_source_by_link_has_the_type_of_its_name_or_the_usual_one(
    url: str, media_type: str
) -> None:
    body = await sent("modify_video", **RAY, media_url=url, prompt="In felt")
    assert body["source"] == {"url": url, "media_type": media_type}


SOURCES = {"media_url": CLIP, "generation_id": OF_AGENTS, "file_id": FILE_ID}


@pytest.mark.parametrize(
    "given", [[], ["media_url", "file_id"], ["media_url", "generation_id"], [*SOURCES]]
)
@pytest.mark.parametrize(
    ("tool", "how"), [("modify_video", {"prompt": "x"}), ("reframe_video", {"aspect_ratio": "1:1"})]
)
async def test_a_source_is_exactly_one_thing(tool: str, how: Json, given: list[str]) -> None:
    sources = {name: SOURCES[name] for name in given}
    error = await refused(tool, **RAY, **how, **sources)
    assert error["message"] == "The source is exactly one of media_url, generation_id and file_id."


NEEDS: dict[str, tuple[str, Json, str]] = {
    "a prompt": ("create_generation", {**RAY}, "Prompt is required."),
    "a prompt, even with a picture": (
        "create_generation",
        {**RAY, "keyframes": {"frame0": FRAMES["image"]}},
        "Prompt is required.",
    ),
    "a prompt of an edit": ("modify_video", {**RAY, "media_url": CLIP}, "Prompt is required."),
    "a mode": ("modify_video", {"media_url": CLIP}, "mode is required with ray-2."),
    "a link, to modify": ("modify_video", {"mode": "flex_1"}, "media_url is required."),
    "a link, to reframe": ("reframe_video", {"aspect_ratio": "1:1"}, "media_url is required."),
    "a picture that is one thing": (
        "create_generation",
        {**BOAT, "indexed_keyframes": [{"index": 0}]},
        "indexed_keyframes[0] needs exactly one of url, generation_id and file_id.",
    ),
}


@pytest.mark.parametrize(("tool", "arguments", "message"), NEEDS.values(), ids=NEEDS)
async def test_what_a_model_needs_is_asked_for(tool: str, arguments: Json, message: str) -> None:
    assert (await refused(tool, **arguments))["message"] == message


LINK = "https://s3.example.com/out/clip.mp4?X-Amz-Expires=3600"
EXR = "https://s3.example.com/out/frames.zip?X-Amz-Expires=3600"


async def test_a_finished_clip_keeps_its_prompt_and_shows_all_its_files() -> None:
    done = {
        **JOB,
        "type": "video",
        "model": "ray-3.2",
        "state": "completed",
        "output": [{"type": "video", "url": LINK}, {"type": "exr", "url": EXR, "frames": 121}],
    }
    upstream = Upstream({AGENTS_POST: JOB, AGENTS_GET: done})
    async with client_of(upstream, BOTH) as client:
        result = await call(client, "create_generation", **BOAT, wait_seconds=30)
    assert result.structured_content is not None
    assert result.structured_content["prompt"] == "A boat"
    assert result.structured_content["assets"] == {
        "video": LINK,
        "image": None,
        "progress_video": None,
        "layers": [],
        "others": [{"type": "exr", "url": EXR, "frames": 121}],
    }
    assert lines_of(result) == [
        f"Video {OF_AGENTS} (ray-3.2): completed",
        "Prompt: A boat",
        f"Video: {LINK}",
        f"Exr: {EXR}",
        "The links work for an hour; get_generation gives fresh ones.",
        "Estimated cost: about $0.30",
    ]


@pytest.mark.parametrize(
    ("code", "refunded", "money"),
    [
        ("content_moderated", True, "Luma gave the credits back."),
        ("generation_failed", True, "Luma gave the credits back."),
        ("budget_exhausted", None, "Whether Luma gave the credits back is not known."),
        ("of_tomorrow", None, "Whether Luma gave the credits back is not known."),
    ],
)
async def test_a_failed_job_says_what_is_known_of_its_money(
    code: str, *, refunded: bool | None, money: str
) -> None:
    failed = {**JOB, "state": "failed", "failure_code": code, "failure_reason": "So it is"}
    async with client_of(Upstream({AGENTS_GET: failed}), BOTH) as client:
        result = await call(client, "get_generation", generation_id=OF_AGENTS)
    assert result.structured_content is not None
    failure = result.structured_content["failure"]
    assert (failure["reason"], failure["refunded"]) == ("So it is", refunded)
    assert lines_of(result)[1:] == ["Reason: So it is", failure["advice"], money]


FRAME = {"url": PICTURE}
WRONG_LISTS: dict[str, tuple[list[Json], str]] = {
    "65 frames": (
        [{**FRAME, "index": one} for one in range(65)],
        "indexed_keyframes takes 64 at most.",
    ),
    "before the start": (
        [{**FRAME, "index": -1}],
        "indexed_keyframes[0].index must be at least 0.",
    ),
    "without an index": ([FRAME], "indexed_keyframes[0].index is required."),
    "in two ways": (
        [{**FRAME, "file_id": FILE_ID, "index": 0}],
        "indexed_keyframes[0] needs exactly one of url, generation_id and file_id.",
    ),
}


@pytest.mark.parametrize(("frames", "message"), WRONG_LISTS.values(), ids=WRONG_LISTS)
@pytest.mark.parametrize(
    ("tool", "how"), [("create_generation", {}), ("modify_video", {"media_url": CLIP})]
)
async def test_frames_that_no_clip_can_have_are_refused(
    tool: str, how: Json, frames: list[Json], message: str
) -> None:
    error = await refused(tool, **BOAT, **how, indexed_keyframes=frames)
    assert error["message"] == message
