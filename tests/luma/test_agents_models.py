"""The bodies of the Agents API: what is sent, byte for byte, and what its answers become."""

import math
from typing import Any, get_args, get_type_hints

import luma_agents.types as sdk
import pytest
from hypothesis import given
from hypothesis import strategies as st
from luma_agents.types.generation_create_params import Layering as SdkLayering
from luma_agents.types.generation_output import Layer as SdkLayer
from pydantic import BaseModel, ValidationError

from luma_mcp.luma import agents_models as models
from luma_mcp.luma.jobs import Assets, Job

ID = "5C0E1A3A-8f5e-4d1c-9a53-0d7f5b1e2a11"
CLIP = "aaaaaaaa-1b2c-4d3e-8f90-abcdefabcdef"
FILE = "bbbbbbbb-1b2c-4d3e-8f90-abcdefabcdef"
PICTURE = "https://example.org/boat.png"
FILM = "https://example.org/boat.mp4"

WIRE: dict[str, tuple[models.CreateGeneration, str]] = {
    "image, in short": (
        models.CreateGeneration(prompt="A boat", model="uni-1", type="image"),
        '{"prompt":"A boat","model":"uni-1","type":"image"}',
    ),
    "image": (
        models.CreateGeneration(
            prompt="Ein Schiff \u2014 \u7d19",
            model="uni-1-max",
            type="image",
            aspect_ratio="2:3",
            style="manga",
            output_format="jpeg",
            image_ref=[models.ImageRef(url=PICTURE), models.ImageRef(file_id=FILE)],
            web_search=False,
        ),
        (
            '{"prompt":"Ein Schiff \u2014 \u7d19","model":"uni-1-max","type":"image",'
            '"aspect_ratio":"2:3","style":"manga","output_format":"jpeg",'
            f'"image_ref":[{{"url":"{PICTURE}"}},{{"file_id":"{FILE}"}}],"web_search":false}}'
        ),
    ),
    "image_edit": (
        models.CreateGeneration(
            prompt="At night",
            model="uni-1",
            type="image_edit",
            source=models.ImageRef(url=PICTURE, media_type="image/png"),
            image_ref=[models.ImageRef(generation_id=CLIP)],
        ),
        (
            '{"prompt":"At night","model":"uni-1","type":"image_edit",'
            f'"image_ref":[{{"generation_id":"{CLIP}"}}],'
            f'"source":{{"url":"{PICTURE}","media_type":"image/png"}}}}'
        ),
    ),
    "layering": (
        models.CreateGeneration(
            prompt="By depth",
            model="uni-1",
            type="layering",
            source=models.ImageRef(file_id=FILE),
            layering=models.Layering(resolution="2k"),
        ),
        (
            '{"prompt":"By depth","model":"uni-1","type":"layering",'
            f'"source":{{"file_id":"{FILE}"}},"layering":{{"resolution":"2k"}}}}'
        ),
    ),
    "video with first and last frame": (
        models.CreateGeneration(
            prompt="It sails",
            model="ray-3.2",
            type="video",
            aspect_ratio="21:9",
            video=models.VideoOptions(
                resolution="1080p",
                duration="5s",
                loop=False,
                hdr=True,
                exr_export=True,
                start_frame=models.ImageRef(url=PICTURE),
                end_frame=models.ImageRef(file_id=FILE),
            ),
        ),
        (
            '{"prompt":"It sails","model":"ray-3.2","type":"video","aspect_ratio":"21:9","video":'
            '{"resolution":"1080p","duration":"5s","loop":false,"hdr":true,"exr_export":true,'
            f'"start_frame":{{"url":"{PICTURE}"}},"end_frame":{{"file_id":"{FILE}"}}}}}}'
        ),
    ),
    "video with frames in between": (
        models.CreateGeneration(
            prompt="It sails",
            model="ray-3.2",
            type="video",
            video=models.VideoOptions(
                duration="10s",
                keyframes=[models.ImageRef(url=PICTURE), models.ImageRef(generation_id=CLIP)],
                keyframe_indexes=[0, 240],
            ),
        ),
        (
            '{"prompt":"It sails","model":"ray-3.2","type":"video","video":{"duration":"10s",'
            f'"keyframes":[{{"url":"{PICTURE}"}},{{"generation_id":"{CLIP}"}}],'
            '"keyframe_indexes":[0,240]}}'
        ),
    ),
    "video_edit": (
        models.CreateGeneration(
            prompt="In snow",
            model="ray-3.2",
            type="video_edit",
            source=models.ImageRef(url=FILM, media_type="video/mp4"),
            video=models.VideoOptions(
                resolution="720p",
                start_frame=models.ImageRef(url=PICTURE),
                edit=models.VideoEdit(
                    auto_controls=False,
                    strength="flex_2",
                    controls=models.Controls(
                        depth=models.DepthControl(enabled=True, blur=0.5),
                        face=models.FaceControl(enabled=False),
                        normals=models.NormalsControl(augmentation=1),
                        pose=models.PoseControl(strength="coarse"),
                        trajectory=models.TrajectoryControl(sparsity=0),
                    ),
                    keyframes=[models.ImageRef(url=PICTURE)],
                    keyframe_indexes=[24],
                ),
            ),
        ),
        (
            '{"prompt":"In snow","model":"ray-3.2","type":"video_edit",'
            f'"source":{{"url":"{FILM}","media_type":"video/mp4"}},'
            f'"video":{{"resolution":"720p","start_frame":{{"url":"{PICTURE}"}},'
            '"edit":{"auto_controls":false,"strength":"flex_2","controls":{'
            '"depth":{"enabled":true,"blur":0.5},"face":{"enabled":false},'
            '"normals":{"augmentation":1.0},"pose":{"strength":"coarse"},'
            '"trajectory":{"sparsity":0.0}},'
            f'"keyframes":[{{"url":"{PICTURE}"}}],"keyframe_indexes":[24]}}}}}}'
        ),
    ),
    "video_reframe": (
        models.CreateGeneration(
            prompt="More sea",
            model="ray-3.2",
            type="video_reframe",
            aspect_ratio="9:16",
            source=models.ImageRef(generation_id=CLIP),
            video=models.VideoOptions(
                source_position=models.SourcePosition(x_norm=-0.5, y_norm=0, w_norm=2, h_norm=1)
            ),
        ),
        (
            '{"prompt":"More sea","model":"ray-3.2","type":"video_reframe","aspect_ratio":"9:16",'
            f'"source":{{"generation_id":"{CLIP}"}},'
            '"video":{"source_position":{"x_norm":-0.5,"y_norm":0.0,"w_norm":2.0,"h_norm":1.0}}}'
        ),
    ),
}


