"""What the Agents API would refuse, refused before it is sent, beside the neighbour it takes."""

from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_mcp.errors import InvalidRequest
from luma_mcp.luma import agents_models as models
from luma_mcp.luma.agents_rules import check_file, check_generation, warnings_of

Json = dict[str, Any]

URL = {"url": "https://example.org/boat.png"}
INSECURE = {"url": "http://example.org/boat.png"}
FILM = {"url": "https://example.org/boat.mp4", "media_type": "video/mp4"}
FILE = {"file_id": "bbbbbbbb-1b2c-4d3e-8f90-abcdefabcdef"}
CLIP = {"generation_id": "aaaaaaaa-1b2c-4d3e-8f90-abcdefabcdef"}
INSIDE = {"x_norm": 0, "y_norm": 0, "w_norm": 1, "h_norm": 1}

# The least that a request of each type is made of.
LEAST: dict[str, Json] = {
    "image": {"model": "uni-1"},
    "image_edit": {"model": "uni-1", "source": URL},
    "video": {"model": "ray-3.2"},
    "video_edit": {"model": "ray-3.2", "source": CLIP},
    "video_reframe": {"model": "ray-3.2", "source": CLIP, "aspect_ratio": "16:9"},
    "layering": {"model": "uni-1", "source": URL},
}


def request(name: str, **members: Any) -> models.CreateGeneration:  # noqa: ANN401 - any member
    body = {"prompt": "A paper boat", "type": name} | LEAST[name] | members
    return models.CreateGeneration.model_validate(body)


def image(**members: Any) -> models.CreateGeneration:  # noqa: ANN401
    return request("image", **members)


def image_edit(**members: Any) -> models.CreateGeneration:  # noqa: ANN401
    return request("image_edit", **members)


def video(**options: Any) -> models.CreateGeneration:  # noqa: ANN401
    return request("video", video=options)


def edit(**options: Any) -> models.CreateGeneration:  # noqa: ANN401
    return request("video_edit", video={"edit": options})


def frames(*indexes: int) -> Json:
    return {"keyframes": [URL] * len(indexes), "keyframe_indexes": list(indexes)}


def refusal_by(check: Callable[[], None]) -> str | None:
    """Give message and advice of the refusal, if there is one."""
    try:
        check()
    except InvalidRequest as error:
        return f"{error.message} {error.advice}" if error.advice else "A refusal without advice"
    return None


def refusal_of(generation: models.CreateGeneration) -> str | None:
    return refusal_by(lambda: check_generation(generation))


def refusal_of_file(**members: Any) -> str | None:  # noqa: ANN401
    whole = {"mime_type": "image/png", "size_bytes": 1} | members
    file = models.CreateFile.model_validate(whole)
    return refusal_by(lambda: check_file(file))


