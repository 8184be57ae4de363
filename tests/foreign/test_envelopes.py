"""Messages of every shape, near those of both protocol eras and far from them."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.foreign.conftest import ON_A_SOCKET
from tests.foreign.doors import LEGACY, META, Door, message_in, request_of
from tests.foreign.examples import examples
from tests.foreign.strategies import ANYTHING, UNKNOWN_ID, Json, broken, is_plain
from tests.messages import MODERN

KEY = "luma-canary-of-envelopes"
INTERNAL_ERROR, PARSE_ERROR = -32603, -32700
ERAS = st.sampled_from([LEGACY, MODERN])
IDS = st.sampled_from(
    [0, -1, 2**31, 2**53 + 1, 2**63, -(2**64), 10**100, 1.0, 1.5, 1e300, "", "1", "\x00", "\ud800"]
) | st.sampled_from([None, True, [], {}, [1], {"a": 1}, "a" * 10_000, "\u202e", "server-error"])
TOKENS = st.sampled_from([0, "", "a", 1.5, None, True, [], {}, 10**30, "a" * 10_000])
CLIENT = {"name": "test", "version": "1"}
CALLS: list[tuple[str, Json]] = [
    ("initialize", {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}),
    ("ping", {}),
    ("server/discover", {}),
    ("tools/list", {}),
    ("tools/list", {"cursor": "x"}),
    ("tools/call", {"name": "ping", "arguments": {}}),
    ("tools/call", {"name": "ping"}),
    ("tools/call", {"name": "no_such_tool", "arguments": {}}),
    ("tools/call", {"name": "get_generation", "arguments": {"generation_id": UNKNOWN_ID}}),
    ("tools/call", {"name": "wait_for_generation", "arguments": {"generation_id": UNKNOWN_ID}}),
    ("resources/list", {}),
    ("resources/read", {"uri": "file:///etc/passwd"}),
    ("resources/templates/list", {}),
    ("resources/subscribe", {"uri": "file:///etc/passwd"}),
    ("prompts/list", {}),
    ("prompts/get", {"name": "x"}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {}}),
    ("logging/setLevel", {"level": "debug"}),
    ("tasks/get", {"taskId": "1"}),
    ("subscriptions/listen", {}),
    ("sampling/createMessage", {}),
    ("no/such/method", {}),
    ("", {}),
]
NOTICES: list[tuple[str, Json]] = [
    ("notifications/initialized", {}),
    ("notifications/cancelled", {"requestId": 1, "reason": "x"}),
    ("notifications/progress", {"progressToken": 1, "progress": 1}),
    ("notifications/no_such", {}),
]
REPLIES: list[Json] = [
    {"jsonrpc": "2.0", "id": 1, "result": {}},
    {"jsonrpc": "2.0", "id": "1", "error": {"code": 1, "message": "x", "data": None}},
]
NAMES = ("jsonrpc", "id", "method", "params", "_meta", "progressToken", "result", "error", "name")
NAMES += ("arguments", "cursor", *META)


def _without(message: Json, name: str) -> Json:
    return {key: value for key, value in message.items() if key != name}


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, Json]:
    """Draw a request in order, but for its id and its progress token."""
    era, call = draw(ERAS), draw(st.sampled_from(CALLS))
    message = request_of(era, *call)
    if draw(st.booleans()):
        message["id"] = draw(IDS)
    if draw(st.booleans()):
        meta = {**message["params"].get("_meta", {}), "progressToken": draw(TOKENS)}
        message["params"] = {**message["params"], "_meta": meta}
    return era, message


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, Any]:
    """Draw whatever may stand in a body."""
    era = draw(ERAS)
    whole = calls().map(lambda call: call[1]) | st.sampled_from(
        [*(_without(request_of(era, *notice), "id") for notice in NOTICES), *REPLIES]
    )
    batch = st.lists(whole, max_size=3)
    return era, draw(st.one_of(broken(whole, NAMES), broken(whole, NAMES), whole, batch, ANYTHING))


def _is_id(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and is_plain(value)


async def check(door: Door, era: str, message: Any) -> None:  # noqa: ANN401 - any JSON
    answer = await door.say(KEY, era, message)
    if answer.status_code == 202:
        assert not answer.content
        assert "id" not in message or {"result", "error"} & {*message}
        return
    assert answer.status_code in {200, 400, 404}, answer.text
    said = message_in(answer)
    assert said["jsonrpc"] == "2.0"
    code = said.get("error", {}).get("code")
    assert code != INTERNAL_ERROR, answer.text
    if "error" in said:
        assert said["error"]["message"]
    number = message.get("id") if isinstance(message, dict) else None
    echoed = number is not None and (said["id"], type(said["id"])) == (number, type(number))
    asks = isinstance(message, dict) and isinstance(message.get("method"), str) and _is_id(number)
    assert echoed or (said["id"] is None and (code == PARSE_ERROR or not asks)), answer.text


@examples(200)
@given(calls())
async def test_a_request_is_answered_under_its_own_id(door: Door, made: tuple[str, Json]) -> None:
    await check(door, *made)


@example((LEGACY, {"jsonrpc": "2.0", "result": {}}))
@example((LEGACY, {"jsonrpc": "2.0", "id": 1, "error": {}}))
@example((LEGACY, {"jsonrpc": "1.0", "id": "\ud800", "method": "ping"}))
@examples(300)
@given(messages())
async def test_whatever_comes_as_a_message_is_answered_in_order(
    door: Door, made: tuple[str, Any]
) -> None:
    await check(door, *made)


@ON_A_SOCKET
@examples(50)
@given(messages())
async def test_it_is_on_a_socket_too(door: Door, made: tuple[str, Any]) -> None:
    await check(door, *made)
