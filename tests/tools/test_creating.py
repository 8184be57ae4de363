"""What every creating tool does with every model: what it takes, refuses, prices and sends."""

import json
from functools import cache
from typing import Any, get_args

import pytest

from luma_mcp.errors import InvalidRequest
from luma_mcp.luma import catalogue
from luma_mcp.luma.apis import AGENTS, DREAM_MACHINE
from luma_mcp.tools import build_tools
from luma_mcp.tools.creating import COMMON
from luma_mcp.tools.definition import LumaTool
from tests.conftest import AGENTS_KEY, KEY
from tests.tools.calls import (
    BOTH,
    JOB_ID,
    Json,
    Upstream,
    call,
    client_of,
    data,
    lines_of,
    refusal,
)
from tests.tools.test_waiting import AGENTS_POST, CREATING

FILE_ID = "3f0c01aa-2f0e-4a43-8b43-4a8b9a3f0c02"
URL = "https://example.com/boat"
PICTURE = {"url": URL}
JOB = {"id": JOB_ID, "state": "queued"}
OF_AGENTS = f"agents:{JOB_ID}"
ON_CLIPS = ("upscale_generation", "add_audio")  # done with clips of whatever model: they take none
USES = [
    (tool, model)
    for tool in get_args(catalogue.Operation)
    for model in catalogue.models_for(tool)
    if tool not in ON_CLIPS or model == "ray-2"
]
# One value for each parameter that has no list of them.
SAMPLES: Json = {
    "prompt": "In snow",
    "loop": True,
    "hdr": True,
    "exr_export": True,
    "keyframes": {"frame0": {"type": "image", "url": URL}},
    "indexed_keyframes": [{"url": URL, "index": 0}],
    "concepts": ["dolly_zoom"],
    "callback_url": URL,
    "media_url": URL,
    "generation_id": OF_AGENTS,
    "file_id": FILE_ID,
    "first_frame_url": URL,
    "auto_controls": True,
    "controls": {"face": {"enabled": True}},
    "source_seconds": 5,
    "source_position": {"x_norm": 0, "y_norm": 0, "w_norm": 1, "h_norm": 1},
    "grid_position_x": 0,
    "grid_position_y": 0,
    "x_start": 0,
    "x_end": 1,
    "y_start": 0,
    "y_end": 1,
    "resized_width": 1,
    "resized_height": 1,
    "image_ref": [PICTURE],
    "style_ref": [PICTURE],
    "character_ref": {"identity0": {"images": [URL]}},
    "modify_image_ref": PICTURE,
    "source": PICTURE,
    "web_search": True,
    "negative_prompt": "Gulls",
}
# What a parameter needs beside it, and what it takes the place of.
COMPANIONS: dict[str, Json] = {"exr_export": {"hdr": True}}
ABSENT: dict[str, list[str]] = {
    "generation_id": ["media_url"],
    "file_id": ["media_url"],
    "auto_controls": ["mode"],
}
# Said for the price alone.
NOT_SENT = {"source_seconds", "source_resolution"}


@cache
def tools() -> dict[str, LumaTool]:
    return build_tools()


def parameters(tool: str) -> Json:
    return tools()[tool].parameters["properties"]


def use_of(tool: str, model: str) -> catalogue.Use:
    return catalogue.MODELS[model].uses[tool]  # ty: ignore[invalid-argument-type]


def least(tool: str, model: str) -> Json:
    """What a tool must be told, with this model."""
    arguments = dict(CREATING[tool][0])
    if "model" in parameters(tool):
        arguments["model"] = model
    if (tool, model) == ("modify_video", "ray-3.2"):
        arguments |= {"prompt": "In felt"}
    return arguments


def values_of(tool: str, name: str) -> list[object]:
    """What to give for a parameter: each value of its list, or one."""
    return parameters(tool)[name].get("enum") or [SAMPLES[name]]