# By its name: what is refused, a part of what is said of it, and the neighbour that is accepted.
RULES: dict[str, tuple[models.CreateGeneration, str, models.CreateGeneration]] = {
    "a picture by http": (
        image(image_ref=[INSECURE]),
        "image_ref[0] needs an https URL.",
        image(image_ref=[{"url": "HTTPS://example.org/boat.png"}]),
    ),
    "a clip by half an address": (
        request("video_edit", source=FILM | {"url": "http://[half"}),
        "source needs an https URL.",
        request("video_edit", source=FILM | {"url": "http://127.0.0.1:8000/sandbox/media/a.mp4"}),
    ),
    "a source of layers by http": (
        request("layering", source=INSECURE),
        "source needs an https URL.",
        request("layering", source=FILE),
    ),
    "a first frame by http": (
        video(start_frame=INSECURE),
        "keyframes.frame0 needs an https URL.",
        video(start_frame=FILE),
    ),
    "a last frame by http": (
        video(end_frame=INSECURE),
        "keyframes.frame1 needs an https URL.",
        video(end_frame=URL),
    ),
    "a frame in between by http": (
        video(keyframes=[URL, INSECURE], keyframe_indexes=[0, 1]),
        "indexed_keyframes[1] needs an https URL.",
        video(keyframes=[URL, CLIP], keyframe_indexes=[0, 1]),
    ),
    "an edit with a first frame by http": (
        request("video_edit", video={"start_frame": INSECURE}),
        "first_frame_url needs an https URL.",
        request("video_edit", video={"start_frame": URL}),
    ),
    "an edit with a frame by http": (
        edit(keyframes=[INSECURE], keyframe_indexes=[0]),
        "indexed_keyframes[0] needs an https URL.",
        edit(keyframes=[FILE], keyframe_indexes=[0]),
    ),
    "no prompt": (image(prompt=""), "Prompt is required.", image(prompt="x")),
    "a prompt of blanks": (image(prompt=" \n\u3000"), "Prompt is required.", image(prompt=" x ")),
    "a long prompt": (
        image(prompt="x" * 6001),
        "Prompt must be between 1 and 6000 characters (this one has 6001).",
        image(prompt="x" * 6000),
    ),
    "a long prompt for a video": (
        request("video", prompt="\u7d19" * 6001),
        "between 1 and 6000 characters",
        request("video", prompt="\u7d19" * 6000),
    ),
    "a long prompt for layers": (
        request("layering", prompt="x" * 501),
        "between 1 and 500 characters (this one has 501).",
        request("layering", prompt="x" * 500),
    ),
    "wide manga": (
        image(style="manga", aspect_ratio="16:9"),
        "The style manga does not go with the aspect_ratio 16:9. Use one of 2:3, 9:16, 1:2, 1:3",
        image(style="manga", aspect_ratio="1:3"),
    ),
    "square manga": (
        image(style="manga", aspect_ratio="1:1"),
        "The style manga does not go with the aspect_ratio 1:1.",
        image(style="auto", aspect_ratio="1:1"),
    ),
    "panoramic manga": (
        image(style="manga", aspect_ratio="3:1"),
        "The style manga does not go with the aspect_ratio 3:1.",
        image_edit(style="manga"),
    ),
    "a long loop": (
        video(loop=True, duration="10s"),
        "A loop cannot have a duration of 10s.",
        video(loop=True, duration="5s"),
    ),
    "a loop in HDR": (
        video(loop=True, hdr=True),
        "A loop cannot be in HDR.",
        video(loop=False, hdr=True, resolution="720p"),
    ),
    "a loop with a last frame": (
        video(loop=True, start_frame=URL, end_frame=FILE),
        "A loop takes no frame1. Leave frame1 out (frame0 can stay), or loop.",
        video(loop=True, start_frame=URL),
    ),
    "a loop that leads up to a clip": (
        video(loop=True, end_frame=CLIP),
        "A loop takes no frame1.",
        video(loop=True, start_frame=CLIP),
    ),
    "a loop with frames in between": (
        video(loop=True, **frames(0)),
        "A loop takes no indexed_keyframes.",
        video(**frames(0)),
    ),
    "HDR in 360p": (
        video(hdr=True, resolution="360p"),
        "hdr needs a resolution of 720p or 1080p.",
        video(resolution="360p"),
    ),
    "HDR in 540p": (
        video(hdr=True, resolution="540p"),
        "hdr needs a resolution of 720p or 1080p.",
        video(hdr=True, resolution="1080p"),
    ),
    "long HDR": (
        video(hdr=True, duration="10s"),
        "A clip of 10s in HDR needs indexed_keyframes.",
        video(hdr=True, duration="10s", **frames(0, 240)),
    ),
    "EXR of SDR": (
        video(exr_export=True),
        "exr_export needs hdr.",
        video(exr_export=True, hdr=True),
    ),
    "EXR of an edit in SDR": (
        request("video_edit", video={"exr_export": True, "hdr": False}),
        "exr_export needs hdr.",
        request("video_edit", video={"exr_export": True, "hdr": True}),
    ),
    "a long video with a first frame": (
        video(duration="10s", start_frame=URL),
        (
            "A clip of 10s takes neither frame0 nor frame1. Use duration 5s, or give the pictures "
            "in indexed_keyframes"
        ),
        video(duration="5s", start_frame=URL),
    ),
    "a long video with a last frame": (
        video(duration="10s", end_frame=FILE),
        "A clip of 10s takes neither frame0 nor frame1.",
        video(duration="10s", **frames(240)),
    ),
    "a first frame beside others": (
        video(start_frame=URL, **frames(60)),
        "indexed_keyframes cannot be combined with frame0 or frame1.",
        video(**frames(0, 60)),
    ),
    "a last frame beside others": (
        video(end_frame=URL, **frames(60)),
        "indexed_keyframes cannot be combined with frame0 or frame1.",
        video(**frames(60, 120)),
    ),
    "from a clip to a picture": (
        video(start_frame=CLIP, end_frame=URL),
        "ray-3.2 cannot join a clip to another frame.",
        video(start_frame=CLIP),
    ),
    "from a picture to a clip": (
        video(start_frame=FILE, end_frame=CLIP),
        "or use ray-2, which can join clips of its own",
        video(end_frame=CLIP),
    ),
    "from a clip to a clip": (
        video(start_frame=CLIP, end_frame=CLIP),
        "ray-3.2 cannot join a clip to another frame.",
        video(start_frame=URL, end_frame=FILE),
    ),
    "a long extension": (
        video(start_frame=CLIP, duration="10s"),
        "Extending a clip adds 5s, not 10s.",
        video(start_frame=CLIP, duration="5s"),
    ),
    "an extension in HDR": (
        video(end_frame=CLIP, hdr=True),
        "A clip cannot be extended in HDR.",
        video(end_frame=URL, hdr=True),
    ),
    "two frames at one index": (
        video(**frames(0, 7, 7)),
        "indexed_keyframes has the index 7 2 times.",
        video(**frames(7, 0, 8)),
    ),
    "a frame after 5 s": (
        video(**frames(0, 121)),
        "beyond the end of the clip, which is 120.",
        video(**frames(0, 120)),
    ),
    "a frame after 10 s": (
        video(duration="10s", **frames(241)),
        "beyond the end of the clip, which is 240.",
        video(duration="10s", **frames(121)),
    ),
    "an edit by itself and by mode": (
        edit(auto_controls=True, strength="adhere_1"),
        "auto_controls cannot be combined with mode or controls.",
        edit(auto_controls=False, strength="adhere_1"),
    ),
    "an edit by itself and by controls": (
        edit(auto_controls=True, controls={"pose": {"enabled": True}}),
        "auto_controls cannot be combined with mode or controls.",
        edit(auto_controls=True, controls={"pose": {}}),
    ),
    "an edit with a first frame beside others": (
        request("video_edit", video={"start_frame": URL, "edit": frames(1)}),
        "indexed_keyframes cannot be combined with first_frame_url.",
        request("video_edit", video={"start_frame": URL, "edit": {"auto_controls": True}}),
    ),
    "an edit with two frames at one index": (
        edit(**frames(3, 3)),
        "indexed_keyframes has the index 3 2 times.",
        # How long the source is, Luma knows.
        edit(**frames(3, 100_000)),
    ),
    "an upright reframed video in 1080p": (
        request("video_reframe", aspect_ratio="3:4", video={"resolution": "1080p"}),
        "1080p is not available yet for reframing to 3:4. Use 720p, 540p or 360p.",
        request("video_reframe", aspect_ratio="1:1", video={"resolution": "1080p"}),
    ),
    "a tall reframed video in 1080p": (
        request("video_reframe", aspect_ratio="9:16", video={"resolution": "1080p"}),
        "1080p is not available yet for reframing to 9:16.",
        request("video_reframe", aspect_ratio="9:16", video={"resolution": "720p"}),
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_what_luma_refuses_is_refused_with_a_way_out(name: str) -> None:
    refused, text, _ = RULES[name]
    assert text in (refusal_of(refused) or "nothing")


@pytest.mark.parametrize("name", RULES)
def test_the_neighbour_that_luma_takes_is_accepted(name: str) -> None:
    assert refusal_of(RULES[name][2]) is None


@pytest.mark.parametrize("name", LEAST)
def test_the_least_of_every_type_is_accepted(name: str) -> None:
    assert refusal_of(request(name)) is None


def test_saying_no_to_an_option_asks_for_nothing() -> None:
    assert refusal_of(video(duration="10s", loop=False, hdr=False, exr_export=False)) is None


UNDOCUMENTED = (
    "Luma documents generation_id for the source of an edit alone; if it refuses, give the "
    "result's link as url."
)


@pytest.mark.parametrize(
    ("generation", "texts"),
    [
        (request("video", aspect_ratio="16:9", video={"resolution": "1080p"}), []),
        (request("video", aspect_ratio="9:16", video={"resolution": "720p"}), []),
        (request("video", aspect_ratio="9:16"), []),
        (
            request("video", aspect_ratio="9:16", video={"resolution": "1080p"}),
            ["Upright videos may not be available in 1080p yet; 720p is."],
        ),
        (
            request("video_reframe", aspect_ratio="1:1", video={"resolution": "1080p"}),
            ["Reframing in 1080p is not open to every account yet; 720p is."],
        ),
        (request("video_reframe", aspect_ratio="3:4", video={"resolution": "720p"}), []),
        (video(hdr=False), []),
        (video(hdr=True), ["HDR works only for accounts for which Luma has enabled it."]),
        (request("video_edit", video={"resolution": "540p"}), []),
        (
            request("video_edit", video={"resolution": "720p", "hdr": True}),
            ["HDR works only for accounts for which Luma has enabled it."],
        ),
        (
            request("video_edit", video={"resolution": "540p", "hdr": True}),
            [
                "HDR works only for accounts for which Luma has enabled it.",
                "Luma may refuse HDR below 720p.",
            ],
        ),
        (
            video(hdr=True, start_frame=URL),
            [
                "HDR works only for accounts for which Luma has enabled it.",
                "Luma may refuse HDR with frame0 or frame1; indexed_keyframes can be in HDR.",
            ],
        ),
        (image(image_ref=[URL, FILE]), []),
        (image(image_ref=[CLIP, URL, CLIP]), [UNDOCUMENTED]),
        (image_edit(source=CLIP, image_ref=[FILE]), []),
        (image_edit(source=CLIP, image_ref=[URL, CLIP]), [UNDOCUMENTED]),
        (request("layering", source=FILE), []),
        (request("layering", source=CLIP), [UNDOCUMENTED]),
        (request("video_reframe", source=CLIP), []),
    ],
)
def test_what_luma_may_refuse_is_accepted_with_a_warning(
    generation: models.CreateGeneration, texts: list[str]
) -> None:
    assert refusal_of(generation) is None
    assert warnings_of(generation) == texts


NO_MEDIA = "mime_type is not that of a picture or video."
NO_DATE = "expires_at is not a date with time and zone."


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"size_bytes": 0}, "A file has from 1 byte to 5 GiB; this one has 0 bytes."),
        ({"size_bytes": 5 * 1024**3 + 1}, "this one has 5,368,709,121 bytes."),
        ({"mime_type": ""}, NO_MEDIA),
        ({"mime_type": "image"}, NO_MEDIA),
        ({"mime_type": "IMAGE/PNG"}, NO_MEDIA),
        ({"mime_type": "application/pdf"}, NO_MEDIA),
        ({"mime_type": "image/"}, NO_MEDIA),
        ({"mime_type": "image/png; q=1"}, NO_MEDIA),
        ({"mime_type": "image/png\n"}, NO_MEDIA),
        ({"expires_at": "2020-01-31T12:00:00Z"}, "expires_at has passed."),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at has passed."),
        ({"expires_at": "tomorrow"}, NO_DATE),
        ({"expires_at": "2999-01-31"}, NO_DATE),
        ({"expires_at": "2999-01-31T12:00:00"}, NO_DATE),
        ({"expires_at": "2999-02-30T12:00:00Z"}, NO_DATE),
        ({"expires_at": "2999-W01-1T12:00:00Z"}, NO_DATE),
    ],
)
def test_a_file_that_luma_would_not_take_is_refused(members: Json, text: str) -> None:
    assert text in (refusal_of_file(**members) or "nothing")


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"size_bytes": 5 * 1024**3},
        {"mime_type": "image/svg+xml"},
        {"mime_type": "video/x-matroska"},
        {"expires_at": "2999-01-31T12:00:00Z"},
        {"expires_at": "2999-01-31T12:00:00.123456+05:30"},
        {"expires_at": "9999-12-31T23:59:59-12:00"},
    ],
)
def test_a_file_that_luma_takes_is_accepted(members: Json) -> None:
    assert refusal_of_file(**members) is None