@pytest.mark.parametrize("name", WIRE)
def test_a_request_is_written_without_what_was_not_set(name: str) -> None:
    request, body = WIRE[name]
    assert request.to_json() == body.encode()


def test_a_request_of_every_type_is_written_above() -> None:
    assert {request.type for request, _ in WIRE.values()} == set(get_args(models.Type))


def test_a_file_is_announced_without_what_was_not_set() -> None:
    assert models.CreateFile(mime_type="image/png", size_bytes=7).to_json() == (
        b'{"mime_type":"image/png","size_bytes":7}'
    )
    whole = models.CreateFile(
        mime_type="video/mp4",
        size_bytes=5 * 1024**3,
        filename="boat.mp4",
        purpose="reference",
        expires_at="2030-01-31T12:00:00Z",
    )
    assert whole.to_json() == (
        b'{"mime_type":"video/mp4","size_bytes":5368709120,"filename":"boat.mp4",'
        b'"purpose":"reference","expires_at":"2030-01-31T12:00:00Z"}'
    )


@pytest.mark.parametrize(
    "options",
    [
        {"video": None, "layering": None},
        {"video": {}},
        {"layering": {}},
        {"video": {"edit": {}}},
        {"video": {"edit": {"controls": {}, "strength": None}}},
        {"video": {"edit": {"controls": {"depth": {}, "pose": {"strength": None}}}}},
    ],
)
def test_options_of_which_none_is_set_are_not_sent_at_all(options: dict[str, Any]) -> None:
    bare = {"prompt": "A boat", "model": "ray-3.2", "type": "video"}
    assert models.CreateGeneration.model_validate(bare | options).to_json() == (
        b'{"prompt":"A boat","model":"ray-3.2","type":"video"}'
    )


