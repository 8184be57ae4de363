import pytest

from luma_mcp.sandbox.clock import TurnedClock
from tests.sandbox.conftest import Json, Luma

PICTURE = {"type": "image", "url": "https://media.example/picture.jpg"}
CONCEPT = [{"key": "static"}]
VIDEO, IMAGE = "/generations/video", "/generations/image"
REFRAME, MODIFY = "/generations/video/reframe", "/generations/video/modify"
MEDIA = {"url": "https://media.example/clip.mp4"}

REFUSALS = [
    (VIDEO, {}, "Prompt is required"),
    (VIDEO, {"prompt": ""}, "Prompt is required"),
    (VIDEO, {"prompt": "ab"}, "Prompt is too short, minimum length is 3 characters"),
    (VIDEO, {"prompt": "a" * 5001}, "Prompt is too long, maximum length is 5000 characters"),
    (VIDEO, {"prompt": "abc", "keyframes": {}}, "No keyframes provided"),
    (
        VIDEO,
        {"prompt": "abc", "duration": "5s"},
        "Duration is not supported in the Ray 1.6 API",
    ),
    (
        VIDEO,
        {"prompt": "abc", "model": "ray-1-6", "resolution": "720p"},
        "Resolution is not supported in the Ray 1.6 API",
    ),
    (
        VIDEO,
        {"prompt": "abc", "model": "ray-1-6", "concepts": CONCEPT},
        "concepts are not supported for this model",
    ),
    (
        VIDEO,
        {"prompt": "abc", "model": "ray-2", "concepts": [{"key": "spin"}]},
        "Unknown concept: spin",
    ),
    (VIDEO, {"prompt": "abc", "generation_type": "image"}, "Unknown request type"),
    (VIDEO, {"prompt": "abc", "keyframes": {"frame0": {"type": "clip"}}}, "Unknown request type"),
    (IMAGE, {}, "Prompt is required"),
    (IMAGE, {"prompt": "ab"}, "Prompt is too short, minimum length is 3 characters"),
    (IMAGE, {"prompt": "a" * 5001}, "Prompt is too long, maximum length is 5000 characters"),
    (IMAGE, {"prompt": "abc", "generation_type": "video"}, "Unknown request type"),
    (
        REFRAME,
        {"media": MEDIA, "model": "ray-2", "aspect_ratio": "1:1", "prompt": "ab"},
        "Prompt is too short, minimum length is 3 characters",
    ),
    (
        MODIFY,
        {"media": MEDIA, "model": "ray-2", "mode": "flex_1", "prompt": "a" * 5001},
        "Prompt is too long, maximum length is 5000 characters",
    ),
]


@pytest.mark.parametrize(("path", "body", "text"), REFUSALS)
async def test_a_broken_rule_is_refused_in_luma_s_words(
    luma: Luma, path: str, body: Json, text: str
) -> None:
    assert await luma.get_refusal(path, **body) == (400, text)