def some(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """Build an object that has some of the members."""
    return st.fixed_dictionaries({}, optional=members)


def one_of(choice: object) -> st.SearchStrategy[Any]:
    return st.sampled_from(get_args(choice))


FLAG = st.none() | st.booleans()
SHARE = st.none() | st.floats(0, 1)
REFERENCE = st.sampled_from([URL, FILM, FILE, CLIP, {}, URL | CLIP, {"url": "", "media_type": ""}])
FRAMES: dict[str, st.SearchStrategy[Any]] = {
    "keyframes": st.lists(REFERENCE, max_size=3),
    "keyframe_indexes": st.lists(st.sampled_from([0, 120, 240]) | st.integers(), max_size=3),
}
CONTROLS = some(
    depth=some(enabled=FLAG, blur=SHARE),
    face=some(enabled=FLAG),
    normals=some(enabled=FLAG, augmentation=SHARE),
    pose=some(enabled=FLAG, strength=one_of(models.PoseStrength)),
    trajectory=some(enabled=FLAG, sparsity=SHARE),
)
EDIT = some(auto_controls=FLAG, strength=one_of(models.Strength), controls=CONTROLS, **FRAMES)
VIDEO = some(
    resolution=one_of(models.VideoResolution),
    duration=one_of(models.VideoDuration),
    loop=FLAG,
    hdr=FLAG,
    exr_export=FLAG,
    start_frame=REFERENCE,
    end_frame=REFERENCE,
    source_position=st.just(INSIDE),
    edit=EDIT,
    **FRAMES,
)
ANY_MEMBERS = some(
    prompt=st.text(max_size=9) | st.just("x" * 6001),
    model=one_of(models.Model),
    aspect_ratio=one_of(models.AspectRatio),
    style=one_of(models.Style),
    output_format=one_of(models.OutputFormat),
    image_ref=st.lists(REFERENCE, max_size=10),
    source=REFERENCE,
    layering=some(resolution=one_of(models.LayerResolution)),
    video=VIDEO,
    web_search=FLAG,
)


@given(st.sampled_from(sorted(LEAST)), ANY_MEMBERS | some(video=VIDEO))
def test_whatever_can_be_asked_for_is_accepted_or_refused_and_nothing_else(
    name: str, members: Json
) -> None:
    generation = request(name, **members)
    text = refusal_of(generation)
    assert text is None or text.endswith(".")
    assert all(warning.endswith(".") for warning in warnings_of(generation))


@given(
    some(
        mime_type=st.text(),
        size_bytes=st.integers(),
        expires_at=st.text() | st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    )
)
def test_whatever_file_can_be_announced_is_accepted_or_refused_and_nothing_else(
    members: Json,
) -> None:
    text = refusal_of_file(**members)
    assert text is None or text.endswith(".")
