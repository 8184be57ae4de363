"""The MCP resources: what a client can read without calling a tool."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastmcp.resources import Resource, ResourceTemplate
from mcp.types import Annotations, Role

from luma_mcp.luma import catalogue
from luma_mcp.services import Access, Caller
from luma_mcp.settings import TOOLSETS
from luma_mcp.tools.account import Concepts
from luma_mcp.tools.generations import ABOUT_A_JOB
from luma_mcp.tools.results import Generation

GENERATION = "luma://generations/{id}"
JSON, MARKDOWN = "application/json", "text/markdown"
_HOUR = 3600
_GUIDES = Path(__file__).with_name("guides")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Something to read at an address, or at many of one pattern.

    FastMCP lists it; the reading itself is ours, see `luma_mcp.offers`.

    Attributes:
        listed: What a client is told of it.
        read: Gives its text, to a caller, for what stands in the address.
        toolsets: The groups of tools that it belongs to; with none it is there for everybody.
        fresh_seconds: How long it stays what it is, the same for everybody; 0 if it does not.
    """

    listed: Resource | ResourceTemplate
    read: Callable[..., Awaitable[str]]
    toolsets: tuple[str, ...] = ()
    fresh_seconds: int = 0

    @property
    def address(self) -> str:
        """Its URI, or the pattern of its URIs."""
        if isinstance(self.listed, ResourceTemplate):
            return self.listed.uri_template
        return str(self.listed.uri)

    def match(self, uri: str) -> dict[str, str] | None:
        """Give what stands in a URI, if it leads here."""
        if isinstance(self.listed, ResourceTemplate):
            return self.listed.matches(uri)
        return {} if uri == self.address else None

    def is_on_offer(self, access: Access) -> bool:
        """Tell whether it is on offer to this caller."""
        return not self.toolsets or access.offers(self.toolsets, reads_only=True)

    async def text(self, caller: Caller, **where: str) -> str:
        """Read it.

        Raises:
            LumaMcpError: It is not on offer to this caller, or cannot be read.
        """
        if self.toolsets:
            caller.access.check(self.address, self.toolsets, reads_only=True)
        return await self.read(caller, **where)


def _for(*audience: Role) -> Annotations:
    return Annotations(audience=list(audience))


async def _models(_caller: Caller) -> str:
    return json.dumps(catalogue.describe(), ensure_ascii=False)


@cache
def _guide() -> str:
    return (_GUIDES / "prompting.md").read_text("utf-8")


async def _prompting(_caller: Caller) -> str:
    return _guide()


async def _generation(caller: Caller, id: str) -> str:  # noqa: A002 - as the address names it
    return Generation.of(await caller.look_at(id)).model_dump_json()


async def _concepts(caller: Caller) -> str:
    return Concepts(concepts=await caller.dream_machine.list_concepts()).model_dump_json()


ALL = (
    Reading(
        listed=Resource(
            uri="luma://models",
            name="models",
            title="Luma's models",
            description="What each model can do: its tools, their parameters and values, its "
            "limits and prices.\n\nPrices are Luma's list prices in US dollars, null where none "
            "is known. Reading this costs nothing and asks nobody.",
            mime_type=JSON,
            annotations=_for("assistant"),
        ),
        read=_models,
        fresh_seconds=_HOUR,
    ),
    Reading(
        listed=Resource(
            uri="luma://guide/prompting",
            name="prompting-guide",
            title="How to prompt Luma's models",
            description="How to write prompts for videos and pictures, and how to use "
            "keyframes, extensions, references and edits.\n\nRead it before you write a "
            "prompt. Reading it costs nothing and asks nobody.",
            mime_type=MARKDOWN,
            annotations=_for("user", "assistant"),
        ),
        read=_prompting,
        fresh_seconds=_HOUR,
    ),
    Reading(
        listed=Resource(
            uri="luma://concepts",
            name="concepts",
            title="Camera concepts",
            description="The keys of camera motions and styles that create_generation takes as "
            "concepts, as list_concepts gives them.\n\nAsks Luma's Dream Machine with the "
            "caller's key; costs nothing.",
            mime_type=JSON,
            annotations=_for("assistant"),
        ),
        read=_concepts,
        toolsets=("account",),  # as list_concepts
    ),
    Reading(
        listed=ResourceTemplate(
            uri_template=GENERATION,
            name="generation",
            title="A generation",
            description="The present state of a video or picture and, once it is completed, its "
            "links, as get_generation gives them.\n\nAn id of Luma's Agents API begins with "
            "agents:. Asks Luma with the caller's key; costs nothing.",
            mime_type=JSON,
            parameters={
                "type": "object",
                "properties": {"id": {"type": "string"}},
                "required": ["id"],
            },
            annotations=_for("user", "assistant"),
        ),
        read=_generation,
        toolsets=tuple(name for name in TOOLSETS if name in ABOUT_A_JOB),  # as get_generation
    ),
)
