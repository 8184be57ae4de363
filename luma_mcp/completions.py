"""What a client may propose while somebody fills in a prompt, or the address of a resource."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Literal, TypeVar

from luma_mcp.errors import TimedOut
from luma_mcp.luma import catalogue
from luma_mcp.luma.jobs import Job
from luma_mcp.prompts import Plan, usual_model
from luma_mcp.services import Caller

MAX_VALUES = 100  # of the protocol, and of a page of Luma's
PATIENCE_SECONDS = 5.0  # somebody is typing

T = TypeVar("T")
Kind = Literal["video", "image"]
# The toolsets of list_generations and list_concepts: who has switched them off is not answered.
_LISTS_IDS, _LISTS_CONCEPTS = ("generations",), ("account",)


async def ids(caller: Caller, kind: Kind | None = None) -> list[str]:
    """Give the ids of the caller's newest generations; the Agents API has no list of them.

    Args:
        caller: Whose they are.
        kind: Only those with such a result; None for all.

    Raises:
        LumaMcpError: Luma does not tell.
    """
    if not caller.access.offers(_LISTS_IDS, reads_only=True):
        return []
    page = await _soon(caller.dream_machine.list_generations(MAX_VALUES, 0))
    return [job.id for job in page.jobs if job.id and (kind is None or _has(job, kind))]


async def values_for(
    plan: type[Plan], argument: str, given: Mapping[str, str], caller: Caller
) -> Sequence[str]:
    """Give what an argument of a plan may be.

    Args:
        plan: Which one.
        argument: What is being filled in.
        given: What has been filled in.
        caller: Who fills it in.

    Raises:
        LumaMcpError: Luma does not tell, or the model that was filled in does not exist.
    """
    if argument == "model":
        return catalogue.models_for(plan.operation)
    if argument == "clip":
        return await ids(caller, "video")
    if argument in {"image", "last_image"}:
        return await ids(caller, "image")
    use = catalogue.use_of(plan.operation, given.get("model") or usual_model(caller))
    if argument == "concept":
        return await _concepts(caller) if "concepts" in use.parameters else ()
    return (use.parameters.get(argument) or ()) if argument in plan.model_fields else ()


def beginning(values: Sequence[str], typed: str) -> list[str]:
    """Keep those that begin with what was typed, however it is capitalised."""
    typed = typed.strip().lower()
    return [value for value in values if value.lower().startswith(typed)][:MAX_VALUES]


async def _concepts(caller: Caller) -> list[str]:
    if not caller.access.offers(_LISTS_CONCEPTS, reads_only=True):
        return []
    return await _soon(caller.dream_machine.list_concepts())


def _has(job: Job, kind: Kind) -> bool:
    return job.assets is not None and getattr(job.assets, kind) is not None


async def _soon(answer: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await answer
    except TimeoutError:
        raise TimedOut("Luma did not answer while somebody was typing.") from None
