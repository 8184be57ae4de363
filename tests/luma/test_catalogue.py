"""The table of models: what each can do, and how what it cannot do is refused."""

import json
from typing import get_args

import pytest
from pydantic import BaseModel

from luma_mcp.errors import InvalidRequest
from luma_mcp.luma import agents_models, dream_machine_models
from luma_mcp.luma.apis import AGENTS, DREAM_MACHINE
from luma_mcp.luma.catalogue import (
    MODELS,
    Operation,
    api_of,
    describe,
    estimate,
    models_for,
)
from luma_mcp.luma.model_rules import check_use

OPERATIONS: tuple[Operation, ...] = get_args(Operation)
VIDEO = ["ray-2", "ray-flash-2", "ray-3.2"]
SOURCE = {"source_seconds", "source_resolution"}
# What our tools call otherwise than Luma does, or make something else of.
OUR_WORDS = {"first_frame_url": "first_frame", "media_url": "media"}
LACKING = [
    (operation, model, name)
    for operation in OPERATIONS
    for model in models_for(operation)
    for name in sorted(
        {
            name
            for other in models_for(operation)
            for name in MODELS[other].uses[operation].parameters
        }
        - MODELS[model].uses[operation].parameters.keys()
    )
]
# What only some models know: written down, not read from the table.
KNOWN_TO = {
    ("create_generation", "concepts"): "ray-2 and ray-flash-2 know it",
    ("create_generation", "callback_url"): "ray-2 and ray-flash-2 know it",
    ("create_generation", "hdr"): "ray-3.2 knows it",
    ("create_generation", "exr_export"): "ray-3.2 knows it",
    ("create_generation", "indexed_keyframes"): "ray-3.2 knows it",
    ("modify_video", "callback_url"): "ray-2 and ray-flash-2 know it",
    ("modify_video", "generation_id"): "ray-3.2 knows it",
    ("modify_video", "file_id"): "ray-3.2 knows it",
    ("modify_video", "auto_controls"): "ray-3.2 knows it",
    ("modify_video", "controls"): "ray-3.2 knows it",
    ("modify_video", "indexed_keyframes"): "ray-3.2 knows it",
    ("modify_video", "resolution"): "ray-3.2 knows it",
    ("modify_video", "hdr"): "ray-3.2 knows it",
    ("modify_video", "exr_export"): "ray-3.2 knows it",
    ("reframe_video", "callback_url"): "ray-2 and ray-flash-2 know it",
    ("reframe_video", "first_frame_url"): "ray-2 and ray-flash-2 know it",
    ("reframe_video", "grid_position_x"): "ray-2 and ray-flash-2 know it",
    ("reframe_video", "grid_position_y"): "ray-2 and ray-flash-2 know it",
    ("reframe_video", "x_start"): "ray-2 and ray-flash-2 know it",
    ("reframe_video", "x_end"): "ray-2 and ray-flash-2 know it",
    ("reframe_video", "y_start"): "ray-2 and ray-flash-2 know it",
    ("reframe_video", "y_end"): "ray-2 and ray-flash-2 know it",
    ("reframe_video", "resized_width"): "ray-2 and ray-flash-2 know it",
    ("reframe_video", "resized_height"): "ray-2 and ray-flash-2 know it",
    ("reframe_video", "generation_id"): "ray-3.2 knows it",
    ("reframe_video", "file_id"): "ray-3.2 knows it",
    ("reframe_video", "resolution"): "ray-3.2 knows it",
    ("reframe_video", "source_position"): "ray-3.2 knows it",
    ("generate_image", "callback_url"): "photon-1 and photon-flash-1 know it",
    ("generate_image", "style_ref"): "photon-1 and photon-flash-1 know it",
    ("generate_image", "character_ref"): "photon-1 and photon-flash-1 know it",
    ("generate_image", "modify_image_ref"): "photon-1 and photon-flash-1 know it",
    ("generate_image", "style"): "uni-1 and uni-1-max know it",
    ("generate_image", "web_search"): "uni-1 and uni-1-max know it",
}


def refusal(operation: Operation, model: str | None, **given: object) -> tuple[str, str | None]:
    with pytest.raises(InvalidRequest) as refused:
        check_use(operation, model, given)
    return refused.value.message, refused.value.advice


