"""The tool that says what a job would cost, before anything is sent."""

from functools import cache
from typing import Annotated, Any

from fastmcp.tools import tool
from pydantic import Field

from luma_mcp.luma.catalogue import Operation
from luma_mcp.services import Caller
from luma_mcp.tools import images, videos
from luma_mcp.tools.definition import COMPUTES, LumaTool
from luma_mcp.tools.results import Result
from luma_mcp.wording import dollars


class CostEstimate(Result):
    """What one call of a creating tool would cost."""

    tool: Operation
    model: str | None = Field(description="Null where there is none to choose.")
    estimated_cost_usd: float | None = Field(description="Null if no price is known.")
    basis: str = Field(description="How it was computed, or why it is unknown.")
    assumes: dict[str, str] = Field(
        description="What the figure takes for what was not given; sent too with max_cost_usd."
    )
    warnings: list[str]

    def lines(self) -> list[str]:
        """Say the figure and where it comes from."""
        usd = self.estimated_cost_usd
        with_model = f" with {self.model}" if self.model else ""
        figure = "unknown" if usd is None else f"about {dollars(usd)}"
        return [f"{self.tool}{with_model}: {figure}.", self.basis, *self.warnings]


@cache
def _tool_named(name: Operation) -> LumaTool:
    group = videos if hasattr(videos, name) else images
    return LumaTool.of(getattr(group, name))


@tool(title="Estimate a cost", tags={"account", "videos", "images"}, annotations=COMPUTES)
async def estimate_cost(
    caller: Caller,
    tool: Annotated[Operation, Field(description="The tool that would create the job.")],
    arguments: Annotated[
        dict[str, Any], Field(description="The arguments that it would be called with.")
    ],
) -> CostEstimate:
    """Say what a call of a creating tool would cost, in US dollars, before spending anything.

    Use it before something costly. It checks the arguments as the tool itself would, sends
    nothing and needs no key. estimated_cost_usd is null where no price is known; basis says
    why. For a source video, source_seconds makes a price possible.
    """
    creating = _tool_named(tool)
    given = creating.read(arguments)
    order = creating.function.order(given)  # ty: ignore[missing-attribute] - see `creates`
    objection = await order.objection(caller)
    return CostEstimate(
        tool=tool,
        model=order.model,
        estimated_cost_usd=order.estimate.usd,
        basis=order.estimate.basis,
        assumes=dict(order.estimate.assumes),
        warnings=[*order.draft.warnings, *([objection] if objection else [])],
    )
