"""Orders of paid jobs: what an idempotency key promises, whoever is first and whatever fails."""

import asyncio
import itertools
import json
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from structlog.testing import capture_logs

from luma_mcp.engine import Engine
from luma_mcp.errors import (
    InvalidRequest,
    LumaMcpError,
    RateLimited,
    RefusedByPolicy,
    TimedOut,
    Unavailable,
    let_go,
)
from luma_mcp.ledger import Ledger, MemoryLedger, RedisLedger
from luma_mcp.limiting import Limits
from luma_mcp.luma.apis import DREAM_MACHINE
from luma_mcp.luma.jobs import Job
from luma_mcp.luma.prices import Estimate
from luma_mcp.luma.sending import Call, may_exist
from luma_mcp.metrics import Metrics
from luma_mcp.orders import (
    KEPT_SECONDS,
    RELEASE_PAUSES_SECONDS,
    Allowance,
    Bounds,
    Orders,
    Purchase,
    Receipt,
    digest,
)
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.watching import Pace
from tests.clocks import HastyClock, settle
from tests.engines import redis_server

PAYER, OTHER_PAYER = "a" * 64, "b" * 64
KEY, PROMPT = "my-first-boat", "A paper boat on a puddle"
SENDING_SECONDS = 30.0
# How a call of Luma can end; the first two surely made nothing, the last never comes back.
Outcome = Literal["refused", "unreached", "made", "doubt", "fault", "killed"]
NOTHING_MADE = ("refused", "unreached")
OUTCOMES: tuple[Outcome, ...] = (*NOTHING_MADE, "made", "doubt", "fault", "killed")
# How a question to the ledger can end: unheard there, with its answer lost, or asked twice.
Mishap = Literal["none", "unheard", "answer lost", "asked twice"]
MISHAPS: tuple[Mishap, ...] = ("none", "unheard", "answer lost", "asked twice")


@dataclass
class Luma:
    """What sending comes to, one call after the other; the last again and again.

    Attributes:
        began: Set when a call has arrived.
        goes_on: While it is not set, calls stay under way.
        on_kill: What happens to who sends when the process is killed.
    """

    outcomes: tuple[Outcome, ...] = ("made",)
    sent: list[Outcome] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    on_kill: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.goes_on.set()

    async def send(self) -> Job:
        outcome = self.outcomes[min(len(self.sent), len(self.outcomes) - 1)]
        self.sent.append(outcome)
        number = len(self.sent)
        self.began.set()
        await asyncio.sleep(0)
        await self.goes_on.wait()
        if outcome == "killed":
            self.on_kill()
            await asyncio.Event().wait()
        if outcome == "fault":
            raise ValueError("a fault of this server")
        if outcome != "made":
            error = _error_of(outcome)
            raise error  # which now holds this frame, and the frame the error
        return Job(api="dream_machine", id=f"job-{number}", state="queued")


def _error_of(outcome: Outcome) -> LumaMcpError:
    if outcome == "refused":
        return InvalidRequest("No.")
    if outcome == "unreached":
        return Unavailable("Luma cannot be reached; nothing was sent.")
    return may_exist(TimedOut("Luma did not answer."), Call("POST", "/"), b"", DREAM_MACHINE)


@dataclass
class Shaky:
    """The way to a ledger: some steps long, and not always open."""

    ledger: Ledger
    steps: Iterable[int] = ()
    mishaps: Iterable[Mishap] = ()

    def __post_init__(self) -> None:
        self._steps = itertools.chain(self.steps, itertools.repeat(0))
        self._mishaps = itertools.chain(self.mishaps, itertools.repeat("none"))

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def ask(*arguments: object) -> object:
            for _ in range(next(self._steps)):
                await asyncio.sleep(0)
            return await self._ask(getattr(self.ledger, name), arguments)

        return ask

    async def _ask(self, question: Callable[..., Awaitable[Any]], arguments: tuple[Any]) -> object:
        mishap = next(self._mishaps)
        if mishap == "unheard":
            raise Unavailable("The ledger is away.")
        answer = await question(*arguments)
        if mishap == "answer lost":
            raise Unavailable("The ledger is away.")
        return await question(*arguments) if mishap == "asked twice" else answer