@pytest.mark.parametrize("share", [-0.01, 1.01, math.nan, math.inf])
def test_a_share_is_from_0_to_1(share: float) -> None:
    for control, member in (
        (models.DepthControl, "blur"),
        (models.NormalsControl, "augmentation"),
        (models.TrajectoryControl, "sparsity"),
    ):
        assert control.model_validate({member: 0}) != control.model_validate({member: 1})
        with pytest.raises(ValidationError):
            control.model_validate({member: share})


INSIDE = {"x_norm": 0, "y_norm": 0, "w_norm": 1, "h_norm": 1}
CORNERS = {"x_norm": -2, "y_norm": 2, "w_norm": 2, "h_norm": 0.001}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *((corner, value) for corner in ("x_norm", "y_norm") for value in (-2.01, 2.01, math.nan)),
        *((side, value) for side in ("w_norm", "h_norm") for value in (-1, 0, 2.01, math.nan)),
    ],
)
def test_a_source_overlaps_its_canvas_within_luma_s_bounds(member: str, value: float) -> None:
    for inside in (INSIDE, CORNERS, CORNERS | {"w_norm": 0.001, "h_norm": 2}):
        models.SourcePosition.model_validate(inside)
    with pytest.raises(ValidationError):
        models.SourcePosition.model_validate(INSIDE | {member: value})


@pytest.mark.parametrize("member", INSIDE)
def test_a_position_is_given_whole_or_not_at_all(member: str) -> None:
    part = {name: value for name, value in INSIDE.items() if name != member}
    with pytest.raises(ValidationError):
        models.SourcePosition.model_validate(part)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": 7},
        {"video": {"fps": 24}},
        {"source": {"data": "aGVsbG8="}},
        {"type": "audio"},
        {"model": "ray-3"},
        {"aspect_ratio": "9:21"},
        {"prompt": None},
    ],
)
def test_a_request_with_a_member_or_value_unknown_to_luma_cannot_be_made(
    wrong: dict[str, Any],
) -> None:
    with pytest.raises(ValidationError):
        models.CreateGeneration.model_validate(
            {"prompt": "A boat", "model": "ray-3.2", "type": "video"} | wrong
        )


# What is known to Luma's SDK, and left out here on purpose: who of a caller's own users asks is
# not ours to tell, and media is never sent within a request.
LEFT_OUT = {
    models.CreateGeneration: {"user_id"},
    models.CreateFile: {"user_id"},
    models.File: {"user_id"},
    models.ImageRef: {"data"},
}
COUNTERPARTS: list[tuple[type[BaseModel], Any]] = [
    (models.ImageRef, sdk.ImageRefParam),
    (models.SourcePosition, sdk.SourcePositionParam),
    (models.DepthControl, sdk.DepthControlParam),
    (models.FaceControl, sdk.FaceControlParam),
    (models.NormalsControl, sdk.NormalsControlParam),
    (models.PoseControl, sdk.PoseControlParam),
    (models.TrajectoryControl, sdk.TrajectoryControlParam),
    (models.Controls, sdk.AdvancedControlsParam),
    (models.VideoEdit, sdk.VideoEditOptionsParam),
    (models.VideoOptions, sdk.VideoOptionsParam),
    (models.Layering, SdkLayering),
    (models.CreateGeneration, sdk.GenerationCreateParams),
    (models.CreateFile, sdk.FileCreateParams),
    (models.Layer, SdkLayer),
    (models.Output, sdk.GenerationOutput),
    (models.Generation, sdk.Generation),
    (models.File, sdk.File),
    (models.PresignedUpload, sdk.PresignedUpload),
    (models.CreatedFile, sdk.CreateFileResponse),
    (models.FileList, sdk.FileList),
]


