"""Bounds of what jobs may cost: the call's, the caller's and the operator's, and those of a day."""

import itertools
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse

from luma_mcp.errors import LumaMcpError, RefusedByPolicy, Unavailable
from luma_mcp.ledger import MemoryLedger
from luma_mcp.luma.prices import Estimate
from luma_mcp.metrics import Metrics
from luma_mcp.orders import Allowance, Bounds
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.services import Access, Caller
from luma_mcp.settings import load_settings
from luma_mcp.tools import build_tools
from luma_mcp.tools.creating import Generation
from luma_mcp.tools.estimates import CostEstimate
from tests.services import open_services_over
from tests.test_orders import (
    OTHER_PAYER,
    PAYER,
    Luma,
    Outcome,
    Shaky,
    at_once,
    orders_over,
    outcome_of,
    purchase_of,
    receipts_in,
    redis_ledgers,
)
from tests.tools.calls import BOTH, Json, Upstream
from tests.tools.test_creating import UNPRICED, any_upstream
from tests.tools.test_waiting import POST

TOOLS = build_tools()
BOAT = {"prompt": "A boat"}  # 0.71 USD with ray-2
BY_DAY = Bounds.of(None, Allowance(), Allowance(daily_budget_usd=2.0))


@asynccontextmanager
async def caller_of(
    upstream: Upstream, allowance: Allowance | None = None, access: Access = BOTH, **options: float
) -> AsyncGenerator[Caller]:
    """Give a caller with such headers on a server with such settings."""
    settings = load_settings(
        dream_machine_url="http://sandbox/dream-machine/v1",
        agents_url="http://sandbox/agents/v1",
        **options,
    )
    async with open_services_over(httpx.ASGITransport(upstream), settings) as services:
        yield Caller(services, replace(access, allowance=allowance or Allowance()))


async def create(caller: Caller, tool: str = "create_generation", **arguments: Any) -> Generation:  # noqa: ANN401 - as the tool says
    answer = await TOOLS[tool].answer(arguments or BOAT, caller)
    assert isinstance(answer, Generation)
    return answer


async def estimated(caller: Caller, tool: str, arguments: Json) -> CostEstimate:
    answer = await TOOLS["estimate_cost"].answer({"tool": tool, "arguments": arguments}, caller)
    assert isinstance(answer, CostEstimate)
    return answer


def limited(metrics: Metrics, limit: str) -> float | None:
    return metrics.registry.get_sample_value("luma_mcp_limits_hit_total", {"limit": limit})


# --- A job -------------------------------------------------------------------------------------

NAMES = ("max_cost_usd", "the header X-Luma-Max-Cost-USD", "this server's limit for a job")


@pytest.mark.parametrize("order", list(itertools.permutations((0.1, 0.2, 0.3))))
async def test_the_lowest_bound_of_all_refuses_and_says_which_it_is(
    order: tuple[float, ...],
) -> None:
    call, header, setting = order
    upstream = any_upstream()
    async with caller_of(upstream, Allowance(header), max_cost_usd=setting) as caller:
        with pytest.raises(RefusedByPolicy) as caught:
            await create(caller, **BOAT, max_cost_usd=call)
    name = NAMES[order.index(0.1)]
    assert f"It would cost about $0.71, more than {name} ($0.10). " in caught.value.message
    assert str(caught.value.advice).endswith("nothing was sent.")
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("allowance", "options"),
    [
        (Allowance(0.71), {}),
        (Allowance(), {"max_cost_usd": 0.71}),
        (Allowance(daily_budget_usd=0.71), {}),
        (Allowance(), {"daily_budget_usd": 0.71}),
    ],
)
async def test_what_is_within_a_bound_is_ordered_as_it_was_priced(
    allowance: Allowance, options: dict[str, float]
) -> None:
    upstream = any_upstream()
    async with caller_of(upstream, allowance, **options) as caller:
        assert (await create(caller)).estimated_cost_usd == 0.71
    (body,) = map(json.loads, upstream.bodies)
    assert (body["resolution"], body["duration"]) == ("720p", "5s")


@pytest.mark.parametrize(("tool", "arguments"), UNPRICED.values(), ids=UNPRICED)
@pytest.mark.parametrize("allowance", [Allowance(1000.0), Allowance(daily_budget_usd=1000.0)])
async def test_what_has_no_known_price_is_refused_where_there_is_a_bound(
    tool: str, arguments: Json, allowance: Allowance
) -> None:
    upstream = any_upstream()
    async with caller_of(upstream, allowance) as caller:
        with pytest.raises(RefusedByPolicy, match="The price is not known, so that the header X-"):
            await create(caller, tool, **arguments)
        said = await estimated(caller, tool, arguments)
    assert upstream.asked == []
    assert said.warnings[-1].startswith("It would be refused: The price is not known, so that ")