def orders_over(ledger: Any, clock: HastyClock | None = None, **more: Any) -> Orders:  # noqa: ANN401 - a ledger, or the way to one
    """Give the orders of a process; its clock does not move while somebody does something."""
    pace = Pace(clock or HastyClock(60), spread=lambda: 0.0)
    return Orders(ledger, Limits(), Metrics(), SENDING_SECONDS, pace=pace, **more)


def purchase_of(luma: Luma, asked: str = "a", key: str | None = KEY, **more: Any) -> Purchase:  # noqa: ANN401 - any field
    return Purchase(
        **{
            "payer": PAYER,
            "api": DREAM_MACHINE,
            "product": "ray-2",
            "asked": digest(PAYER, "create_generation", {"prompt": PROMPT, "n": asked}),
            "estimate": Estimate(0.71, "A list price."),
            "send": luma.send,
            "idempotency_key": key,
            **more,
        }
    )


async def outcome_of(work: Awaitable[Receipt]) -> Receipt | Exception:
    try:
        return await work
    except (LumaMcpError, ValueError) as error:
        return error


async def at_once(work: Iterable[Awaitable[Receipt]]) -> list[Receipt | Exception]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(outcome_of(one)) for one in work]
    return [task.result() for task in tasks]


def receipts_in(answers: Iterable[Receipt | Exception]) -> list[Receipt]:
    return [answer for answer in answers if isinstance(answer, Receipt)]


# --- The same call again -----------------------------------------------------------------------


async def test_the_same_call_with_the_same_key_is_answered_with_the_same_job() -> None:
    luma, orders = Luma(), orders_over(MemoryLedger())
    first, second = [await orders.fill(purchase_of(luma)) for _ in range(2)]
    assert (first.job.id, first.job.state, first.replayed) == ("job-1", "queued", False)
    assert (second.job.id, second.job.state, second.replayed) == ("job-1", None, True)
    assert luma.sent == ["made"]


async def test_the_same_key_with_another_call_is_refused_with_the_job_that_it_made() -> None:
    luma, orders = Luma(), orders_over(MemoryLedger())
    await orders.fill(purchase_of(luma))
    with pytest.raises(InvalidRequest, match="used for another call, which made job-1") as caught:
        await orders.fill(purchase_of(luma, "b"))
    assert caught.value.generation_id == "job-1"
    assert luma.sent == ["made"]


async def test_another_call_with_a_key_that_is_being_used_is_refused_at_once() -> None:
    luma, orders = Luma(), orders_over(MemoryLedger())
    luma.goes_on.clear()
    first = asyncio.create_task(orders.fill(purchase_of(luma)))
    await luma.began.wait()
    with pytest.raises(InvalidRequest, match=r"used for another call\.") as caught:
        await orders.fill(purchase_of(luma, "b"))
    assert caught.value.generation_id is None
    luma.goes_on.set()
    assert (await first).job.id == "job-1"


async def test_the_same_key_of_two_payers_never_meets() -> None:
    luma, orders = Luma(), orders_over(MemoryLedger())
    for payer in (PAYER, OTHER_PAYER):
        receipt = await orders.fill(purchase_of(luma, payer=payer))
        assert not receipt.replayed
    assert luma.sent == ["made", "made"]


async def test_a_key_is_forgotten_after_a_day() -> None:
    clock = TurnedClock()
    luma = Luma()
    orders = orders_over(MemoryLedger(now=lambda: clock.now().timestamp()))
    await orders.fill(purchase_of(luma))
    clock.advance(KEPT_SECONDS - 1)
    assert (await orders.fill(purchase_of(luma))).replayed
    clock.advance(1)
    assert not (await orders.fill(purchase_of(luma))).replayed


# --- At once -----------------------------------------------------------------------------------


@pytest.mark.parametrize("replicas", [1, 2, 5])
async def test_of_many_at_once_one_sends_and_all_hear_of_the_same_job(replicas: int) -> None:
    luma, ledger = Luma(), MemoryLedger()
    orders = [orders_over(ledger) for _ in range(replicas)]
    answers = await at_once(orders[n % replicas].fill(purchase_of(luma)) for n in range(50))
    assert {answer.job.id for answer in receipts_in(answers)} == {"job-1"}
    assert sorted(answer.replayed for answer in receipts_in(answers)) == [False] + [True] * 49
    assert luma.sent == ["made"]


