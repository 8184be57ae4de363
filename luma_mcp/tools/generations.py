"""Tools about generations, whatever made them."""

from typing import Annotated

from fastmcp.tools import tool
from pydantic import Field

from luma_mcp.services import Caller
from luma_mcp.tools.caller import CURRENT_CALLER
from luma_mcp.tools.definition import DELETES, READS
from luma_mcp.tools.parameters import GenerationId
from luma_mcp.tools.results import Deletion, Generation, GenerationList


@tool(title="See a generation", tags={"generations"}, annotations=READS)
async def get_generation(
    generation_id: GenerationId, caller: Caller = CURRENT_CALLER
) -> Generation:
    """Get the state of a video or picture and, once it is completed, its links.

    Use it after a creating tool, every few seconds until is_final is true. Show the links to the
    user, and say that the files should be saved soon: how long Luma keeps them is not published.
    """
    return Generation.of(await caller.dream_machine.get_generation(generation_id))


@tool(title="List generations", tags={"generations"}, annotations=READS)
async def list_generations(
    limit: Annotated[int, Field(ge=1, le=100, description="How many to show.")] = 10,
    offset: Annotated[int, Field(ge=0, description="How many to skip, for paging.")] = 0,
    caller: Caller = CURRENT_CALLER,
) -> GenerationList:
    """List what was made with the caller's key, a page at a time.

    Use it to find an earlier video or picture, or to see whether a job exists after an error. When
    has_more is true, the next page starts at next_offset.
    """
    page = await caller.dream_machine.list_generations(limit, offset)
    return GenerationList.of(page, limit, offset)


@tool(title="Delete a generation", tags={"generations"}, annotations=DELETES)
async def delete_generation(
    generation_id: GenerationId, caller: Caller = CURRENT_CALLER
) -> Deletion:
    """Delete a generation for good.

    Ask the user before calling it: it cannot be undone.
    """
    await caller.dream_machine.delete_generation(generation_id)
    return Deletion(id=generation_id)
