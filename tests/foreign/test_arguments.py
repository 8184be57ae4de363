"""Arguments of every shape, for every tool, from the published schemas and beyond them."""

import json
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
from tests.foreign.strategies import CLIP, Json, allowed_by, broken, is_plain
from tests.foreign.upstreams import Watched
from tests.messages import MODERN

KEY = "luma-canary-of-arguments"
SNAPSHOTS = Path(__file__).parent.parent / "tools" / "snapshots"
TOOLS: dict[str, Json] = {
    path.stem: json.loads(path.read_text()) for path in sorted(SNAPSHOTS.glob("*.json"))
}
ERAS = st.sampled_from([LEGACY, MODERN])


CREATING = {
    name
    for name, tool in TOOLS.items()
    if not (tool["annotations"]["readOnlyHint"] or tool["annotations"]["destructiveHint"])
}
NO_MESSAGE = {-32700, -32600, -32602}


@dataclass
class Tools:
    """The tools before a sandbox, with a clip to name, and what came of the calls."""

    door: Door
    asked: Watched
    clip: str = ""
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def make_clip(self) -> None:
        """Make the clip that calls can name."""
        first = {"prompt": "a boat", "wait_seconds": 9}
        answer = await self.door.call(KEY, LEGACY, "create_generation", first)
        clip = fields_in(answer, TOOLS["create_generation"]["outputSchema"])
        assert clip["state"] == "completed"
        self.clip = clip["id"]

    async def call(self, tool: str, era: str, arguments: Any) -> None:  # noqa: ANN401 - any JSON
        """Call one, and check what has to hold whatever the arguments are."""
        if tool == "delete_generation":
            await self.make_clip()
        self.asked.asked.clear()
        arguments = json.loads(json.dumps(arguments).replace(CLIP, self.clip))
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
        elif code == "ok":
            assert [status // 100 for status in statuses] == [2] * (tool in CREATING)


@pytest.fixture
async def tools(before_sandbox: tuple[Door, Watched]) -> AsyncIterator[Tools]:
    """All tools, most of which have been called afterwards."""
    tools = Tools(*before_sandbox)
    await tools.make_clip()
    yield tools
    assert len({tool for tool, _ in tools.outcomes}) > len(TOOLS) // 2


def _allowed(tool: str) -> st.SearchStrategy[Json]:
    return allowed_by(TOOLS[tool]["inputSchema"])


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
@examples(50)
@given(_calls(_beyond))
async def test_they_are_on_a_socket_too(tools: Tools, made: tuple[str, str, Any]) -> None:
    await tools.call(*made)