async def test_who_waited_for_a_call_that_made_nothing_hears_the_same_and_the_key_is_free() -> None:
    luma, orders = Luma(("refused", "made")), orders_over(MemoryLedger())
    answers = await at_once(orders.fill(purchase_of(luma)) for _ in range(20))
    assert [str(answer) for answer in answers] == ["No."] * 20
    assert len({id(answer) for answer in answers}) == 20  # each is told, and let go, by itself
    assert luma.sent == ["refused"]
    assert (await orders.fill(purchase_of(luma))).job.id == "job-2"


async def test_when_nothing_was_made_one_of_those_who_wait_in_another_process_sends() -> None:
    luma, ledger = Luma(("unreached", "made")), MemoryLedger()
    one, other = orders_over(ledger), orders_over(ledger)
    luma.goes_on.clear()
    first = asyncio.create_task(outcome_of(one.fill(purchase_of(luma))))
    await luma.began.wait()
    waiting = [asyncio.create_task(other.fill(purchase_of(luma))) for _ in range(5)]
    await settle()
    luma.goes_on.set()
    assert isinstance(await first, Unavailable)
    answers = [await task for task in waiting]
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 4
    assert luma.sent == ["unreached", "made"]


async def test_a_bound_of_ones_own_keeps_nobody_else_from_the_job() -> None:
    luma, orders = Luma(), orders_over(MemoryLedger())
    bounds = [Bounds.of(usd, Allowance(), Allowance()) for usd in (0.1, None, 0.1, 5.0)]
    answers = await at_once(orders.fill(purchase_of(luma, bounds=one)) for one in bounds)
    assert isinstance(answers[0], RefusedByPolicy)
    # Once the job is there, a replay costs nothing and is refused by no bound.
    assert {answer.job.id for answer in receipts_in(answers[1:])} == {"job-1"}
    assert luma.sent == ["made"]


# --- In doubt ----------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["doubt", "fault"])
async def test_a_key_in_doubt_never_sends_again_and_says_so(outcome: Outcome) -> None:
    luma, orders = Luma((outcome, "made")), orders_over(MemoryLedger())
    await outcome_of(orders.fill(purchase_of(luma)))
    with pytest.raises(Unavailable, match="this one sent nothing") as caught:
        await orders.fill(purchase_of(luma))
    assert caught.value.advice is not None
    assert caught.value.advice.startswith(DREAM_MACHINE.may_exist)
    assert "one with a new key makes a new job" in caught.value.advice
    assert not caught.value.retryable
    assert luma.sent == [outcome]
    assert (await orders.fill(purchase_of(luma, key="another"))).job.id == "job-2"


async def test_a_fault_of_ours_is_a_doubt_to_all_who_waited() -> None:
    luma, orders = Luma(("fault",)), orders_over(MemoryLedger())
    first, *others = await at_once(orders.fill(purchase_of(luma)) for _ in range(5))
    assert isinstance(first, ValueError)
    assert {type(answer) for answer in others} == {Unavailable}
    assert luma.sent == ["fault"]


async def test_the_first_to_be_in_doubt_hears_what_a_further_call_would_do() -> None:
    orders = orders_over(MemoryLedger())
    with pytest.raises(TimedOut) as caught:
        await orders.fill(purchase_of(Luma(("doubt",))))
    assert caught.value.advice is not None
    assert caught.value.advice.startswith(f"{DREAM_MACHINE.may_exist} A further call with this")


async def test_an_id_that_came_with_the_doubt_is_told_again() -> None:
    async def send() -> Job:
        body = b'{"id": "123e4567-e89b-12d3-a456-426614174000", "state": '
        raise may_exist(TimedOut("Late."), Call("POST", "/"), body, DREAM_MACHINE)

    orders = orders_over(MemoryLedger())
    for _ in range(2):
        with pytest.raises(LumaMcpError) as caught:
            await orders.fill(replace(purchase_of(Luma()), send=send))
        assert caught.value.generation_id == "123e4567-e89b-12d3-a456-426614174000"


