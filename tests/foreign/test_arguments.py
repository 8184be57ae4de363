"""Arguments of every shape, for every tool, from the published schemas and beyond them."""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.foreign.conftest import ON_A_SOCKET
from tests.foreign.doors import LEGACY, Door, fields_in, message_in
from tests.foreign.examples import examples
from tests.foreign.strategies import (
    CLIP,
    FILE,
    NEWER_CLIP,
    PICTURE,
    Json,
    allowed_by,
    broken,
    is_plain,
)
from tests.foreign.upstreams import Watched
from tests.messages import MODERN
from tests.sandbox.pictures import paint

KEY = "luma-canary-of-arguments"
SNAPSHOTS = Path(__file__).parent.parent / "tools" / "snapshots"
TOOLS: dict[str, Json] = {
    path.stem: json.loads(path.read_text()) for path in sorted(SNAPSHOTS.glob("*.json"))
}
ERAS = st.sampled_from([LEGACY, MODERN])


CREATING = {
    name for name, tool in TOOLS.items() if "max_cost_usd" in tool["inputSchema"]["properties"]
}
# What calls can name, and how it is made.
BOAT = {"prompt": "a boat", "wait_seconds": 9}
SMALL_FILE = {"mime_type": "image/png", "data": b64encode(paint("PNG")).decode()}
THINGS: dict[str, tuple[str, Json]] = {
    CLIP: ("create_generation", BOAT),
    NEWER_CLIP: ("create_generation", {**BOAT, "model": "ray-3.2"}),
    PICTURE: ("generate_image", {**BOAT, "model": "uni-1"}),
    FILE: ("upload_file", {**SMALL_FILE, "wait_seconds": 9}),
}
DELETED = {"delete_generation": CLIP, "delete_file": FILE}
NO_MESSAGE = {-32700, -32600, -32602}


@dataclass
class Tools:
    """The tools before a sandbox, with things to name, and what came of the calls."""

    door: Door
    asked: Watched
    ids: dict[str, str] = field(default_factory=dict)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def make(self, thing: str) -> None:
        """Make a thing that calls can name."""
        tool, arguments = THINGS[thing]
        answer = await self.door.call(KEY, LEGACY, tool, arguments)
        made = fields_in(answer, TOOLS[tool]["outputSchema"])
        made = made.get("file", made)
        assert made["state"] in {"completed", "ready"}
        self.ids[thing] = made["id"]

    async def call(self, tool: str, era: str, arguments: Any) -> None:  # noqa: ANN401 - any JSON
        """Call one, and check what has to hold whatever the arguments are."""
        if tool in DELETED:
            await self.make(DELETED[tool])
        self.asked.asked.clear()
        text = json.dumps(arguments)
        for thing, made in self.ids.items():
            text = text.replace(thing, made)
        arguments = json.loads(text)
        answer = await self.door.call(KEY, era, tool, arguments)
        if answer.status_code == 200:
            self._check(tool, fields_in(answer, TOOLS[tool]["outputSchema"]))
            return
        # What is not even read as a message says so, and does nothing.
        assert not is_plain(arguments), answer.text
        assert answer.status_code == 400
        assert message_in(answer)["error"]["code"] in NO_MESSAGE
        assert not self.asked.asked
        self.outcomes[tool, "no message"] += 1

    def _check(self, tool: str, fields: Json) -> None:
        code = fields.get("code", "ok")
        self.outcomes[tool, code] += 1
        statuses = [status for method, _, status in self.asked.asked if method == "POST"]
        if code == "invalid_request":
            assert all(400 <= status < 500 for status in statuses), "refused, and yet made"
        elif code == "ok" and tool != "upload_file":
            assert [status // 100 for status in statuses] == [2] * (tool in CREATING)
        assert len(statuses) <= 1
        assert tool != "estimate_cost" or not self.asked.asked


@pytest.fixture
async def tools(before_sandbox: tuple[Door, Watched]) -> AsyncIterator[Tools]:
    """All tools, most of which have been called afterwards."""
    tools = Tools(*before_sandbox)
    for thing in THINGS:
        await tools.make(thing)
    yield tools
    assert len({tool for tool, _ in tools.outcomes}) > len(TOOLS) // 2


def _allowed(tool: str) -> st.SearchStrategy[Json]:
    if tool != "estimate_cost":
        return allowed_by(TOOLS[tool]["inputSchema"])
    asked = [
        st.fixed_dictionaries({"tool": st.just(creating), "arguments": _allowed(creating)})
        for creating in sorted(CREATING)
    ]
    return st.one_of(asked)


def _beyond(tool: str) -> st.SearchStrategy[Any]:
    names = tuple(TOOLS[tool]["inputSchema"]["properties"])
    return broken(_allowed(tool), names)


def _calls(arguments: Callable[[str], Any]) -> st.SearchStrategy[tuple[str, str, Any]]:
    return st.one_of([st.tuples(st.just(tool), ERAS, arguments(tool)) for tool in TOOLS])


@examples(150)
@given(_calls(_allowed))
async def test_arguments_that_the_schema_allows_are_answered_in_order(
    tools: Tools, made: tuple[str, str, Any]
) -> None:
    await tools.call(*made)


@example(("ping", MODERN, {"\ud800": 1}))
@example(("create_generation", MODERN, {"prompt": "@nested 900@"}))
@example(("create_generation", LEGACY, {"prompt": "@five thousand digits@"}))
@examples(250)
@given(_calls(_beyond))
async def test_arguments_beyond_any_schema_are_answered_in_order(
    tools: Tools, made: tuple[str, str, Any]
) -> None:
    await tools.call(*made)


@ON_A_SOCKET
@examples(100)
@given(_calls(_beyond))
async def test_they_are_on_a_socket_too(tools: Tools, made: tuple[str, str, Any]) -> None:
    await tools.call(*made)
