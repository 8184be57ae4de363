"""Tools about generations, whatever made them."""

from typing import Annotated

from fastmcp.tools import tool
from pydantic import Field

from luma_mcp.luma.ids import checked_id
from luma_mcp.services import Caller
from luma_mcp.tools.definition import DELETES, FOR_PAGES, READS
from luma_mcp.tools.parameters import MAX_WAIT_SECONDS, GenerationId
from luma_mcp.tools.results import Deletion, Generation, GenerationList, Refreshed
from luma_mcp.tools.showing import shown

# Who may create only in one of the groups has to hear of the result all the same.
ABOUT_A_JOB = {"generations", "videos", "images"}
# Below the shortest limit that a client is known to have, with time for the poster.
MAX_NEWS_SECONDS = 30


@tool(title="See a generation", tags=ABOUT_A_JOB, annotations=READS)
async def get_generation(caller: Caller, generation_id: GenerationId) -> Generation:
    """Get the present state of a video or picture and, once it is completed, its links.

    Use it for a look at one generation; to wait for the end of a job use wait_for_generation.
    Show the links to the user, and say that the files should be saved soon: links to results of
    ray-3.2, uni-1 and uni-1-max (agents:…) work for an hour, and this tool gives fresh ones; how
    long the others work is not published.
    """
    return await shown(caller, await caller.look_at(generation_id))


@tool(title="Wait for a generation", tags=ABOUT_A_JOB, annotations=READS)
async def wait_for_generation(
    caller: Caller,
    generation_id: GenerationId,
    timeout_seconds: Annotated[
        int,
        Field(ge=1, le=MAX_WAIT_SECONDS, description="How long to stay; many clients allow 60."),
    ] = 45,
) -> Generation:
    """Wait until a video or picture is done; gives its links, or its state at the time-out.

    Use it after a creating tool. A time-out is no error and does not stop the job: call it again
    while is_final is false. Show the links to the user, and say that the files should be saved
    soon: links to results of agents:… work for an hour, how long the others do is not published.
    """
    return await shown(caller, await caller.wait_for(generation_id, timeout_seconds))


@tool(title="Refresh a page", tags=ABOUT_A_JOB, annotations=READS, meta=FOR_PAGES)
async def refresh_generation(
    caller: Caller,
    *,
    generation_id: GenerationId,
    timeout_seconds: Annotated[
        int, Field(ge=0, le=MAX_NEWS_SECONDS, description="How long to wait for news.")
    ] = 0,
    known_state: Annotated[
        str | None, Field(description="The state shown; another one is news.")
    ] = None,
    with_poster: Annotated[
        bool, Field(description="Whether a small picture is wanted as a data: URI.")
    ] = False,
) -> Refreshed:
    """Give the page that shows a generation its newest state; for this server's own pages alone.

    In a conversation use get_generation or wait_for_generation instead.
    """
    if timeout_seconds:
        job = await caller.wait_for_news(generation_id, known_state, timeout_seconds)
    else:
        job = await caller.look_at(generation_id)
    return Refreshed.of(job).with_poster(await caller.poster_of(job) if with_poster else None)


@tool(title="List generations", tags={"generations"}, annotations=READS)
async def list_generations(
    caller: Caller,
    limit: Annotated[int, Field(ge=1, le=100, description="How many to show.")] = 10,
    offset: Annotated[int, Field(ge=0, description="How many to skip, for paging.")] = 0,
) -> GenerationList:
    """List what was made with the caller's key, a page at a time; Dream Machine only.

    Luma's Agents API (ray-3.2, uni-1, uni-1-max) has no such list. Use it to find an earlier video
    or picture, or to see whether a job exists after an error. When has_more is true, the next page
    starts at next_offset.
    """
    page = await caller.dream_machine.list_generations(limit, offset)
    return GenerationList.of(page, limit, offset)


@tool(title="Delete a generation", tags={"generations"}, annotations=DELETES)
async def delete_generation(caller: Caller, generation_id: GenerationId) -> Deletion:
    """Delete a generation of Dream Machine for good; the Agents API cannot.

    Ask the user before calling it: it cannot be undone.
    """
    bare = checked_id(generation_id)  # first: no key would help with one of the Agents API
    await caller.dream_machine.delete_generation(bare)
    return Deletion(id=generation_id)
