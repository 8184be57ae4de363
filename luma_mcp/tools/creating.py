"""Tools that create jobs: what one asks for becomes a draft, is priced, and only then is sent."""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial, update_wrapper
from typing import Annotated, Any, Generic, TypeVar, cast

from fastmcp.tools import tool
from pydantic import AfterValidator, Field

from luma_mcp.luma import catalogue
from luma_mcp.luma.agents_models import CreateGeneration, Type
from luma_mcp.luma.agents_rules import check_generation, warnings_of
from luma_mcp.luma.apis import AGENTS, DREAM_MACHINE, Api
from luma_mcp.luma.bodies import Request
from luma_mcp.luma.jobs import Job
from luma_mcp.luma.model_rules import check_use
from luma_mcp.luma.prices import Estimate
from luma_mcp.orders import Bounds, Purchase, digest
from luma_mcp.services import Caller
from luma_mcp.tools.definition import CREATES
from luma_mcp.tools.parameters import WaitSeconds
from luma_mcp.tools.results import Generation
from luma_mcp.tools.showing import shown

MaxCost = Annotated[
    float | None,
    Field(ge=0, description="Refuse, before anything is sent, if it costs more US dollars."),
]
_KEY = re.compile(r"[!-~]{1,128}")


def _key(text: str) -> str:
    if not _KEY.fullmatch(text):
        raise ValueError("must be 1 to 128 visible ASCII characters, without blanks")
    return text


IdempotencyKey = Annotated[
    Annotated[str, AfterValidator(_key)] | None,
    Field(
        json_schema_extra={"pattern": f"^{_KEY.pattern}$"},
        description="A text of your own for this job: repeat the call with the same text and "
        "arguments after a time-out or error, and no second job is made. Another job needs another "
        "text. Kept for 24 hours.",
    ),
]

Body = TypeVar("Body", bound=Request)
# What comes nearest where no model of the other API does the same.
_OTHERWISE = {"edit_image": ("generate_image with modify_image_ref and photon-1",)}
# What changes neither the request nor its price.
COMMON = ("wait_seconds", "max_cost_usd", "idempotency_key")


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
    """A draft with its price, and whose key pays it.

    Attributes:
        told: What the caller asks for, without what says nothing.
        instead: Models of the other API that do the same.
    """

    tool: catalogue.Operation
    draft: Draft[Any]
    estimate: Estimate
    api: Api
    model: str | None
    told: Mapping[str, Any]
    instead: tuple[str, ...]

    async def fill(
        self, caller: Caller, bounds: Bounds, wait_seconds: float, idempotency_key: str | None
    ) -> Generation:
        """Send it unless that was done before, wait for what comes of it, and answer that.

        Raises:
            LumaMcpError: Nothing was made, or the job may exist and the error says so.
        """
        key = caller.key_for(self.api, what=self.model or "This tool", instead=self.instead)
        receipt = await caller.services.orders.fill(
            Purchase(
                payer=key.fingerprint,
                api=self.api,
                product=self.model or self.tool,
                asked=digest(key.fingerprint, self.tool, self.told),
                estimate=self.estimate,
                send=partial(self.draft.place, caller, self.draft.request),
                bounds=bounds,
                idempotency_key=idempotency_key,
            )
        )
        job = await caller.follow(receipt, wait_seconds)
        remarks = (receipt.remark,) if receipt.remark else ()
        answer = await shown(caller, job, self.estimate.usd, (*self.draft.warnings, *remarks))
        answer.replayed = receipt.replayed
        return answer

    async def objection(self, caller: Caller) -> str | None:
        """Say why the bounds of the caller or the operator would refuse it now, if they would."""
        key = caller.access.credentials.key_for(self.api)
        error = await caller.services.orders.objection(
            self.estimate, caller.bounds(), key.fingerprint if key else None
        )
        return f"It would be refused: {error.message}" if error else None


def _api_for(model: str | None) -> Api:
    """Only Dream Machine has operations without a model: they are about clips of its own."""
    return catalogue.api_of(model) if model else DREAM_MACHINE


def _order(
    plan: Callable[..., Draft[Any]],
    model: str | None,
    given: dict[str, Any],
    *,
    is_bounded: bool = False,
) -> Order:
    operation = cast("catalogue.Operation", plan.__name__)  # ty: ignore[missing-attribute]
    given = {name: value for name, value in given.items() if name not in COMMON}
    told = {name: value for name, value in given.items() if _is_told(value)}
    model = given.get("model", model)
    said = {name: value for name, value in told.items() if name != "model"}
    check_use(operation, model, said)
    draft = plan(**given)
    estimate = catalogue.estimate(operation, model, said)
    if is_bounded and estimate.assumes:
        # What was priced is what is ordered, whatever Luma's own defaults are.
        draft = plan(**{**given, **estimate.assumes})
    api = _api_for(model)
    other = DREAM_MACHINE if api is AGENTS else AGENTS
    return Order(
        tool=operation,
        draft=draft,
        estimate=estimate,
        api=api,
        model=model,
        told=told,
        instead=_OTHERWISE.get(operation) or tuple(catalogue.models_for(operation, other.name)),
    )


def _is_told(value: object) -> bool:
    """Tell whether a value asks for anything; models write all parameters out now and then."""
    return value is not None and value is not False and value not in ([], "auto")


def creates(
    *, title: str, toolset: str, stays: int = 0, model: str | None = None
) -> Callable[[Callable[..., Draft[Any]]], Callable[..., Awaitable[Generation]]]:
    """Make a tool of a function that drafts a request from the tool's parameters.

    The tool also takes wait_seconds, max_cost_usd and idempotency_key, and answers the job.

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
            idempotency_key: IdempotencyKey = None,
            **given: Any,  # noqa: ANN401 - as the tool says
        ) -> Generation:
            bounds = caller.bounds(max_cost_usd)
            order = _order(plan, model, given, is_bounded=bounds.matter)
            return await order.fill(caller, bounds, wait_seconds, idempotency_key)

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
