"""The tool that says what a job would cost: the figure of the tool itself, and nothing sent."""

import json

import pytest

from luma_mcp.luma import catalogue
from tests.tools.calls import BOTH, Json, Upstream, call, client_of, data, lines_of, refusal
from tests.tools.test_creating import PRICED, UNPRICED, USES, any_upstream, least, upstream_for
from tests.tools.test_waiting import CREATING

URL = "https://example.com/boat.mp4"


async def estimated(tool: str, arguments: object) -> Json:
    """What is said of one call to a caller without any key; Luma hears of nothing."""
    upstream = Upstream()
    async with client_of(upstream, access=None) as client:
        answer = await data(client, "estimate_cost", tool=tool, arguments=arguments)
    assert upstream.asked == []
    return answer


def test_whatever_creates_can_be_estimated() -> None:
    assert {tool for tool, _ in USES} == set(CREATING)


@pytest.mark.parametrize(("tool", "model"), USES)
async def test_an_estimate_is_the_figure_of_the_tool_itself(tool: str, model: str) -> None:
    upstream, arguments = upstream_for(tool, model), least(tool, model)
    async with client_of(upstream, BOTH) as client:
        said = await data(client, "estimate_cost", tool=tool, arguments=arguments)
        assert upstream.asked == []
        job = await data(client, tool, **arguments, wait_seconds=0)
    assert said["estimated_cost_usd"] == job["estimated_cost_usd"]
    assert said["warnings"] == job["warnings"]
    assert said["tool"] == tool
    assert said["model"] == (None if tool in {"upscale_generation", "add_audio"} else model)
    given = {name: value for name, value in arguments.items() if name != "model"}
    known = catalogue.estimate(tool, model, given)  # ty: ignore[invalid-argument-type]
    assert said["basis"] == known.basis


@pytest.mark.parametrize(("tool", "arguments", "usd"), PRICED.values(), ids=PRICED)
async def test_a_known_price_is_told_with_where_it_comes_from(
    tool: str, arguments: Json, usd: float
) -> None:
    said = await estimated(tool, arguments)
    assert said["estimated_cost_usd"] == usd
    assert said["basis"]


@pytest.mark.parametrize(("tool", "arguments"), UNPRICED.values(), ids=UNPRICED)
async def test_an_unknown_price_says_why_and_gives_no_figure(tool: str, arguments: Json) -> None:
    said = await estimated(tool, arguments)
    assert said["estimated_cost_usd"] is None
    assert said["basis"].startswith(("No price of Luma's is known for ", "It depends on the "))


async def test_an_estimate_is_told_in_lines_that_a_person_can_read() -> None:
    arguments = {"prompt": "A boat", "model": "ray-3.2", "hdr": True}
    async with client_of(Upstream(), access=None) as client:
        known = await call(client, "estimate_cost", tool="create_generation", arguments=arguments)
        unknown = await call(
            client,
            "estimate_cost",
            tool="add_audio",
            arguments=CREATING["add_audio"][0],
        )
    assert lines_of(known) == [
        "create_generation with ray-3.2: about $0.60.",
        "Luma's list price of a clip of 5s HDR at 720p.",
        "HDR works only for accounts for which Luma has enabled it.",
    ]
    assert lines_of(unknown) == [
        "add_audio: unknown.",
        "No price of Luma's is known for adding sound.",
    ]


async def test_what_a_figure_takes_for_granted_is_told() -> None:
    usual = {"resolution": "720p", "duration": "5s"}
    assert (await estimated("create_generation", {"prompt": "A boat"}))["assumes"] == usual
    told = {"prompt": "A boat", "model": "ray-3.2", **usual}
    assert (await estimated("create_generation", told))["assumes"] == {}


async def test_how_long_one_would_wait_and_pay_changes_no_estimate() -> None:
    plain = {"prompt": "A boat"}
    whole = plain | {"wait_seconds": 600, "max_cost_usd": 0}
    assert await estimated("create_generation", whole) == await estimated(
        "create_generation", plain
    )


async def test_what_is_said_of_a_source_makes_its_price_known() -> None:
    source = {"media_url": URL, "mode": "flex_1"}
    unknown = await estimated("modify_video", source)
    known = await estimated(
        "modify_video", source | {"source_seconds": 5, "source_resolution": "720p"}
    )
    assert (unknown["estimated_cost_usd"], known["estimated_cost_usd"]) == (None, 1.75)
    assert "give source_seconds and source_resolution" in unknown["basis"]


WRONG: dict[str, tuple[str, Json]] = {
    "a misspelt name": ("create_generation", {"promt": "A boat"}),
    "a wrong type": ("create_generation", {"prompt": "A boat", "loop": "perhaps"}),
    "nothing": ("edit_image", {}),
    "no such model": ("generate_image", {"prompt": "A boat", "model": "uni-2"}),
    "a parameter of another model": ("create_generation", {"prompt": "A boat", "hdr": True}),
    "a value of another model": ("create_generation", {"prompt": "A boat", "duration": "10s"}),
    "a rule of Dream Machine": ("create_generation", {"prompt": "A"}),
    "a rule of the Agents API": ("create_generation", {"model": "ray-3.2"}),
    "a source of nothing": ("extract_layers", {"source": {}}),
    "a clip of the other API": (
        "add_audio",
        {"generation_id": "agents:123e4567-e89b-12d3-a456-426614174000", "prompt": "Waves"},
    ),
}


@pytest.mark.parametrize(("tool", "arguments"), WRONG.values(), ids=WRONG)
async def test_wrong_arguments_get_the_error_of_the_tool_itself(tool: str, arguments: Json) -> None:
    upstream = Upstream()
    async with client_of(upstream, BOTH) as client:
        of_tool = await refusal(client, tool, **arguments)
        of_estimate = await refusal(client, "estimate_cost", tool=tool, arguments=arguments)
    assert of_tool["code"] == "invalid_request"
    assert of_estimate | {"request_id": None} == of_tool | {"request_id": None}
    assert upstream.asked == []


@pytest.mark.parametrize("tool", ["get_credits", "estimate_cost", "upload_file", ""])
async def test_only_what_creates_can_be_estimated(tool: str) -> None:
    async with client_of(Upstream(), access=None) as client:
        error = await refusal(client, "estimate_cost", tool=tool, arguments={})
    assert error["code"] == "invalid_request"
    assert error["message"].startswith("tool must be one of 'create_generation', ")


async def test_arguments_may_come_as_json_text() -> None:
    arguments = {"prompt": "A boat", "model": "uni-1"}
    assert await estimated("generate_image", json.dumps(arguments)) == await estimated(
        "generate_image", arguments
    )


async def test_estimating_orders_nothing_even_where_it_could() -> None:
    upstream = any_upstream()
    async with client_of(upstream, BOTH) as client:
        for tool, (arguments, *_) in CREATING.items():
            await data(client, "estimate_cost", tool=tool, arguments=arguments)
    assert upstream.asked == []