def with_one(tool: str, model: str, name: str, value: object) -> Json:
    arguments = least(tool, model) | COMPANIONS.get(name, {}) | {name: value}
    return {one: arguments[one] for one in arguments if one not in ABSENT.get(name, [])}


def drafted(tool: str, arguments: Json) -> Json:
    """The body that a call would send."""
    creating = tools()[tool]
    order: Any = creating.function.order(creating.read(arguments))
    return json.loads(order.draft.request.to_json())


def where(tool: str, model: str) -> str:
    """Where a job is ordered."""
    return AGENTS_POST if catalogue.api_of(model) is AGENTS else CREATING[tool][1]


def upstream_for(tool: str, model: str) -> Upstream:
    return Upstream({where(tool, model): JOB})


@pytest.mark.parametrize("tool", CREATING)
def test_the_models_of_a_tool_are_those_of_the_catalogue(tool: str) -> None:
    announced = parameters(tool).get("model", {}).get("enum")
    able = catalogue.models_for(tool)  # ty: ignore[invalid-argument-type]
    assert announced == able or (announced is None and tool in {"extract_layers", *ON_CLIPS})


@pytest.mark.parametrize("tool", CREATING)
def test_a_tool_has_the_parameters_that_its_models_know_and_no_other(tool: str) -> None:
    uses = [use_of(tool, model) for one, model in USES if one == tool]
    known = {name for use in uses for name in use.parameters}
    assert set(parameters(tool)) == known | set(COMMON) | ({"model"} & set(parameters(tool)))


@pytest.mark.parametrize("tool", CREATING)
def test_a_tool_announces_the_values_that_its_models_have_and_no_other(tool: str) -> None:
    uses = [use_of(tool, model) for one, model in USES if one == tool]
    for name in {name for use in uses for name in use.parameters}:
        lists = [use.parameters[name] for use in uses if name in use.parameters]
        announced = parameters(tool)[name].get("enum")
        if announced is None:
            assert lists == [None] * len(lists), name
        else:
            assert set(announced) == {value for values in lists for value in values or ()}, name


@pytest.mark.parametrize(("tool", "model"), USES)
def test_every_parameter_and_value_that_a_model_knows_is_taken_and_sent(
    tool: str, model: str
) -> None:
    for name, values in use_of(tool, model).parameters.items():
        if name in least(tool, model) or name in NOT_SENT:
            continue
        for value in values or [SAMPLES[name]]:
            whole = with_one(tool, model, name, value)
            without = {one: given for one, given in whole.items() if one != name}
            body = drafted(tool, whole)
            if name in ABSENT:  # it takes the place of something that is needed
                assert body != drafted(tool, least(tool, model)), (name, value)
            else:
                assert body != drafted(tool, without), (name, value)


@pytest.mark.parametrize(("tool", "model"), USES)
async def test_what_a_model_does_not_know_is_refused_with_those_that_do(
    tool: str, model: str
) -> None:
    use, upstream = use_of(tool, model), Upstream()
    foreign = set(parameters(tool)) - set(use.parameters) - {*COMMON, "model"}
    async with client_of(upstream, BOTH) as client:
        for name in sorted(foreign):
            arguments = least(tool, model) | {name: values_of(tool, name)[-1]}
            error = await refusal(client, tool, **arguments)
            able = [
                one for other, one in USES if other == tool and name in use_of(tool, one).parameters
            ]
            assert error["code"] == "invalid_request"
            assert error["message"].startswith(f"{name} is not known to {model}; ")
            assert able
            assert all(one in error["message"] and one in error["advice"] for one in able)
    assert upstream.asked == []