async def test_a_claim_whose_process_died_is_in_doubt_after_the_longest_time_of_a_call() -> None:
    luma, ledger = Luma(("killed",)), MemoryLedger()
    dying, other = orders_over(ledger), orders_over(ledger)
    first = asyncio.create_task(dying.fill(purchase_of(luma)))
    await luma.began.wait()
    answers = await at_once(other.fill(purchase_of(luma)) for _ in range(10))
    assert all(str(answer).startswith("An earlier call with this") for answer in answers)
    clock = HastyClock()
    late = orders_over(ledger, clock=clock)
    with pytest.raises(Unavailable, match="this one sent nothing"):
        await late.fill(purchase_of(luma))
    assert clock.time() == 0  # who comes later does not wait any more
    assert luma.sent == ["killed"]
    first.cancel()
    await _kill(dying)


async def test_an_outcome_that_comes_after_all_bounds_is_still_written_down() -> None:
    luma, ledger = Luma(), MemoryLedger()
    slow, other = orders_over(ledger), orders_over(ledger)
    luma.goes_on.clear()
    first = asyncio.create_task(slow.fill(purchase_of(luma)))
    await luma.began.wait()
    with pytest.raises(Unavailable, match="this one sent nothing"):
        await other.fill(purchase_of(luma))
    luma.goes_on.set()
    assert (await first).job.id == "job-1"
    assert (await other.fill(purchase_of(luma))).job.id == "job-1"


# --- Without the ledger ------------------------------------------------------------------------


async def test_without_the_ledger_a_call_with_a_key_is_refused_and_one_without_goes_on() -> None:
    luma, orders = Luma(), orders_over(Shaky(MemoryLedger(), mishaps=["unheard"] * 3))
    with pytest.raises(Unavailable, match="this call sent nothing") as caught:
        await orders.fill(purchase_of(luma))
    assert caught.value.retryable
    assert "leave out idempotency_key" in str(caught.value.advice)
    receipt = await orders.fill(purchase_of(luma, key=None))
    assert (receipt.job.id, receipt.remark) == ("job-1", None)


async def test_a_claim_whose_answer_was_lost_is_known_again_by_who_made_it() -> None:
    luma, orders = Luma(), orders_over(Shaky(MemoryLedger(), mishaps=["answer lost"]))
    with pytest.raises(Unavailable):
        await orders.fill(purchase_of(luma))
    assert (await orders.fill(purchase_of(luma))).job.id == "job-1"


@pytest.mark.parametrize("away", [1, 4, 7])
async def test_a_claim_is_taken_back_as_soon_as_the_ledger_can_be_reached_again(away: int) -> None:
    clock, ledger, luma = HastyClock(60), MemoryLedger(), Luma(("refused", "made"))
    mishaps = ["none", "none", "none", *["unheard"] * away]  # claim, sum and giving back go well
    orders = orders_over(Shaky(ledger, mishaps=mishaps), clock)
    with pytest.raises(InvalidRequest):
        await orders.fill(purchase_of(luma))
    other = orders_over(ledger, clock)
    while not isinstance(again := await outcome_of(other.fill(purchase_of(luma))), Receipt):
        assert clock.time() < sum(RELEASE_PAUSES_SECONDS) + 60
        await asyncio.sleep(0)
    assert again.job.id == "job-2"
    assert luma.sent == ["refused", "made"]
    await orders.finish()


async def test_claims_that_are_still_to_be_taken_back_do_not_keep_the_process() -> None:
    luma, orders = Luma(), orders_over(Shaky(MemoryLedger(), mishaps=["unheard"] * 1_000))
    with pytest.raises(Unavailable):
        await orders.fill(purchase_of(luma))
    await orders.finish()


@pytest.mark.parametrize("outcome", ["made", "doubt", "refused"])
async def test_what_is_asked_twice_of_the_ledger_is_done_once(outcome: Outcome) -> None:
    shaky = Shaky(MemoryLedger(), mishaps=["asked twice"] * 20)
    luma, orders = Luma((outcome, "made")), orders_over(shaky)
    await outcome_of(orders.fill(purchase_of(luma)))
    again = await outcome_of(orders.fill(purchase_of(luma)))
    assert luma.sent == ([outcome, "made"] if outcome == "refused" else [outcome])
    assert isinstance(again, Unavailable if outcome == "doubt" else Receipt)