@pytest.mark.parametrize(
    ("operation", "models"),
    [
        ("create_generation", VIDEO),
        ("modify_video", VIDEO),
        ("reframe_video", VIDEO),
        ("upscale_generation", ["ray-2", "ray-flash-2"]),
        ("add_audio", ["ray-2", "ray-flash-2"]),
        ("generate_image", ["photon-1", "photon-flash-1", "uni-1", "uni-1-max"]),
        ("reframe_image", ["photon-1", "photon-flash-1"]),
        ("edit_image", ["uni-1", "uni-1-max"]),
        ("extract_layers", ["uni-1"]),
    ],
)
def test_an_operation_has_the_models_that_can_do_it(
    operation: Operation, models: list[str]
) -> None:
    assert models_for(operation) == models


def test_the_models_of_an_operation_can_be_those_of_one_api() -> None:
    assert models_for("create_generation", "agents") == ["ray-3.2"]
    assert models_for("create_generation", "dream_machine") == ["ray-2", "ray-flash-2"]
    assert models_for("edit_image", "dream_machine") == []


def test_the_models_are_those_of_the_apis() -> None:
    images = get_args(dream_machine_models.ImageModel), get_args(agents_models.ImageModel)
    videos = get_args(dream_machine_models.VideoModel), get_args(agents_models.VideoModel)
    for api, ours, theirs in zip((DREAM_MACHINE, AGENTS), images, videos, strict=True):
        assert {name for name in MODELS if api_of(name) is api} == {*ours, *theirs}


def test_every_model_bears_the_name_it_is_found_by() -> None:
    assert [model.name for model in MODELS.values()] == list(MODELS)


def test_a_model_that_nobody_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidRequest) as refused:
        api_of("ray-3")
    assert refused.value.message == "There is no such model. Did you mean ray-3.2?"
    assert refused.value.advice == (
        "Choose ray-2, ray-flash-2, ray-3.2, photon-1, photon-flash-1, uni-1 or uni-1-max."
    )


def test_a_model_is_refused_what_it_cannot_do() -> None:
    assert refusal("modify_video", "photon-1") == (
        "photon-1 cannot do modify_video; ray-2, ray-flash-2 and ray-3.2 can do it.",
        "Choose ray-2, ray-flash-2 or ray-3.2.",
    )
    assert refusal("extract_layers", "uni-1-max") == (
        "uni-1-max cannot do extract_layers; uni-1 can do it.",
        "Choose uni-1.",
    )
    with pytest.raises(InvalidRequest):
        estimate("edit_image", "ray-2", {})


def test_only_what_is_done_to_any_clip_needs_no_model() -> None:
    given = dict.fromkeys(("generation_id", "callback_url"), "x")
    check_use("upscale_generation", None, {**given, "resolution": "4k"})
    check_use("add_audio", None, {**given, "prompt": "Waves", "negative_prompt": "Birds"})
    assert refusal("edit_image", None) == (
        "edit_image needs a model; uni-1 and uni-1-max can do it.",
        "Choose uni-1 or uni-1-max.",
    )


def test_every_parameter_that_some_model_lacks_is_written_down_here() -> None:
    assert {(operation, name) for operation, _, name in LACKING} == KNOWN_TO.keys()


@pytest.mark.parametrize(("operation", "model", "name"), LACKING)
def test_a_parameter_that_a_model_does_not_know_is_refused_with_those_that_do(
    operation: Operation, model: str, name: str
) -> None:
    message, advice = refusal(operation, model, **{name: "x"})
    others = KNOWN_TO[operation, name]
    assert message == f"{name} is not known to {model}; {others}."
    choices = others.rpartition(" know")[0].replace(" and ", " or ")
    assert advice == f"Leave {name} out, or choose {choices}."


def test_several_parameters_are_refused_at_once() -> None:
    assert refusal("create_generation", "ray-2", hdr=True, exr_export=True, loop=True) == (
        (
            "hdr is not known to ray-2; ray-3.2 knows it. "
            "exr_export is not known to ray-2; ray-3.2 knows it."
        ),
        "Leave hdr and exr_export out, or choose ray-3.2.",
    )


def test_what_no_model_knows_is_to_be_left_out() -> None:
    assert refusal("edit_image", "uni-1", hdr=True) == (
        "hdr is not known to uni-1.",
        "Leave hdr out.",
    )
    assert refusal("upscale_generation", None, hdr=True)[0] == (
        "hdr is not known to upscale_generation."
    )


