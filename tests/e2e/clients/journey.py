"""The way that every client goes, and what it tells of it; the standard library is enough."""

from collections.abc import Mapping
from typing import Any, Protocol

WISH = {"prompt": "A paper boat on a quiet lake at dawn", "aspect_ratio": "9:16"}
UNKNOWN = {"generation_id": "123e4567-e89b-12d3-a456-426614174000"}

Json = dict[str, Any]


class Progress:
    """Keeps the messages that a client is told while it waits."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    async def __call__(
        self, _progress: float, _total: float | None, message: str | None, *_context: object
    ) -> None:
        self.messages.append(message or "")


class Traveller(Protocol):
    """A connected client as its users know it."""

    progress: Progress

    async def tools(self) -> Mapping[str, Json]:
        """Give the JSON schema of each tool's parameters."""
        ...

    async def call(self, tool: str, arguments: Json) -> Json:
        """Call a tool that succeeds; gives its structured answer."""
        ...

    async def refusal(self, tool: str, arguments: Json) -> str:
        """Call a tool that fails; gives what the client shows of it."""
        ...


async def travel(client: Traveller) -> Json:
    """Go from a prompt to the finished video, and into one error; gives what was seen."""
    tools = await client.tools()
    made = await client.call("create_generation", WISH)
    patience = {"generation_id": made["id"], "timeout_seconds": 600}
    done = await client.call("wait_for_generation", patience)
    return {
        "tools": tools,
        "states": [made["state"], done["state"]],
        "video": done["assets"]["video"],
        "error_text": await client.refusal("get_generation", UNKNOWN),
        "progress": client.progress.messages,
    }