@pytest.mark.parametrize(("ours", "theirs"), COUNTERPARTS)
def test_a_body_has_the_members_of_luma_s_sdk(ours: type[BaseModel], theirs: Any) -> None:  # noqa: ANN401 - a TypedDict or a model
    assert set(ours.model_fields) == set(theirs.__annotations__) - LEFT_OUT.get(ours, set())


def words_of(hint: object) -> set[object]:
    """Collect the words of a Literal, however it is wrapped."""
    parts = [words_of(part) for part in get_args(hint)]
    return set().union(*parts) if parts else {hint} - {type(None)}


CREATION = get_type_hints(sdk.GenerationCreateParams)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (models.Model, sdk.Model),
        (models.Type, CREATION["type"]),
        (models.AspectRatio, CREATION["aspect_ratio"]),
        (models.Style, CREATION["style"]),
        (models.OutputFormat, CREATION["output_format"]),
        (models.LayerResolution, get_type_hints(SdkLayering)["resolution"]),
        (models.VideoResolution, sdk.VideoResolution),
        (models.VideoDuration, sdk.VideoDuration),
        (models.Strength, sdk.VideoEditStrength),
        (models.PoseStrength, sdk.PoseControlStrength),
        (models.FilePurpose, sdk.FilePurpose),
        (models.FileState, sdk.FileState),
    ],
)
def test_a_choice_has_the_words_of_luma_s_sdk(ours: object, theirs: object) -> None:
    assert words_of(ours) == words_of(theirs)


def job_of(**members: Any) -> Job:  # noqa: ANN401 - whatever Luma may say
    return models.Generation.model_validate(members).to_job()


def test_a_job_has_the_prefix_of_its_api_and_a_small_id() -> None:
    job = job_of(
        id=ID,
        type="video_edit",
        model="ray-3.2",
        state="processing",
        created_at="2026-08-04T00:00:00Z",
        output=[],
        new_member=1,
    )
    assert job == Job(
        api="agents",
        id=f"agents:{ID.lower()}",
        type="video_edit",
        model="ray-3.2",
        state="processing",
        created_at="2026-08-04T00:00:00Z",
    )


@pytest.mark.parametrize("member", models.Generation.model_fields)
def test_any_member_of_a_generation_may_be_null_or_missing(member: str) -> None:
    assert job_of(**{member: None}) == job_of() == Job(api="agents")


@pytest.mark.parametrize(
    "output", [None, [], [{}], [{"type": "video"}], [{"type": "image", "url": ""}]]
)
def test_a_job_without_links_has_no_assets(output: object) -> None:
    assert job_of(output=output).assets is None


@pytest.mark.parametrize("kind", ["video", "image"])
def test_the_first_link_of_a_kind_is_the_result_and_what_follows_is_beside_it(kind: str) -> None:
    output = [
        {"type": "exr", "url": "https://x/1", "bits": 16},
        {"type": kind, "url": None},
        {"type": kind, "url": "https://x/2", "layer": None, "width": 7},
        {"type": kind, "url": "https://x/2", "layer": None, "width": 7},
        {"url": "https://x/3"},
    ]
    assert job_of(output=output).assets == Assets(
        **{kind: "https://x/2"},
        others=(
            {"type": "exr", "url": "https://x/1", "bits": 16},
            {"type": kind, "url": "https://x/2", "width": 7},
            {"type": None, "url": "https://x/3"},
        ),
    )