@pytest.mark.parametrize(
    ("operation", "model", "name", "value", "others"),
    [
        ("create_generation", "ray-3.2", "aspect_ratio", "9:21", "ray-2 and ray-flash-2 have"),
        ("create_generation", "ray-3.2", "resolution", "4k", "ray-2 and ray-flash-2 have"),
        ("create_generation", "ray-3.2", "duration", "9s", "ray-2 and ray-flash-2 have"),
        ("create_generation", "ray-2", "resolution", "360p", "ray-3.2 has"),
        ("create_generation", "ray-flash-2", "duration", "10s", "ray-3.2 has"),
        ("reframe_video", "ray-3.2", "aspect_ratio", "9:21", "ray-2 and ray-flash-2 have"),
        ("generate_image", "photon-1", "aspect_ratio", "3:1", "uni-1 and uni-1-max have"),
        ("generate_image", "uni-1", "aspect_ratio", "21:9", "photon-1 and photon-flash-1 have"),
    ],
)
def test_a_value_that_a_model_lacks_is_refused_with_the_models_that_have_it(
    operation: Operation, model: str, name: str, value: str, others: str
) -> None:
    message, advice = refusal(operation, model, **{name: value})
    assert message == f"{model} has no {name} {value}; {others} it."
    *first, last = MODELS[model].uses[operation].parameters[name] or ()
    choices = others.rpartition(" ha")[0].replace(" and ", " or ")
    assert advice == f"Take {', '.join(first)} or {last}, or choose {choices}."


def test_a_value_that_no_model_has_is_not_repeated() -> None:
    assert refusal("create_generation", "ray-2", duration="luma-secret") == (
        "ray-2 has no such duration.",
        "Take 5s or 9s.",
    )


@pytest.mark.parametrize("model", models_for("generate_image"))
def test_jpg_and_jpeg_are_words_of_every_image_model(model: str) -> None:
    for word in ("jpg", "jpeg", "png"):
        check_use("generate_image", model, {"format": word})


@pytest.mark.parametrize(
    ("operation", "model", "name", "most"),
    [
        ("generate_image", "photon-1", "image_ref", 4),
        ("generate_image", "uni-1", "image_ref", 9),
        ("edit_image", "uni-1-max", "image_ref", 8),
        ("create_generation", "ray-3.2", "indexed_keyframes", 64),
        ("modify_video", "ray-3.2", "indexed_keyframes", 64),
    ],
)
def test_a_list_may_be_as_long_as_the_model_takes(
    operation: Operation, model: str, name: str, most: int
) -> None:
    check_use(operation, model, {name: ["x"] * most})
    message, _ = refusal(operation, model, **{name: ["x"] * (most + 1)})
    assert f"{most} " in message
    assert message.endswith(f" for {model}; this is {most + 1}.")


@pytest.mark.parametrize(
    ("operation", "model", "most"),
    [
        ("modify_video", "ray-2", 10),
        ("modify_video", "ray-flash-2", 15),
        ("modify_video", "ray-3.2", 18),
        ("reframe_video", "ray-2", 10),
        ("reframe_video", "ray-flash-2", 30),
        ("reframe_video", "ray-3.2", 30),
    ],
)
def test_a_source_may_be_as_long_as_the_model_takes(
    operation: Operation, model: str, most: int
) -> None:
    check_use(operation, model, {"source_seconds": most})
    message, _ = refusal(operation, model, source_seconds=most + 0.5)
    assert message == (
        f"source_seconds may be at most {most} seconds for {model}; this is {most + 0.5}."
    )


def test_who_gives_too_much_is_told_which_models_take_it() -> None:
    assert refusal("generate_image", "photon-1", image_ref=["x"] * 9) == (
        "image_ref may be 4 pictures at most for photon-1; this is 9.",
        "Give less, or choose uni-1 or uni-1-max.",
    )
    assert (
        refusal("modify_video", "ray-2", source_seconds=16)[1]
        == "Cut the source, or choose ray-3.2."
    )
    assert refusal("modify_video", "ray-2", source_seconds=20)[1] == "Cut the source."


def test_what_has_no_length_is_left_to_others() -> None:
    check_use("create_generation", "ray-3.2", {"indexed_keyframes": object()})


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("create_generation", dream_machine_models.CreateVideo),
        ("modify_video", dream_machine_models.ModifyVideo),
        ("reframe_video", dream_machine_models.ReframeVideo),
        ("generate_image", dream_machine_models.CreateImage),
        ("reframe_image", dream_machine_models.ReframeImage),
    ],
)
def test_a_model_of_the_dream_machine_api_knows_all_that_goes_into_its_body(
    operation: Operation, body: type[BaseModel]
) -> None:
    for model in models_for(operation, "dream_machine"):
        known = MODELS[model].uses[operation].parameters.keys() - SOURCE
        sent = {OUR_WORDS.get(name, name) for name in known}
        assert sent == body.model_fields.keys() - {"model", "generation_type"}


