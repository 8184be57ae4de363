"""How a function becomes a tool."""

import pytest
from fastmcp.tools import tool

from luma_mcp.tools.account import Pong
from luma_mcp.tools.definition import READS, LumaTool


@tool(title="Greet", tags={"account"}, annotations=READS)
async def greet(
    name: str | None = None, size: int | str | None = None, pair: int | str = 1
) -> Pong:
    """Say hello."""
    return Pong(apis=[], message=f"{name} {size} {pair}")


@tool(title="Shout", tags={"account"})
async def shout() -> Pong:
    """Say hello loudly."""
    return Pong(apis=[], message="HELLO")


def test_an_optional_parameter_is_announced_as_its_plain_type() -> None:
    assert LumaTool.of(greet).parameters["properties"]["name"] == {"type": "string"}


def test_a_choice_of_types_is_announced_as_it_is() -> None:
    properties = LumaTool.of(greet).parameters["properties"]
    choice = [{"type": "integer"}, {"type": "string"}]
    assert properties["pair"] == {"anyOf": choice, "default": 1}
    assert properties["size"] == {"anyOf": [*choice, {"type": "null"}]}


def test_a_tool_knows_its_toolset_and_whether_it_only_reads() -> None:
    assert LumaTool.of(greet).toolsets == ("account",)
    assert LumaTool.of(greet).reads_only
    assert not LumaTool.of(shout).reads_only


async def test_a_decorated_function_stays_a_plain_function() -> None:
    assert await greet("Ann", 2) == Pong(apis=[], message="Ann 2 1")
    assert (await shout()).message == "HELLO"


async def test_a_tool_does_not_run_without_its_caller() -> None:
    with pytest.raises(NotImplementedError, match="greet is answered by"):
        await LumaTool.of(greet).run({})