@pytest.mark.parametrize(("tool", "model"), USES)
async def test_a_value_that_a_model_lacks_is_refused_with_those_it_has(
    tool: str, model: str
) -> None:
    upstream = Upstream()
    async with client_of(upstream, BOTH) as client:
        for name, values in use_of(tool, model).parameters.items():
            for value in set(parameters(tool)[name].get("enum", ())) - set(values or ()):
                error = await refusal(client, tool, **(least(tool, model) | {name: value}))
                assert error["code"] == "invalid_request"
                assert error["message"].startswith(f"{model} has no "), (name, value)
                assert all(one in error["advice"] for one in values or ())
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("generate_image", {"model": "uni-1", "prompt": "A boat"}),
        ("create_generation", {"model": "ray-3.2", "prompt": "A boat"}),
        ("create_generation", {"model": "ray-2", "prompt": "A boat"}),
    ],
)
def test_what_asks_for_nothing_is_refused_by_no_model(tool: str, arguments: Json) -> None:
    nothing = {"array": [], "boolean": False}
    foreign = set(parameters(tool)) - set(use_of(tool, arguments["model"]).parameters)
    empty = {
        name: nothing[kind]
        for name in foreign
        if (kind := parameters(tool)[name].get("type")) in nothing
    }
    assert empty
    assert drafted(tool, arguments | empty) == drafted(tool, arguments)


def test_the_style_that_is_so_anyway_is_known_to_every_model() -> None:
    arguments = {"model": "photon-1", "prompt": "A boat"}
    assert drafted("generate_image", arguments | {"style": "auto"}) == drafted(
        "generate_image", arguments
    )


def test_a_zero_that_a_model_does_not_know_is_not_passed_over() -> None:
    arguments = least("reframe_video", "ray-3.2") | {"grid_position_x": 0}
    with pytest.raises(InvalidRequest, match=r"grid_position_x is not known to ray-3\.2"):
        drafted("reframe_video", arguments)


@pytest.mark.parametrize(("tool", "model"), USES)
async def test_a_job_is_ordered_at_the_api_of_its_model_with_the_key_for_it(
    tool: str, model: str
) -> None:
    upstream = upstream_for(tool, model)
    async with client_of(upstream, BOTH) as client:
        job = await data(client, tool, **least(tool, model), wait_seconds=0)
    key = AGENTS_KEY if where(tool, model) == AGENTS_POST else KEY
    assert (upstream.asked, upstream.keys) == ([where(tool, model)], [f"Bearer {key}"])
    assert job["id"] == (OF_AGENTS if where(tool, model) == AGENTS_POST else JOB_ID)
    assert job["api"] == catalogue.api_of(model).name
    assert job["next_step"].count(job["id"]) == 1


PRICED: dict[str, tuple[str, Json, float]] = {
    "ray-2": ("create_generation", {"prompt": "A boat"}, 0.71),
    "ray-3.2": (
        "create_generation",
        {"prompt": "A boat", "model": "ray-3.2", "resolution": "1080p"},
        1.20,
    ),
    "uni-1": ("generate_image", {"prompt": "A boat", "model": "uni-1"}, 0.0404),
    "edit": ("edit_image", {"prompt": "At night", "source": PICTURE}, 0.0434),
    "reframe": (
        "reframe_video",
        {"media_url": URL, "aspect_ratio": "1:1", "model": "ray-3.2", "source_seconds": 2.5},
        0.36,
    ),
}


def any_upstream() -> Upstream:
    return Upstream({post: JOB for _, post, _ in CREATING.values()})


@pytest.mark.parametrize(("tool", "arguments", "usd"), PRICED.values(), ids=PRICED)
async def test_what_costs_no_more_than_max_cost_usd_is_ordered(
    tool: str, arguments: Json, usd: float
) -> None:
    upstream = any_upstream()
    async with client_of(upstream, BOTH) as client:
        job = await data(client, tool, **arguments, max_cost_usd=usd, wait_seconds=0)
    assert job["estimated_cost_usd"] == usd
    assert len(upstream.asked) == 1