def test_the_description_is_the_table() -> None:
    told = json.loads(json.dumps(describe()))
    assert [one["name"] for one in told["models"]] == list(MODELS)
    for one in told["models"]:
        model = MODELS[one["name"]]
        assert one["api"] == model.api.name
        assert one["api"] in told["apis"]
        assert one["uses"].keys() == model.uses.keys()
        for operation, use in model.uses.items():
            assert one["uses"][operation] == {
                "parameters": {
                    name: None if values is None else list(values)
                    for name, values in use.parameters.items()
                },
                "limits": dict(use.limits),
                "price": json.loads(json.dumps(use.price.describe())),
            }


@pytest.mark.parametrize(
    ("model", "operation", "price"),
    [
        (
            "ray-flash-2",
            "create_generation",
            {
                "per": "clip",
                "usd": {
                    "5s": {"540p": 0.14, "720p": 0.24, "1080p": 0.55, "4k": 2.19},
                    "9s": {"540p": 0.25, "720p": 0.43, "1080p": 0.99, "4k": 3.95},
                },
                "ratio": "16:9",
                "assumed": {"resolution": "720p", "duration": "5s"},
                "remarks": {},
            },
        ),
        (
            "ray-3.2",
            "create_generation",
            {
                "per": "clip",
                "usd": {
                    "5s": {"540p": 0.15, "720p": 0.3, "1080p": 1.2},
                    "10s": {"540p": 0.45, "720p": 0.9, "1080p": 3.6},
                    "5s HDR": {"720p": 0.6, "1080p": 2.4},
                    "5s HDR+EXR": {"720p": 0.9, "1080p": 3.6},
                },
                "ratio": None,
                "defaults": {"resolution": "720p", "duration": "5s"},
                "remarks": {},
            },
        ),
        (
            "ray-2",
            "modify_video",
            {"per": "megapixel of all frames", "usd": 0.01582, "frames_per_second": 24},
        ),
        (
            "ray-3.2",
            "modify_video",
            {
                "per": "clip, by the length of its source",
                "usd": {
                    "5s": {"540p": 0.72, "720p": 1.08, "1080p": 2.16},
                    "10s": {"540p": 1.44, "720p": 2.16, "1080p": 4.32},
                },
                "defaults": {"resolution": "720p"},
            },
        ),
        (
            "ray-3.2",
            "reframe_video",
            {
                "per": "started second of the source",
                "usd": {"540p": 0.06, "720p": 0.12, "1080p": 0.36},
                "defaults": {"resolution": "720p"},
            },
        ),
        ("uni-1", "edit_image", {"per": "picture", "usd": 0.0434, "usd_per_reference": 0.003}),
        (
            "uni-1",
            "extract_layers",
            {"per": None, "usd": None, "reason": "No price of Luma's is known for layers."},
        ),
    ],
)
def test_each_kind_of_price_describes_itself(
    model: str, operation: Operation, price: dict[str, object]
) -> None:
    assert MODELS[model].uses[operation].price.describe() == price


def test_the_limits_are_those_that_luma_states() -> None:
    prompts = {
        (name, operation): (use.limits.get("prompt_min"), use.limits["prompt_max"])
        for name, model in MODELS.items()
        for operation, use in model.uses.items()
        if "prompt" in use.parameters
    }
    assert prompts.pop(("uni-1", "extract_layers")) == (None, 500)
    for (name, _operation), bounds in prompts.items():
        assert bounds == ((1, 6000) if api_of(name) is AGENTS else (3, 5000))
    megabytes = {
        (name, operation): size
        for name, model in MODELS.items()
        for operation, use in model.uses.items()
        if (size := use.limits.get("source_megabytes_max"))
    }
    assert megabytes == {
        ("ray-2", "modify_video"): 100,
        ("ray-2", "reframe_video"): 100,
        ("ray-flash-2", "modify_video"): 100,
        ("ray-flash-2", "reframe_video"): 100,
        ("ray-3.2", "modify_video"): 200,
        ("ray-3.2", "reframe_video"): 200,
        ("photon-1", "reframe_image"): 10,
        ("photon-flash-1", "reframe_image"): 10,
    }