WRONG_FIELDS = [
    (VIDEO, {"prompt": 3}, "prompt"),
    (VIDEO, {"prompt": "abc", "model": "ray-3"}, "model"),
    (VIDEO, {"prompt": "abc", "aspect_ratio": "2:1"}, "aspect_ratio"),
    (VIDEO, {"prompt": "abc", "loop": "yes"}, "loop"),
    (VIDEO, {"prompt": "abc", "resolution": "2k"}, "resolution"),
    (VIDEO, {"prompt": "abc", "duration": "10s"}, "duration"),
    (VIDEO, {"prompt": "abc", "concepts": "static"}, "concepts"),
    (VIDEO, {"prompt": "abc", "concepts": [{}]}, "concepts.0.key"),
    (VIDEO, {"prompt": "abc", "callback_url": "ftp://a.example"}, "callback_url"),
    (VIDEO, {"prompt": "abc", "callback_url": "https://"}, "callback_url"),
    (VIDEO, {"prompt": "abc", "callback_url": "https://a:b"}, "callback_url"),
    (VIDEO, {"keyframes": {"frame0": {"type": "image"}}}, "keyframes.frame0.image.url"),
    (VIDEO, {"keyframes": {"frame1": {"type": "generation"}}}, "keyframes.frame1.generation.id"),
    (VIDEO, {"keyframes": {"frame1": {"url": "https://a.example"}}}, "keyframes.frame1"),
    (VIDEO, {"keyframes": []}, "keyframes"),
    (IMAGE, {"prompt": "abc", "model": "ray-2"}, "model"),
    (IMAGE, {"prompt": "abc", "format": "webp"}, "format"),
    (IMAGE, {"prompt": "abc", "image_ref": [MEDIA] * 5}, "image_ref"),
    (IMAGE, {"prompt": "abc", "image_ref": [{"weight": 1.1}]}, "image_ref.0.weight"),
    (IMAGE, {"prompt": "abc", "style_ref": [{"weight": -0.1}]}, "style_ref.0.weight"),
    (IMAGE, {"prompt": "abc", "modify_image_ref": {"url": "data:,"}}, "modify_image_ref.url"),
    (IMAGE, {"prompt": "abc", "character_ref": {}}, "character_ref.identity0"),
    (
        IMAGE,
        {"prompt": "abc", "character_ref": {"identity0": {"images": []}}},
        "character_ref.identity0.images",
    ),
    (
        IMAGE,
        {"prompt": "abc", "character_ref": {"identity0": {"images": [MEDIA["url"]] * 5}}},
        "character_ref.identity0.images",
    ),
    (REFRAME, {"model": "ray-2", "aspect_ratio": "1:1"}, "media"),
    (REFRAME, {"media": MEDIA, "model": "ray-2"}, "aspect_ratio"),
    (REFRAME, {"media": MEDIA, "aspect_ratio": "1:1"}, "model"),
    (
        REFRAME,
        {"media": MEDIA, "model": "ray-2", "aspect_ratio": "1:1", "x_start": 1.5},
        "x_start",
    ),
    (
        "/generations/image/reframe",
        {"media": MEDIA, "model": "ray-2", "aspect_ratio": "1:1"},
        "model",
    ),
    (MODIFY, {"media": MEDIA, "model": "ray-2"}, "mode"),
    (MODIFY, {"media": MEDIA, "model": "ray-2", "mode": "flex_4"}, "mode"),
    (MODIFY, {"media": MEDIA, "model": "ray-1-6", "mode": "flex_1"}, "model"),
]


@pytest.mark.parametrize(("path", "body", "field"), WRONG_FIELDS)
async def test_a_wrong_field_is_refused_by_its_name(
    luma: Luma, path: str, body: Json, field: str
) -> None:
    status, detail = await luma.get_refusal(path, **body)
    assert (status, detail.split(":")[0]) == (400, field)


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "Request body is required"),
        (b"{", "Request body is not valid JSON"),
        (b"prompt=abc", "Request body is not valid JSON"),
        (b'{"prompt": "\xff"}', "Request body is not valid JSON"),
        (b'{"prompt": "\\ud800abc"}', "Request body is not valid JSON"),
        (b'{"sync_timeout": NaN}', "Request body is not valid JSON"),
        (b"[" * 100_000, "Request body is not valid JSON"),
        (b"[]", "Request body must be a JSON object"),
        (b"null", "Request body must be a JSON object"),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(
    luma: Luma, content: bytes, detail: str
) -> None:
    answer = await luma.post(IMAGE, content=content)
    assert (answer.status_code, answer.json()) == (400, {"detail": detail})


async def test_a_number_without_end_is_refused(luma: Luma) -> None:
    content = b'{"prompt": "abc", "sync_timeout": 1' + b"0" * 5_000 + b"}"
    assert (await luma.post(IMAGE, content=content)).status_code == 400