@pytest.mark.parametrize(("tool", "arguments", "usd"), PRICED.values(), ids=PRICED)
async def test_what_costs_more_than_max_cost_usd_is_refused_before_anything_is_sent(
    tool: str, arguments: Json, usd: float
) -> None:
    upstream = any_upstream()
    async with client_of(upstream, BOTH) as client:
        error = await refusal(client, tool, **arguments, max_cost_usd=usd - 0.0001)
        free = await refusal(client, tool, **arguments, max_cost_usd=0)
    assert (error["code"], free["code"]) == ("refused_by_policy", "refused_by_policy")
    assert error["message"].startswith(f"It would cost about ${usd:.{2 if usd > 0.1 else 4}f}, ")
    assert "more than max_cost_usd ($0.00)" in free["message"]
    assert error["advice"].endswith("nothing was sent.")
    assert upstream.asked == []


UNPRICED = {
    "web_search": ("generate_image", {"prompt": "x", "model": "uni-1", "web_search": True}),
    "layers": ("extract_layers", CREATING["extract_layers"][0]),
    "360p": ("create_generation", {"prompt": "x", "model": "ray-3.2", "resolution": "360p"}),
    "a source of unknown length": ("reframe_video", CREATING["reframe_video"][0]),
    "upscaling": ("upscale_generation", CREATING["upscale_generation"][0]),
    "sound": ("add_audio", CREATING["add_audio"][0]),
}


@pytest.mark.parametrize(("tool", "arguments"), UNPRICED.values(), ids=UNPRICED)
async def test_what_has_no_known_price_is_refused_with_max_cost_usd_and_ordered_without(
    tool: str, arguments: Json
) -> None:
    upstream = any_upstream()
    async with client_of(upstream, BOTH) as client:
        error = await refusal(client, tool, **arguments, max_cost_usd=1000)
        assert upstream.asked == []
        job = await data(client, tool, **arguments, wait_seconds=0)
    assert error["code"] == "refused_by_policy"
    assert error["message"].startswith("The price is not known, so that max_cost_usd cannot be ")
    assert job["estimated_cost_usd"] is None
    assert len(upstream.asked) == 1


@pytest.mark.parametrize(
    ("given", "pinned"),
    [
        ({}, {"resolution": "720p", "duration": "5s"}),
        ({"resolution": "1080p"}, {"resolution": "1080p", "duration": "5s"}),
        ({"duration": "9s"}, {"resolution": "720p", "duration": "9s"}),
    ],
)
async def test_what_a_price_takes_for_granted_is_ordered_when_the_price_matters(
    given: Json, pinned: Json
) -> None:
    upstream = any_upstream()
    async with client_of(upstream) as client:
        await data(client, "create_generation", prompt="A boat", **given, max_cost_usd=10)
        await data(client, "create_generation", prompt="A boat", **given)
    plain = {"generation_type": "video", "prompt": "A boat", "model": "ray-2"}
    assert [json.loads(body) for body in upstream.bodies] == [plain | pinned, plain | given]


async def test_what_ray_3_2_takes_for_granted_is_ordered_likewise() -> None:
    upstream = any_upstream()
    arguments = {"prompt": "A boat", "model": "ray-3.2", "max_cost_usd": 0.3}
    async with client_of(upstream, BOTH) as client:
        await data(client, "create_generation", **arguments)
    assert json.loads(upstream.bodies[0]) == {
        "type": "video",
        "prompt": "A boat",
        "model": "ray-3.2",
        "video": {"resolution": "720p", "duration": "5s"},
    }


async def test_a_warning_is_shown_with_the_job_that_it_is_about() -> None:
    text = "HDR works only for accounts for which Luma has enabled it."
    arguments = {"prompt": "A boat", "model": "ray-3.2", "hdr": True}
    async with client_of(any_upstream(), BOTH) as client:
        result = await call(client, "create_generation", **arguments)
    assert result.structured_content is not None
    assert result.structured_content["warnings"] == [text]
    assert lines_of(result) == [
        f"Generation {OF_AGENTS}: queued",
        "Prompt: A boat",
        "Estimated cost: about $0.60",
        text,
        result.structured_content["next_step"],
    ]


def test_every_api_has_models_here() -> None:
    assert {catalogue.api_of(model) for _, model in USES} == {DREAM_MACHINE, AGENTS}