# --- A day -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowance", "options", "name"),
    [
        (Allowance(daily_budget_usd=1.5), {}, "the header X-Luma-Daily-Budget-USD"),
        (
            Allowance(daily_budget_usd=9),
            {"daily_budget_usd": 1.5},
            "this server's budget of a day for a key",
        ),
        (
            Allowance(daily_budget_usd=1.5),
            {"daily_budget_usd": 9.0},
            "the header X-Luma-Daily-Budget-USD",
        ),
    ],
)
async def test_when_the_budget_of_a_day_is_used_up_nothing_more_is_sent(
    allowance: Allowance, options: dict[str, float], name: str
) -> None:
    upstream = any_upstream()
    async with caller_of(upstream, allowance, **options) as caller:
        for _ in range(2):
            await create(caller)
        with pytest.raises(RefusedByPolicy) as caught:
            await create(caller)
        said = await estimated(caller, "create_generation", BOAT)
        cheap = await create(caller, "generate_image", prompt="A boat", wait_seconds=0)
        metrics = caller.services.metrics
    assert caught.value.message == (
        f"It would cost about $0.71, and $0.08 is left today of {name} ($1.50)."
    )
    assert "00:00 UTC" in str(caught.value.advice)
    assert said.warnings == [f"It would be refused: {caught.value.message}"]
    assert cheap.estimated_cost_usd == 0.015
    assert len(upstream.asked) == 3
    assert limited(metrics, "daily_budget_usd") == 1


async def test_an_estimate_that_nothing_would_refuse_says_nothing_of_bounds() -> None:
    async with caller_of(Upstream(), Allowance(0.71, 0.71)) as caller:
        assert (await estimated(caller, "create_generation", BOAT)).warnings == []
        keyless = replace(caller, access=Access.by(caller.services.settings))
        assert (await estimated(keyless, "create_generation", BOAT)).warnings == []


async def test_an_estimate_over_the_callers_bound_says_that_it_would_be_refused() -> None:
    async with caller_of(Upstream(), Allowance(0.5)) as caller:
        said = await estimated(caller, "create_generation", BOAT)
    assert said.warnings[0].startswith("It would be refused: It would cost about $0.71, more than")
    assert said.warnings[0] in said.lines()


async def test_each_key_has_a_budget_of_its_own() -> None:
    upstream = any_upstream()
    async with caller_of(upstream, daily_budget_usd=0.71) as caller:
        await create(caller)
        ray_3 = {"prompt": "A boat", "model": "ray-3.2"}
        assert (await create(caller, **ray_3)).estimated_cost_usd == 0.3  # paid by the other key
        with pytest.raises(RefusedByPolicy):
            await create(caller)
    assert len(upstream.asked) == 2


async def test_what_luma_refuses_does_not_count_and_what_is_in_doubt_does() -> None:
    answers = {f"{POST}/video": JSONResponse({"detail": "No"}, 400)}
    upstream = Upstream(answers)
    async with caller_of(upstream, daily_budget_usd=0.71) as caller:
        for status in (402, 429, 500):
            answers[f"{POST}/video"] = JSONResponse({"detail": "No"}, status)
            with pytest.raises(LumaMcpError) as caught:
                await create(caller)
            assert caught.value.code != "refused_by_policy"
        with pytest.raises(RefusedByPolicy, match=r"\$0\.00 is left today"):
            await create(caller)


async def test_a_new_day_begins_at_midnight_utc() -> None:
    clock, luma = TurnedClock(), Luma()
    orders = orders_over(MemoryLedger(), now=clock.now)
    for _ in range(2):
        await orders.fill(purchase_of(luma, key=None, bounds=BY_DAY))
    with pytest.raises(RefusedByPolicy) as caught:
        await orders.fill(purchase_of(luma, key=None, bounds=BY_DAY))
    tomorrow = str(caught.value.advice).partition("wait until ")[2][: len("2026-01-01")]
    clock.advance(24 * 3600)
    assert clock.now().date().isoformat() == tomorrow
    await orders.fill(purchase_of(luma, key=None, bounds=BY_DAY))
    assert len(luma.sent) == 3


