"""How a tool answers a job: with a small picture for clients that cannot show it otherwise."""

from collections.abc import Sequence

from luma_mcp.luma.jobs import Job
from luma_mcp.services import Caller
from luma_mcp.tools.results import Generation, Pictured


async def shown(
    caller: Caller,
    job: Job,
    estimated_cost_usd: float | None = None,
    warnings: Sequence[str] = (),
) -> Generation:
    """Answer a job; a preview of its result comes along where it is of use."""
    generation = Generation.of(job, estimated_cost_usd, warnings)
    preview = await caller.preview_of(job)
    return Pictured.by(generation, preview) if preview else generation