@pytest.fixture
async def clip(luma: Luma, clock: TurnedClock) -> Json:
    generation = await luma.make(prompt="a tiger")
    clock.advance(10)
    return {"type": "generation", "id": generation["id"]}


# frame0, frame1 and what may not be looped: None if it may.
COMBINATIONS = [
    ("image", None, None),
    (None, "image", "end frame"),
    ("image", "image", "keyframes"),
    ("clip", None, None),
    (None, "clip", "extend reverse"),
    ("clip", "image", "interpolate video to image"),
    ("image", "clip", "interpolate image to video"),
    ("clip", "clip", "interpolate between two videos"),
]


def place(clip: Json, frame0: str | None, frame1: str | None) -> Json:
    frames = {"image": PICTURE, "clip": clip, None: None}
    return {"frame0": frames[frame0], "frame1": frames[frame1]}


@pytest.mark.parametrize(("frame0", "frame1"), [frames[:2] for frames in COMBINATIONS])
async def test_each_combination_of_keyframes_is_made(
    luma: Luma, clip: Json, frame0: str | None, frame1: str | None
) -> None:
    keyframes = place(clip, frame0, frame1)
    generation = await luma.make(prompt="a tiger", keyframes=keyframes)
    assert generation["request"]["keyframes"] == keyframes


@pytest.mark.parametrize(("frame0", "frame1"), [row[:2] for row in COMBINATIONS if not row[2]])
async def test_a_clip_that_starts_somewhere_and_ends_anywhere_is_looped(
    luma: Luma, clip: Json, frame0: str | None, frame1: str | None
) -> None:
    keyframes = place(clip, frame0, frame1)
    generation = await luma.make(prompt="a tiger", loop=True, keyframes=keyframes)
    assert generation["request"]["loop"] is True


@pytest.mark.parametrize(("frame0", "frame1", "name"), [row for row in COMBINATIONS if row[2]])
async def test_any_other_combination_of_keyframes_is_not_looped(
    luma: Luma, clip: Json, frame0: str | None, frame1: str | None, name: str
) -> None:
    body = {"prompt": "a tiger", "loop": True, "keyframes": place(clip, frame0, frame1)}
    assert await luma.get_refusal(VIDEO, **body) == (400, f"Loop is not supported for {name}")


async def test_text_alone_is_looped(luma: Luma) -> None:
    assert (await luma.make(prompt="a tiger", loop=True))["request"]["loop"] is True


async def test_an_image_keyframe_needs_no_prompt(luma: Luma) -> None:
    generation = await luma.make(keyframes={"frame0": PICTURE})
    assert generation["request"]["prompt"] is None


async def test_an_extension_needs_a_prompt(luma: Luma, clip: Json) -> None:
    refusal = await luma.get_refusal(VIDEO, keyframes={"frame0": clip})
    assert refusal == (400, "Prompt is required")


async def test_a_keyframe_is_a_completed_video_of_the_account(luma: Luma) -> None:
    running, image = await luma.make(prompt="a tiger"), await luma.make_image()
    for generation_id, refusal in [
        (running["id"], (400, "Generation is not completed")),
        (image["id"], (400, "Generation is not a video")),
        ("unknown", (404, "Generation not found")),
    ]:
        frame = {"type": "generation", "id": generation_id}
        body = {"prompt": "a tiger", "keyframes": {"frame1": frame}}
        assert await luma.get_refusal(VIDEO, **body) == refusal


async def test_a_failed_video_is_no_keyframe(luma: Luma, clock: TurnedClock) -> None:
    failed = await luma.make(prompt="a tiger [sandbox:fail=job]")
    clock.advance(10)
    frame = {"type": "generation", "id": failed["id"]}
    refusal = await luma.get_refusal(VIDEO, prompt="a tiger", keyframes={"frame0": frame})
    assert refusal == (400, "Generation is not completed")
