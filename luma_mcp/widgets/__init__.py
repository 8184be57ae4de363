"""The pages that clients with MCP Apps show beside an answer: a player and a gallery.

Their sources are in `widgets/` at the top of the repository, from which `make widgets` builds the
two files here. The server only hands them out: a page talks to the client that shows it, and loads
nothing but media. The standard is that of MCP Apps, 2026-01-26; ChatGPT's older names for the same
things stand beside it.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fastmcp.resources import ResourceResult, TextResource
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.utilities.mime import UI_MIME_TYPE
from mcp.types import ReadResourceRequestParams

from luma_mcp.tools.definition import LumaTool
from luma_mcp.tools.results import Generation, GenerationList

_HERE = Path(__file__).parent
_ADDRESS = re.compile(r"ui://luma/(?P<name>[a-z]+)-[0-9a-f]{16}\.html")
Read = MiddlewareContext[ReadResourceRequestParams]


@dataclass(frozen=True)
class Widget:
    """A page, and what it may load.

    Attributes:
        name: Its file, without the ending.
        title: What people see.
        description: What a model hears of it.
        invoking: What ChatGPT says while a tool with this page runs.
        invoked: What it says then.
        sources: The origins that it may load media from.
    """

    name: str
    title: str
    description: str
    invoking: str
    invoked: str
    sources: tuple[str, ...]

    @cached_property
    def html(self) -> str:
        """The whole page."""
        return (_HERE / f"{self.name}.html").read_text(encoding="utf-8")

    @cached_property
    def uri(self) -> str:
        """Its address, which changes with it: clients keep what they read, and its policy too."""
        content = "\n".join((self.html, *self.sources))
        digest = hashlib.sha256(content.encode()).hexdigest()[:16]
        return f"ui://luma/{self.name}-{digest}.html"

    def resource(self) -> TextResource:
        """Give what a client reads."""
        return TextResource(
            uri=self.uri,
            name=self.name,
            title=self.title,
            description=self.description,
            mime_type=UI_MIME_TYPE,
            text=self.html,
            meta=self._meta,
        )

    @property
    def _meta(self) -> dict[str, Any]:
        sources = list(self.sources)
        return {
            "ui": {
                "csp": {"resourceDomains": sources},
                "permissions": {"clipboardWrite": {}},
                "prefersBorder": False,
            },
            "openai/widgetCSP": {
                "resource_domains": sources,
                "connect_domains": [],
                # Where "Open" may lead without a warning.
                "redirect_domains": sources,
            },
            "openai/widgetDescription": self.description,
            "openai/widgetPrefersBorder": False,
        }

    def on(self, tool: LumaTool) -> LumaTool:
        """Give the tool with this page beside its answers."""
        meta = {
            **(tool.meta or {}),
            "ui": {**(tool.meta or {}).get("ui", {}), "resourceUri": self.uri},
            "openai/outputTemplate": self.uri,
            "openai/widgetAccessible": tool.reads_only,
            "openai/toolInvocation/invoking": self.invoking,
            "openai/toolInvocation/invoked": self.invoked,
        }
        return tool.model_copy(update={"meta": meta})


def build_widgets(sources: Sequence[str]) -> dict[type, Widget]:
    """Build the pages, by the answers that they show.

    Args:
        sources: The origins that media are loaded from.
    """
    player = Widget(
        name="player",
        title="Video or picture",
        description="Shows the video or picture to the user as soon as it is done, with its state "
        "until then, and buttons for downloading it and going on with it.",
        invoking="Asking Luma…",
        invoked="Luma has answered",
        sources=tuple(sources),
    )
    gallery = Widget(
        name="gallery",
        title="Generations",
        description="Shows the user's videos and pictures as a gallery; each can be opened.",
        invoking="Looking through your generations…",
        invoked="Your generations",
        sources=tuple(sources),
    )
    return {Generation: player, GenerationList: gallery}


class LatestPages(Middleware):
    """Gives the present page to who asks for an earlier one.

    Clients keep the list of tools for days, ChatGPT until somebody refreshes it, and replicas of
    two versions stand side by side during an update.
    """

    def __init__(self, widgets: Mapping[type, Widget]) -> None:
        self._addresses = {widget.name: widget.uri for widget in widgets.values()}

    async def on_read_resource(
        self, context: Read, call_next: CallNext[ReadResourceRequestParams, ResourceResult]
    ) -> ResourceResult:
        """Read it under its own address; the answer bears the one that was asked for."""
        found = _ADDRESS.fullmatch(str(context.message.uri))
        uri = self._addresses.get(found["name"]) if found else None
        if uri is None:
            return await call_next(context)
        message = context.message.model_copy(update={"uri": uri})
        return await call_next(context.copy(message=message))


def with_widgets(
    tools: Mapping[str, LumaTool], widgets: Mapping[type, Widget]
) -> dict[str, LumaTool]:
    """Put each page on the tools whose answers it shows; none may change or spend anything."""
    kept = {name: tool if tool.reads_only else _for_models(tool) for name, tool in tools.items()}
    return {
        name: widgets[tool.answers].on(tool) if tool.answers in widgets else tool
        for name, tool in kept.items()
    }


def _for_models(tool: LumaTool) -> LumaTool:
    """Give the tool as one that pages cannot call: the user hears of it in the conversation."""
    return tool.model_copy(update={"meta": {**(tool.meta or {}), "ui": {"visibility": ["model"]}}})
