"""Arguments of every shape, for every tool."""

from typing import Any

from fastmcp import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luma_mcp.tools import build_tools
from tests.tools.calls import JOB_ID, call, text_of

TOOLS = build_tools()
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | st.sampled_from(["https://example.com/boat.jpg", JOB_ID, "image", "1:1", "ray-2"])
)
NAMES = st.sampled_from(["frame0", "type", "url", "id", "weight", "identity0", "images", "key", ""])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    tool = draw(st.sampled_from(sorted(TOOLS)))
    names = st.sampled_from([*TOOLS[tool].parameters["properties"], "no_such"])
    return tool, draw(st.dictionaries(names, VALUES, max_size=4))


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(calls())
async def test_no_argument_is_a_fault_of_the_server(
    mcp_client: Client, made: tuple[str, dict[str, Any]]
) -> None:
    tool, arguments = made
    result = await call(mcp_client, tool, **arguments)
    code = (result.structured_content or {}).get("code") if result.is_error else "ok"
    assert code in {"ok", "invalid_request", "not_found", "rate_limited"}
    assert "input_value" not in text_of(result)
    assert "pydantic" not in text_of(result)