@pytest.mark.parametrize(("outcome", "sent"), [("refused", 3), ("unreached", 3), ("doubt", 2)])
async def test_what_was_surely_not_made_is_given_back(outcome: Outcome, sent: int) -> None:
    luma = Luma((outcome, outcome, "made"))
    orders = orders_over(MemoryLedger())
    for key in (None, "a", None):
        await outcome_of(orders.fill(purchase_of(luma, key=key, bounds=BY_DAY)))
    assert len(luma.sent) == sent


async def test_of_many_at_once_in_two_processes_only_so_many_are_sent() -> None:
    async with redis_ledgers(2) as (_, ledgers):
        luma, orders = Luma(), [orders_over(one) for one in ledgers]
        answers = await at_once(
            orders[n % 2].fill(purchase_of(luma, key=str(n), bounds=BY_DAY)) for n in range(20)
        )
        other = purchase_of(luma, bounds=BY_DAY, payer=OTHER_PAYER)
        assert (await orders[0].fill(other)).job.id == "job-3"
    assert len(receipts_in(answers)) == 2
    assert sum(isinstance(answer, RefusedByPolicy) for answer in answers) == 18


async def test_a_replay_is_refused_by_no_bound_and_costs_nothing() -> None:
    luma, orders = Luma(), orders_over(MemoryLedger())
    tight = Bounds.of(0.1, Allowance(), Allowance(daily_budget_usd=0.71))
    await orders.fill(purchase_of(luma, bounds=BY_DAY))
    assert (await orders.fill(purchase_of(luma, bounds=tight))).replayed
    assert await orders.objection(Estimate(1.29, ""), BY_DAY, PAYER) is None
    assert await orders.objection(Estimate(1.30, ""), BY_DAY, PAYER) is not None


@pytest.mark.parametrize("mishaps", [["unheard"], ["answer lost"]])
async def test_a_budget_that_cannot_be_kept_lets_nothing_be_sent(mishaps: list[Any]) -> None:
    luma = Luma()
    orders = orders_over(Shaky(MemoryLedger(), mishaps=["none", *mishaps]))
    with pytest.raises(Unavailable, match="cannot be kept; nothing was sent") as caught:
        await orders.fill(purchase_of(luma, key=None, bounds=BY_DAY))
    assert "ask the operator of this server" in str(caught.value.advice)
    assert luma.sent == []
    assert (await orders.fill(purchase_of(luma, key=None, bounds=BY_DAY))).remark is None


async def test_where_the_ledger_is_away_an_estimate_says_nothing_of_a_day() -> None:
    orders = orders_over(Shaky(MemoryLedger(), mishaps=["unheard"]))
    assert await orders.objection(Estimate(0.71, ""), BY_DAY, PAYER) is None


async def test_a_sum_that_cannot_be_given_back_stays_and_the_error_is_lumas() -> None:
    luma = Luma(("refused", "made"))
    mishaps: list[Any] = ["none", "none", "unheard"]
    orders = orders_over(Shaky(MemoryLedger(), mishaps=mishaps))
    purchase = purchase_of(luma, key=None, bounds=BY_DAY)
    assert str(await outcome_of(orders.fill(purchase))) == "No."
    assert (await orders.fill(purchase)).job.id == "job-2"
    assert isinstance(await outcome_of(orders.fill(purchase)), RefusedByPolicy)


async def test_the_day_counts_what_was_ordered_before_anybody_set_a_budget() -> None:
    luma, orders = Luma(), orders_over(MemoryLedger())
    for bounds in (Bounds(), Bounds.of(5.0, Allowance(), Allowance())):
        await orders.fill(purchase_of(luma, key=None, bounds=bounds))
    with pytest.raises(RefusedByPolicy):
        await orders.fill(purchase_of(luma, key=None, bounds=BY_DAY))


async def test_every_bound_that_refuses_is_counted_and_so_are_jobs_and_replays() -> None:
    async with caller_of(any_upstream(), Allowance(0.5)) as caller:
        for _ in range(3):
            with pytest.raises(RefusedByPolicy):
                await create(caller)
        for _ in range(3):
            await create(
                caller, "generate_image", prompt="A boat", idempotency_key="a", wait_seconds=0
            )
        metrics = caller.services.metrics
    value = metrics.registry.get_sample_value
    assert limited(metrics, "max_cost_usd") == 3
    assert value("luma_mcp_replays_total") == 2
    assert value("luma_mcp_jobs_created_total", {"model": "photon-1"}) == 1
    assert value("luma_mcp_jobs_created_usd_total", {"model": "photon-1"}) == 0.015