def test_layers_are_in_the_order_of_their_index_with_all_that_luma_says_of_them() -> None:
    output = [
        {"type": "image", "url": "https://x/a", "layer": {"label": "nowhere"}},
        {
            "type": "image",
            "url": "https://x/b",
            "layer": {"index": 1, "label": "sea", "description": None, "parts": [{"a": None}]},
            "bounds": {"x": 1},
        },
        {"type": "image", "url": "https://x/c", "layer": {"index": 0, "alpha_hint": "soft"}},
        {"type": "video", "url": "https://x/d", "layer": {"index": 1, "url": "https://x/e"}},
        {"type": "image", "url": "https://x/f"},
        {"type": "image", "layer": {"index": -1}},
    ]
    assert job_of(output=output).assets == Assets(
        image="https://x/f",
        layers=(
            {"url": "https://x/c", "index": 0, "alpha_hint": "soft"},
            {
                "url": "https://x/b",
                "index": 1,
                "label": "sea",
                "parts": [{"a": None}],
                "bounds": {"x": 1},
            },
            {"url": "https://x/d", "index": 1},
            {"url": "https://x/a", "label": "nowhere"},
        ),
    )


def test_only_a_failed_job_has_a_failure() -> None:
    said = {"failure_code": "budget_exhausted", "failure_reason": "Insufficient credits."}
    assert job_of(state="completed", **said).failure is None
    failure = job_of(state="failed", **said).failure
    assert failure is not None
    assert (failure.code, failure.reason) == ("insufficient_credits", "Insufficient credits.")


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": 7},
        {"state": ["completed"]},
        {"output": {"url": "https://x"}},
        {"output": [None]},
        {"output": ["https://x"]},
        {"output": [{"url": 1}]},
        {"output": [{"url": "https://x", "layer": {"index": "front"}}]},
    ],
)
def test_a_generation_of_wrong_types_is_no_generation(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        models.Generation.model_validate(wrong)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
TEXT = st.none() | st.text(max_size=5) | st.sampled_from(["video", "image", "failed", "completed"])
LAYER = st.dictionaries(st.text(max_size=5), ANY_JSON, max_size=3).flatmap(
    lambda extra: st.fixed_dictionaries(
        {}, optional={"index": st.none() | st.integers(), "label": TEXT}
    ).map(lambda said: extra | said)
)
OUTPUT = st.fixed_dictionaries(
    {}, optional={"type": TEXT, "url": TEXT, "layer": st.none() | LAYER, "bounds": ANY_JSON}
)
GENERATION = st.fixed_dictionaries(
    {"output": st.none() | st.lists(OUTPUT, max_size=4)},
    optional=dict.fromkeys(set(models.Generation.model_fields) - {"output"}, TEXT),
)


@given(GENERATION)
def test_whatever_is_a_generation_is_a_job_that_keeps_every_link(body: dict[str, Any]) -> None:
    assets = job_of(**body).assets or Assets()
    kept = [assets.video, assets.image, *(each["url"] for each in assets.layers + assets.others)]
    given_links = [output["url"] for output in body["output"] or () if output.get("url")]
    assert sorted(link for link in kept if link) == sorted(given_links)


@pytest.mark.parametrize("member", models.File.model_fields)
def test_any_member_of_a_file_may_be_null_or_missing(member: str) -> None:
    file = models.File.model_validate({member: None, "user_id": "7"})
    assert file.model_dump(exclude_none=True) == {"user_id": "7"}
    assert not file.is_final


@pytest.mark.parametrize("state", get_args(models.FileState))
def test_a_file_is_final_in_every_state_but_pending(state: str) -> None:
    assert models.File(state=state).is_final == (state != "pending")


def test_an_upload_says_where_the_bytes_go() -> None:
    body = {
        "id": FILE,
        "state": "pending",
        "file": {"id": FILE, "state": "pending", "size_bytes": 7, "checksum": "ab"},
        "upload": {
            "url": "https://store.example/x?signature=1",
            "method": "PUT",
            "headers": {"Content-Type": "image/png"},
            "expires_at": "2026-08-04T00:00:00Z",
        },
    }
    created = models.CreatedFile.model_validate(body)
    assert created.model_dump(exclude_unset=True) == body
    assert models.CreatedFile.model_validate({"upload": None, "file": None}).upload is None


def test_a_list_may_lack_everything_but_its_files() -> None:
    assert models.FileList.model_validate({"data": [{}]}).data == [models.File()]
    for wrong in ({}, {"data": None}, {"data": [None]}):
        with pytest.raises(ValidationError):
            models.FileList.model_validate(wrong)
