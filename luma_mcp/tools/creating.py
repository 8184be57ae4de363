"""Tools that create jobs: what one asks for becomes a draft, is priced, and only then is sent."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial, update_wrapper
from typing import Annotated, Any, Generic, TypeVar, cast

from fastmcp.tools import tool
from pydantic import Field

from luma_mcp.errors import RefusedByPolicy
from luma_mcp.luma import catalogue
from luma_mcp.luma.agents_models import CreateGeneration, Type
from luma_mcp.luma.agents_rules import check_generation, warnings_of
from luma_mcp.luma.apis import AGENTS, DREAM_MACHINE, Api
from luma_mcp.luma.bodies import Request
from luma_mcp.luma.jobs import Job
from luma_mcp.luma.model_rules import check_use
from luma_mcp.luma.prices import Estimate
from luma_mcp.services import Caller
from luma_mcp.tools.definition import CREATES
from luma_mcp.tools.parameters import WaitSeconds
from luma_mcp.tools.results import Generation
from luma_mcp.tools.showing import shown
from luma_mcp.wording import dollars

MaxCost = Annotated[
    float | None,
    Field(ge=0, description="Refuse, before anything is sent, if it costs more US dollars."),
]

Body = TypeVar("Body", bound=Request)
# What comes nearest where no model of the other API does the same.
_OTHERWISE = {"edit_image": ("generate_image with modify_image_ref and photon-1",)}
COMMON = ("wait_seconds", "max_cost_usd")  # what changes neither the request nor its price


@dataclass(frozen=True)
class Draft(Generic[Body]):
    """A checked request that is not sent yet.

    Attributes:
        request: The body.
        place: Sends it with the caller's key.
        warnings: What the caller should know although Luma may well take it.
    """

    request: Body
    place: Callable[[Caller, Body], Awaitable[Job]]
    warnings: tuple[str, ...] = ()


def to_agents(kind: Type, **members: object) -> Draft[CreateGeneration]:
    """Draft a request to the Agents API, which takes all kinds of jobs in one shape.

    Its members are plain here: what the model does not have of a tool's values was refused by the
    catalogue.

    Raises:
        InvalidRequest: A rule across parameters forbids it.
    """
    request = CreateGeneration.model_validate({"type": kind, **members})
    check_generation(request)
    warnings = tuple(warnings_of(request))
    return Draft(request, lambda caller, body: caller.agents.create(body), warnings)


@dataclass(frozen=True)
class Order:
    """A draft with its price, and whose key pays it."""

    draft: Draft[Any]
    estimate: Estimate
    api: Api
    model: str | None
    instead: tuple[str, ...]

    async def fill(self, caller: Caller, wait_seconds: float) -> Job:
        """Send it, and wait for what comes of it.

        Raises:
            LumaMcpError: Nothing was made, or the job may exist and the error says so.
        """
        caller.key_for(self.api, what=self.model or "This tool", instead=self.instead)
        job = await self.draft.place(caller, self.draft.request)
        return await caller.wait(job, wait_seconds)


def _check_cost(estimate: Estimate, max_cost_usd: float) -> None:
    if estimate.usd is None:
        raise RefusedByPolicy(
            f"The price is not known, so that max_cost_usd cannot be kept. {estimate.basis}",
            advice="Leave max_cost_usd out if the user accepts that, or ask for something that "
            "estimate_cost can price; nothing was sent.",
        )
    if estimate.usd > max_cost_usd:
        raise RefusedByPolicy(
            f"It would cost about {dollars(estimate.usd)}, more than max_cost_usd "
            f"({dollars(max_cost_usd)}). {estimate.basis}",
            advice="Ask the user, or choose a cheaper model, resolution or duration: luma://models "
            "and estimate_cost have the prices; nothing was sent.",
        )


def _api_for(model: str | None) -> Api:
    """Only Dream Machine has operations without a model: they are about clips of its own."""
    return catalogue.api_of(model) if model else DREAM_MACHINE


def _order(
    plan: Callable[..., Draft[Any]],
    model: str | None,
    given: dict[str, Any],
    max_cost_usd: float | None = None,
) -> Order:
    operation = cast("catalogue.Operation", plan.__name__)  # ty: ignore[missing-attribute]
    given = {name: value for name, value in given.items() if name not in COMMON}
    model = given.get("model", model)
    told = {name: value for name, value in given.items() if _is_told(value) and name != "model"}
    check_use(operation, model, told)
    draft = plan(**given)
    estimate = catalogue.estimate(operation, model, told)
    if max_cost_usd is not None:
        _check_cost(estimate, max_cost_usd)
        # What was priced is what is ordered, whatever Luma's own defaults are.
        draft = plan(**{**given, **estimate.assumes})
    api = _api_for(model)
    other = DREAM_MACHINE if api is AGENTS else AGENTS
    return Order(
        draft=draft,
        estimate=estimate,
        api=api,
        model=model,
        instead=_OTHERWISE.get(operation) or tuple(catalogue.models_for(operation, other.name)),
    )


def _is_told(value: object) -> bool:
    """Tell whether a value asks for anything; models write all parameters out now and then."""
    return value is not None and value is not False and value not in ([], "auto")


def creates(
    *, title: str, toolset: str, stays: int = 0, model: str | None = None
) -> Callable[[Callable[..., Draft[Any]]], Callable[..., Awaitable[Generation]]]:
    """Make a tool of a function that drafts a request from the tool's parameters.

    The tool also takes wait_seconds and max_cost_usd, and answers the job.

    Args:
        title: What people see.
        toolset: The group that it belongs to.
        stays: How many seconds a call waits for the result by itself.
        model: The one model, where there is no choice.
    """

    def decorate(plan: Callable[..., Draft[Any]]) -> Callable[..., Awaitable[Generation]]:
        async def create(
            caller: Caller,
            *,
            wait_seconds: WaitSeconds = stays,
            max_cost_usd: MaxCost = None,
            **given: Any,  # noqa: ANN401 - as the tool says
        ) -> Generation:
            order = _order(plan, model, given, max_cost_usd)
            job = await order.fill(caller, wait_seconds)
            return await shown(caller, job, order.estimate.usd, order.draft.warnings)

        signature = _signature_of(create, plan)
        update_wrapper(create, plan)
        create.__signature__ = signature  # ty: ignore[missing-attribute]
        create.order = partial(_order, plan, model)  # ty: ignore[missing-attribute]
        return tool(title=title, tags={toolset}, annotations=CREATES)(create)

    return decorate


def _signature_of(create: Callable[..., Any], plan: Callable[..., Any]) -> inspect.Signature:
    """Give what the tool takes: the plan's parameters, and those that all such tools have."""
    common = inspect.signature(create)
    caller, *others = (one for one in common.parameters.values() if one.kind != one.VAR_KEYWORD)
    own = inspect.signature(plan).parameters.values()
    parameters = [one.replace(kind=one.KEYWORD_ONLY) for one in (*own, *others)]
    return common.replace(parameters=[caller, *parameters])