async def test_a_job_whose_outcome_cannot_be_written_is_answered_and_never_made_again() -> None:
    ledger = MemoryLedger()
    luma, orders = Luma(), orders_over(Shaky(ledger, mishaps=["none", *["unheard"] * 5]))
    with capture_logs() as logs:
        assert (await orders.fill(purchase_of(luma))).job.id == "job-1"
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("order not written down", "error")
    assert line["generation_id"] == "job-1"
    with pytest.raises(Unavailable, match="this one sent nothing"):
        await orders_over(ledger).fill(purchase_of(luma))
    assert luma.sent == ["made"]


async def test_an_outcome_is_written_even_if_the_ledger_lost_the_claim_meanwhile() -> None:
    ledger = MemoryLedger(max_names=1)
    luma, orders = Luma(), orders_over(ledger)
    luma.goes_on.clear()
    first = asyncio.create_task(orders.fill(purchase_of(luma)))
    await luma.began.wait()
    await ledger.keep("something else", "text", 60)
    luma.goes_on.set()
    await first
    assert (await orders.fill(purchase_of(luma))).replayed


# --- Who leaves --------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["made", "doubt"])
async def test_an_order_whose_caller_leaves_is_seen_through_and_written_down(
    outcome: Outcome,
) -> None:
    luma, orders = Luma((outcome,)), orders_over(MemoryLedger())
    luma.goes_on.clear()
    leaving = asyncio.create_task(orders.fill(purchase_of(luma)))
    await luma.began.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    with capture_logs() as logs:
        luma.goes_on.set()
        await orders.finish()
    (line,) = logs
    assert line["event"] == "left"
    assert line["generation_id"] == ("job-1" if outcome == "made" else None)
    again = await outcome_of(orders.fill(purchase_of(luma)))
    assert isinstance(again, Receipt if outcome == "made" else Unavailable)
    assert luma.sent == [outcome]


async def test_who_waits_for_another_and_leaves_leaves_nothing_behind() -> None:
    luma, orders = Luma(), orders_over(MemoryLedger())
    luma.goes_on.clear()
    first = asyncio.create_task(orders.fill(purchase_of(luma)))
    await luma.began.wait()
    second = asyncio.create_task(orders.fill(purchase_of(luma)))
    await settle()
    second.cancel()
    with pytest.raises(asyncio.CancelledError), capture_logs() as logs:
        await second
    luma.goes_on.set()
    assert (await first).job.id == "job-1"
    assert logs == []


async def test_who_leaves_before_anything_is_sent_for_a_call_that_was_made_leaves_no_trace() -> (
    None
):
    luma = Luma()
    orders = orders_over(Shaky(MemoryLedger(), steps=[0, 0, 9]))
    await orders.fill(purchase_of(luma))
    leaving = asyncio.create_task(orders.fill(purchase_of(luma)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    leaving.cancel()
    with capture_logs() as logs:
        await orders.finish()
    assert leaving.cancelled()
    assert logs == []


class Secret:
    """What stands for a caller's key."""


@pytest.mark.parametrize("outcome", ["made", "refused", "doubt", "fault"])
@pytest.mark.parametrize("leaves", [True, False])
async def test_nothing_of_a_caller_is_kept_once_an_order_is_done(
    outcome: Outcome, *, leaves: bool
) -> None:
    luma, orders = Luma((outcome,)), orders_over(MemoryLedger())
    secrets: list[weakref.ref[Secret]] = []

    async def order() -> None:
        secret = Secret()
        secrets.append(weakref.ref(secret))

        async def send() -> Job:
            assert secret
            return await luma.send()

        try:
            await orders.fill(replace(purchase_of(luma), send=send))
        except (LumaMcpError, ValueError) as error:
            let_go(error)  # as whoever answers it does

    luma.goes_on.clear()
    ordering = asyncio.create_task(order())
    await luma.began.wait()
    with capture_logs():
        if leaves:
            ordering.cancel()
        luma.goes_on.set()
        await asyncio.wait({ordering})
        await orders.finish()
        await settle()
    del ordering
    assert [secret() for secret in secrets] == [None]  # without the garbage collector


# --- Remarks -----------------------------------------------------------------------------------


async def test_the_same_call_without_a_key_within_two_minutes_is_made_with_a_remark() -> None:
    clock = TurnedClock()
    luma = Luma()
    orders = orders_over(MemoryLedger(now=lambda: clock.now().timestamp()))
    first = await orders.fill(purchase_of(luma, key=None))
    clock.advance(119)
    second = await orders.fill(purchase_of(luma, key=None))
    clock.advance(119)
    third = await orders.fill(purchase_of(luma, key=None))
    clock.advance(120)
    late = await orders.fill(purchase_of(luma, key=None))
    assert (first.remark, late.remark) == (None, None)
    assert second.remark == (
        "The same call came less than two minutes ago and made job-1; this one made another job. "
        "With an idempotency_key it would not have."
    )
    assert third.remark is not None
    assert "job-2" in third.remark
    assert [one.job.id for one in (first, second, third, late)] == [f"job-{n}" for n in range(1, 5)]


async def test_of_the_same_calls_at_once_all_but_one_are_remarked_upon() -> None:
    luma, orders = Luma(), orders_over(MemoryLedger())
    answers = await at_once(orders.fill(purchase_of(luma, key=None)) for _ in range(5))
    assert [bool(answer.remark) for answer in receipts_in(answers)] == [False, *[True] * 4]
    assert len(luma.sent) == 5


async def test_nothing_is_remarked_after_a_call_that_made_nothing_or_of_another_payer() -> None:
    luma, orders = Luma(("refused", "made")), orders_over(MemoryLedger())
    await outcome_of(orders.fill(purchase_of(luma, key=None)))
    for purchase in (
        purchase_of(luma, key=None),
        purchase_of(luma, "b", key=None),
        purchase_of(luma, key=None, payer=OTHER_PAYER),
        purchase_of(luma),
    ):
        assert (await orders.fill(purchase)).remark is None


# --- What is kept ------------------------------------------------------------------------------


@asynccontextmanager
async def redis_ledgers(number: int) -> AsyncGenerator[tuple[str, list[RedisLedger]]]:
    async with redis_server() as url:
        engines = [Engine(url) for _ in range(number)]
        try:
            yield url, [RedisLedger(engine) for engine in engines]
        finally:
            for engine in engines:
                await engine.close()


async def test_two_processes_with_one_redis_send_once() -> None:
    async with redis_ledgers(2) as (_, ledgers):
        luma = Luma()
        orders = [Orders(one, Limits(), Metrics(), SENDING_SECONDS) for one in ledgers]
        answers = await at_once(orders[n % 2].fill(purchase_of(luma)) for n in range(50))
    assert {answer.job.id for answer in receipts_in(answers)} == {"job-1"}
    assert len(receipts_in(answers)) == 50
    assert luma.sent == ["made"]


async def test_kept_is_nothing_of_the_call_and_everything_for_a_time() -> None:
    budget = Bounds.of(None, Allowance(daily_budget_usd=5.0), Allowance())
    async with redis_ledgers(1) as (url, (ledger,)), Redis.from_url(url) as engine:
        orders = orders_over(ledger)
        await orders.fill(purchase_of(Luma(), bounds=budget))
        await orders.fill(purchase_of(Luma(), key=None))
        kept = {name: await engine.get(name) for name in await engine.keys()}
        lives = [await engine.ttl(name) for name in kept]
    assert len(kept) == 3
    written = json.dumps([f"{name!r} {text!r}" for name, text in kept.items()])
    for secret in (KEY, PROMPT, PAYER, "create_generation"):
        assert secret not in written
    assert max(lives) <= 2 * KEPT_SECONDS
    assert min(lives) > 0


def test_what_is_asked_for_is_hashed_with_who_asks() -> None:
    told = {"prompt": PROMPT, "model": "ray-2"}
    same = digest(PAYER, "create_generation", dict(reversed(told.items())))
    assert digest(PAYER, "create_generation", told) == same
    others = [
        digest(OTHER_PAYER, "create_generation", told),
        digest(PAYER, "modify_video", told),
        digest(PAYER, "create_generation", {**told, "loop": True}),
    ]
    assert len({same, *others}) == 4


# --- Limits ------------------------------------------------------------------------------------


async def test_a_limit_refuses_what_would_be_sent_and_never_a_replay() -> None:
    luma = Luma()
    limits = Limits({"paid_calls_per_minute": 1})
    orders = Orders(MemoryLedger(), limits, Metrics(), SENDING_SECONDS)
    await orders.fill(purchase_of(luma))
    with pytest.raises(RateLimited):
        await orders.fill(purchase_of(luma, key="another"))
    assert (await orders.fill(purchase_of(luma))).replayed
    assert luma.sent == ["made"]


# --- Whatever happens --------------------------------------------------------------------------


async def _kill(orders: Orders) -> None:
    """End what a process does, as kill -9 would: nothing of it is written down."""
    for task in list(orders._tasks):  # noqa: SLF001 - nothing else stands for a process
        task.cancel()
    await orders.finish()


@dataclass(frozen=True)
class Arrival:
    """A call: which process it comes to, with which arguments, after how many steps."""

    process: int
    asked: str
    steps: int


STEPS = st.integers(0, 7)
ARRIVALS = st.builds(Arrival, st.integers(0, 1), st.sampled_from("aaab"), STEPS)


async def _arrive(arrival: Arrival, orders: list[Orders], luma: Luma) -> Receipt:
    for _ in range(arrival.steps):
        await asyncio.sleep(0)
    return await orders[arrival.process].fill(purchase_of(luma, arrival.asked))


async def _play(
    arrivals: list[Arrival], outcomes: list[Outcome], steps: list[int], mishaps: list[Mishap]
) -> None:
    ledger, luma = MemoryLedger(), Luma(tuple(outcomes))
    shaky = Shaky(ledger, steps, mishaps)
    orders = [orders_over(shaky), orders_over(shaky)]
    calls = [asyncio.create_task(outcome_of(_arrive(one, orders, luma))) for one in arrivals]

    def kill() -> None:
        """Let the process that sends end, and with it all who call there."""
        sending = asyncio.current_task()
        dead = next(n for n in (0, 1) if sending in orders[n]._tasks)  # noqa: SLF001
        for task in orders[dead]._tasks:  # noqa: SLF001
            task.cancel()
        for call, arrival in zip(calls, arrivals, strict=True):
            if arrival.process == dead:
                call.cancel()

    luma.on_kill = kill
    await asyncio.wait(calls)
    answers = [call.result() for call in calls if not call.cancelled()]

    risky = [one for one in luma.sent if one not in NOTHING_MADE]
    assert len(risky) <= 1
    fresh = [one for one in receipts_in(answers) if not one.replayed]
    assert len(fresh) <= 1
    made = f"job-{len(luma.sent)}" if "made" in luma.sent else None
    assert {one.job.id for one in receipts_in(answers)} <= {made}

    # Who comes later, over a sound way, gets the job or the doubt, and sends only what is safe.
    before = len(luma.sent)
    luma.outcomes = (*luma.sent, "made") if luma.sent else ("made",)
    late = await outcome_of(orders_over(ledger).fill(purchase_of(luma)))
    assert not risky or len(luma.sent) == before
    assert isinstance(late, Receipt | Unavailable | InvalidRequest)
    if isinstance(late, Unavailable):
        assert DREAM_MACHINE.may_exist in str(late.advice)
    if isinstance(late, Receipt) and made:
        assert late.job.id == made


@given(
    st.lists(ARRIVALS, min_size=1, max_size=6),
    st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=4),
    st.lists(STEPS, max_size=20),
    st.lists(st.sampled_from(MISHAPS), max_size=12),
)
def test_whatever_happens_no_key_is_sent_for_again_once_a_job_may_exist(
    arrivals: list[Arrival], outcomes: list[Outcome], steps: list[int], mishaps: list[Mishap]
) -> None:
    with capture_logs():
        asyncio.run(_play(arrivals, outcomes, steps, mishaps))
