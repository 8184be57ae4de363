"""Orders of paid jobs: within bounds of cost, and not twice for the same idempotency key.

Before anything is sent, a call with a key claims it in the ledger; what came of the call is written
there too. As long as that is not known, nobody else sends for the key: who comes meanwhile waits,
and hears at last that the job may exist. Kept are hashes, a random token, how it stands and the
job's id; never the key, the arguments or who pays.
"""

import asyncio
import copy
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, Protocol, Self, TypeVar, cast

from pydantic_core import to_jsonable_python

from luma_mcp.errors import InvalidRequest, LumaMcpError, RefusedByPolicy, Unavailable, let_go
from luma_mcp.ledger import Ledger
from luma_mcp.limiting import Limits
from luma_mcp.luma.apis import Api
from luma_mcp.luma.jobs import Job
from luma_mcp.luma.prices import Estimate
from luma_mcp.metrics import Metrics
from luma_mcp.telemetry import get_logger
from luma_mcp.watching import Pace
from luma_mcp.wording import dollars

_log = get_logger()

# By which a caller bounds what jobs may cost, each of them and those of a day.
COST_HEADER, BUDGET_HEADER = "X-Luma-Max-Cost-USD", "X-Luma-Daily-Budget-USD"
KEPT_SECONDS = 24 * 3600
REMARKED_SECONDS = 120
DAY_KEPT_SECONDS = 2 * 24 * 3600  # longer than any day goes on
# Beyond the deadline of a call of Luma: what the ledger and the limits take before and after it.
MARGIN_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0
GROWTH = 1.5
# When a claim that nothing was sent for is taken back, if the ledger cannot be reached: after so
# many seconds, and so many more. Beyond so many claims nobody keeps count.
RELEASE_PAUSES_SECONDS = (3, 10, 30, 60, 120, 300, 600)
MAX_RELEASES = 10_000
_MILLIONTHS = 1_000_000
_ANY_SUM = 2**53
_SEPARATE = (
    " A further call with this idempotency_key sends nothing; one with a new key makes a new job."
)

State = Literal["sending", "made", "doubt"]


class Bound(NamedTuple):
    """The most that something may cost.

    Attributes:
        usd: In US dollars.
        name: Who says so, to stand in a sentence.
        way_out: What to do to be rid of it.
    """

    usd: float
    name: str
    way_out: str


def _lowest(*bounds: Bound | None) -> Bound | None:
    return min((bound for bound in bounds if bound), key=lambda bound: bound.usd, default=None)


def _bound(usd: float | None, name: str, way_out: str) -> Bound | None:
    return None if usd is None else Bound(usd, name, way_out)


@dataclass(frozen=True)
class Allowance:
    """What somebody lets jobs cost, in US dollars: each of them, and those of a day together."""

    max_cost_usd: float | None = None
    daily_budget_usd: float | None = None


@dataclass(frozen=True)
class Bounds:
    """The lowest of the bounds of a call, of each kind."""

    max_cost: Bound | None = None
    daily_budget: Bound | None = None

    @classmethod
    def of(cls, call: float | None, caller: Allowance, operator: Allowance) -> Self:
        """Find the lowest.

        Args:
            call: The call's own max_cost_usd.
            caller: What the headers of its request say.
            operator: What the settings say.
        """
        ask = "ask the operator of this server"
        header = "take the header {0} out of the client's settings"
        return cls(
            _lowest(
                _bound(call, "max_cost_usd", "leave max_cost_usd out"),
                _bound(
                    caller.max_cost_usd, f"the header {COST_HEADER}", header.format(COST_HEADER)
                ),
                _bound(operator.max_cost_usd, "this server's limit for a job", ask),
            ),
            _lowest(
                _bound(
                    caller.daily_budget_usd,
                    f"the header {BUDGET_HEADER}",
                    header.format(BUDGET_HEADER),
                ),
                _bound(operator.daily_budget_usd, "this server's budget of a day for a key", ask),
            ),
        )

    @property
    def matter(self) -> bool:
        """Whether there is one, so that what is priced must be what is ordered."""
        return bool(self.max_cost or self.daily_budget)

    def check_cost(self, estimate: Estimate) -> None:
        """See that a job's own cost is known, if there is a bound, and not too high.

        Raises:
            RefusedByPolicy: Says which bound, and how to go on.
        """
        bound = self.max_cost or self.daily_budget
        if bound is None:
            return
        if estimate.usd is None:
            raise RefusedByPolicy(
                f"The price is not known, so that {bound.name} cannot be kept. {estimate.basis}",
                advice="Ask for something that estimate_cost can price or, if the user accepts "
                f"that, {bound.way_out}; nothing was sent.",
            )
        if self.max_cost and estimate.usd > self.max_cost.usd:
            raise RefusedByPolicy(
                f"It would cost about {dollars(estimate.usd)}, more than {bound.name} "
                f"({dollars(bound.usd)}). {estimate.basis}",
                advice="Ask the user, or choose a cheaper model, resolution or duration: "
                "luma://models and estimate_cost have the prices; nothing was sent.",
            )


@dataclass(frozen=True)
class Purchase:
    """One paid call.

    Attributes:
        payer: The fingerprint of the key that pays.
        api: Whose job it is.
        product: What is counted: the model, or the tool where there is none.
        asked: The hash of what is asked for.
        estimate: What it would cost.
        send: Sends it, once.
        bounds: What it may cost.
        idempotency_key: By which the caller would call again.
    """

    payer: str
    api: Api
    product: str
    asked: str
    estimate: Estimate
    send: Callable[[], Awaitable[Job]] = field(repr=False)
    bounds: Bounds = field(default_factory=Bounds)
    idempotency_key: str | None = field(default=None, repr=False)


def digest(payer: str, tool: str, told: Mapping[str, object]) -> str:
    """Hash what is asked for; with who pays, so that nobody finds a prompt by guessing it."""
    plain = to_jsonable_python(told, exclude_none=True)
    return _hash(payer, tool, json.dumps(plain, sort_keys=True))


def _hash(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Receipt:
    """What came of an order.

    Attributes:
        job: As Luma answered; of one that was made before, its id alone is known.
        replayed: Whether an earlier call with the same idempotency key made it.
        remark: What the caller should know.
    """

    job: Job
    replayed: bool = False
    remark: str | None = None


@dataclass(frozen=True)
class _Claim:
    """How a call stands, as the ledger keeps it; the token tells claims of the same call apart."""

    asked: str
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    state: State = "sending"
    job_id: str | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        asked, token, state, job_id = text.split(" ", 3)
        return cls(asked, token, cast("State", state), job_id or None)

    @property
    def text(self) -> str:
        return f"{self.asked} {self.token} {self.state} {self.job_id or ''}"

    def made(self, job_id: str | None) -> Self:
        return replace(self, state="made", job_id=job_id)

    def doubted(self, job_id: str | None = None) -> Self:
        return replace(self, state="doubt", job_id=job_id)


class _Attempt(NamedTuple):
    """The claim that stands, and the job if this very attempt made it."""

    claim: _Claim
    job: Job | None


class _Ordered(Protocol):
    """What every task of ours comes to."""

    @property
    def job(self) -> Job | None: ...


_Result = TypeVar("_Result", bound=_Ordered)


class Orders:
    """All orders of the process.

    Args:
        ledger: Remembers, for all processes of one server.
        limits: Says how many jobs may be started.
        metrics: Counts.
        sending_seconds: The deadline of a call of Luma.
        pace: By what pauses are measured.
        now: The time in UTC.
    """

    def __init__(
        self,
        ledger: Ledger,
        limits: Limits,
        metrics: Metrics,
        sending_seconds: float,
        *,
        pace: Pace | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger = ledger
        self._limits = limits
        self._metrics = metrics
        self._patience_seconds = sending_seconds + MARGIN_SECONDS
        self._pace = pace or Pace()
        self._now = now
        self._tasks: set[asyncio.Task[Any]] = set()
        self._attempts: dict[tuple[str, str], asyncio.Task[_Attempt]] = {}
        self._releases: set[asyncio.Task[None]] = set()

    async def fill(self, purchase: Purchase) -> Receipt:
        """Have the job made, unless an earlier call with the same idempotency key had.

        Once it is begun it is seen through, whoever leaves.

        Raises:
            LumaMcpError: Nothing was made, or the job may exist and the error says so.
        """
        if purchase.idempotency_key is None:
            return await self._seen_through(self._start(self._fill_anew(purchase)))
        receipt = await self._fill_once(purchase, purchase.idempotency_key)
        if receipt.replayed:
            self._metrics.replayed()
        return receipt

    async def objection(
        self, estimate: Estimate, bounds: Bounds, payer: str | None
    ) -> RefusedByPolicy | None:
        """Give the error with which bounds would refuse a job now, if they would.

        Args:
            estimate: What it would cost.
            bounds: What it may cost.
            payer: Who would pay; None if that is not known.
        """
        try:
            bounds.check_cost(estimate)
        except RefusedByPolicy as error:
            return error
        if not (bounds.daily_budget and payer and estimate.usd):
            return None
        with suppress(Unavailable):
            left = await self._left(bounds.daily_budget, self._sum_of(payer))
            if estimate.usd > left:
                return self._over_budget(estimate.usd, bounds.daily_budget, left)
        return None

    async def finish(self) -> None:
        """Wait for orders that nobody waits for any more; each has its deadline."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        for task in self._releases:
            task.cancel()
        if self._releases:
            await asyncio.wait(self._releases)

    # --- Without an idempotency key ------------------------------------------------------------

    async def _fill_anew(self, purchase: Purchase) -> Receipt:
        name, mine = _hash("recent", purchase.payer, purchase.asked), _Claim(purchase.asked)
        earlier = None
        with suppress(Unavailable):
            earlier = await self._claim(name, mine, REMARKED_SECONDS)
        try:
            job = await self._buy(purchase)
        except LumaMcpError as error:
            if earlier is None and not _in_doubt(error, purchase.api):
                await self._release(name, mine)
            raise
        with suppress(Unavailable):
            text = mine.made(job.id).text
            await self._ledger.replace(name, (earlier or mine).text, text, REMARKED_SECONDS)
        return Receipt(job, remark=_remark(earlier) if earlier else None)

    # --- With one ------------------------------------------------------------------------------

    async def _fill_once(self, purchase: Purchase, idempotency_key: str) -> Receipt:
        name = _hash("idempotency", purchase.payer, idempotency_key)
        token, deadline, pause = "", 0.0, 0.0
        clock = self._pace.clock
        while True:
            claim, job = await self._attempt(name, purchase)
            if job is not None:
                return Receipt(job)
            if claim.state != "sending":
                return _replay(claim, purchase)
            # Another process sends.
            if claim.token != token:
                token, deadline = claim.token, clock.time() + self._patience_seconds
                pause = FIRST_PAUSE_SECONDS
            elif clock.time() >= deadline:
                await self._give_up(name, claim)
                continue  # whoever was quicker, it is decided now
            await clock.sleep(pause * (1 + self._pace.spread()))
            pause = min(pause * GROWTH, LONGEST_PAUSE_SECONDS)

    async def _attempt(self, name: str, purchase: Purchase) -> _Attempt:
        """Send if the key is free, together with whoever makes the same call at the same time.

        What went wrong for the one who sent went wrong for all: sending again, one after the
        other, would bring each the same. Only bounds of cost are everybody's own, and a fault of
        ours is a doubt to all others.
        """
        where = name, purchase.asked
        while running := self._attempts.get(where):
            await asyncio.wait({running})
            error = running.exception()
            if error is None:
                return _Attempt(running.result().claim, None)
            if isinstance(error, LumaMcpError) and not isinstance(error, RefusedByPolicy):
                raise copy.copy(error)
        running = self._attempts[where] = self._start(self._claim_and_send(name, purchase))
        # Before all that hear of its end later.
        running.add_done_callback(lambda _: self._attempts.pop(where))
        return await self._seen_through(running)

    async def _claim_and_send(self, name: str, purchase: Purchase) -> _Attempt:
        mine = _Claim(purchase.asked)
        try:
            other = await self._claim(name, mine, KEPT_SECONDS)
        except Unavailable as error:
            self._release_later(name, mine)  # the ledger may have taken it
            raise _unpromised() from error
        if other is None:
            return await self._send_for(name, mine, purchase)
        if other.asked != purchase.asked:
            raise _used_otherwise(other)
        return _Attempt(other, None)

    async def _send_for(self, name: str, mine: _Claim, purchase: Purchase) -> _Attempt:
        try:
            job = await self._buy(purchase)
        except LumaMcpError as error:
            if _in_doubt(error, purchase.api):
                error.advice = f"{error.advice}{_SEPARATE}"
                await self._settle(name, mine, mine.doubted(error.generation_id))
            else:
                await self._release(name, mine)
            raise
        except Exception:
            await self._settle(name, mine, mine.doubted())
            raise
        made = mine.made(job.id)
        await self._settle(name, mine, made)
        return _Attempt(made, job)

    async def _claim(self, name: str, mine: _Claim, seconds: int) -> _Claim | None:
        """Claim a name; gives the claim that somebody else has on it."""
        found = await self._ledger.keep(name, mine.text, seconds)
        # A question that was asked once more over a new connection finds its own claim.
        return _Claim.read(found) if found not in {None, mine.text} else None

    async def _settle(self, name: str, mine: _Claim, outcome: _Claim) -> None:
        """Write down what came of a claim, even one that was given up meanwhile or forgotten."""
        try:
            for earlier in (mine, mine.doubted()):
                if await self._ledger.replace(name, earlier.text, outcome.text, KEPT_SECONDS):
                    return
            await self._ledger.keep(name, outcome.text, KEPT_SECONDS)
        except Unavailable:
            _log.error(
                "order not written down",
                generation_id=outcome.job_id,
                advice="Further calls with its idempotency_key hear that the job may exist.",
            )

    async def _release(self, name: str, mine: _Claim) -> None:
        """Take a claim back for which nothing was made; at worst the job is said to be in doubt."""
        try:
            await self._forget(name, mine)
        except Unavailable:
            self._release_later(name, mine)

    def _release_later(self, name: str, mine: _Claim) -> None:
        """Take it back once the ledger can be reached: the same call would be in doubt for a day.

        By its token, which no further call uses: what happens late can only free a claim.
        """
        if len(self._releases) < MAX_RELEASES:
            task = asyncio.create_task(self._keep_releasing(name, mine))
            self._releases.add(task)
            task.add_done_callback(self._releases.discard)

    async def _keep_releasing(self, name: str, mine: _Claim) -> None:
        for seconds in RELEASE_PAUSES_SECONDS:
            await self._pace.clock.sleep(seconds)
            with suppress(Unavailable):
                await self._forget(name, mine)
                return

    async def _forget(self, name: str, mine: _Claim) -> None:
        for earlier in (mine, mine.doubted()):
            if await self._ledger.forget(name, earlier.text):
                return

    async def _give_up(self, name: str, claim: _Claim) -> None:
        """Let a claim be in doubt whose sender is late beyond all bounds: it may have ended."""
        with suppress(Unavailable):  # the next attempt says so
            await self._ledger.replace(name, claim.text, claim.doubted().text, KEPT_SECONDS)

    # --- Sending and paying --------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, _Result]) -> asyncio.Task[_Result]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _seen_through(self, task: asyncio.Task[_Result]) -> _Result:
        """Await an order that goes on if its caller leaves; the log tells what came of it then."""
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_tell)
            raise

    async def _buy(self, purchase: Purchase) -> Job:
        """Send, if bounds and limits allow it; what is surely not made, is not paid either."""
        reserved = await self._reserve(purchase)
        try:
            await self._limits.check_paid_call(purchase.payer)
            job = await purchase.send()
        except LumaMcpError as error:
            if reserved and not _in_doubt(error, purchase.api):
                with suppress(Unavailable):  # then the day's sum stays too high
                    await self._ledger.give_back(*reserved)
            raise
        self._metrics.ordered(purchase.product, purchase.estimate.usd)
        return job

    async def _reserve(self, purchase: Purchase) -> tuple[str, int] | None:
        """Check what it costs, and add it to the day's sum.

        Jobs that fail later stay in the sum: whether Luma gave the credits back, it may say then
        or never.
        """
        try:
            purchase.bounds.check_cost(purchase.estimate)
        except RefusedByPolicy:
            limit = "max_cost_usd" if purchase.bounds.max_cost else "daily_budget_usd"
            self._metrics.limited(limit)
            raise
        budget, usd = purchase.bounds.daily_budget, purchase.estimate.usd
        if usd is None:
            return None
        name, amount = self._sum_of(purchase.payer), round(usd * _MILLIONTHS)
        if budget is None:
            return await self._note(name, amount)
        try:
            most = round(budget.usd * _MILLIONTHS)
            if await self._ledger.spend(name, amount, most, DAY_KEPT_SECONDS):
                return name, amount
            left = await self._left(budget, name)
        except Unavailable as error:
            raise Unavailable(
                f"{error.message} Without it {budget.name} cannot be kept; nothing was sent.",
                advice=f"Make the same call again in a minute, or {budget.way_out}.",
            ) from error
        self._metrics.limited("daily_budget_usd")
        raise self._over_budget(usd, budget, left)

    async def _note(self, name: str, amount: int) -> tuple[str, int] | None:
        """Add to the day's sum, so that a budget which is set later in the day knows of it."""
        with suppress(Unavailable):
            await self._ledger.spend(name, amount, _ANY_SUM, DAY_KEPT_SECONDS)
            return name, amount
        return None

    def _sum_of(self, payer: str) -> str:
        return _hash("spent", payer, self._now().date().isoformat())

    async def _left(self, budget: Bound, name: str) -> float:
        spent = await self._ledger.spent(name)
        return max(0, round(budget.usd * _MILLIONTHS) - spent) / _MILLIONTHS

    def _over_budget(self, usd: float, budget: Bound, left: float) -> RefusedByPolicy:
        tomorrow = self._now().date() + timedelta(days=1)
        return RefusedByPolicy(
            f"It would cost about {dollars(usd)}, and {dollars(left)} is left today of "
            f"{budget.name} ({dollars(budget.usd)}).",
            advice=f"Ask the user; choose something cheaper, wait until {tomorrow} 00:00 UTC, or "
            f"{budget.way_out}; nothing was sent.",
        )


def _in_doubt(error: LumaMcpError, api: Api) -> bool:
    """Tell whether a job may exist: exactly when the caller is told so."""
    return error.advice == api.may_exist


def _tell(task: asyncio.Task[Any]) -> None:
    """Write down what came of an order whose caller had left."""
    if task.cancelled():
        return
    error = task.exception()
    job = None if error else task.result().job
    if job or error:
        made = job.id if job else getattr(error, "generation_id", None)
        _log.warning("left", generation_id=made, error=error)
    let_go(error)


def _remark(earlier: _Claim) -> str:
    made = f" and made {earlier.job_id}" if earlier.job_id else ""
    return (
        f"The same call came less than two minutes ago{made}; this one made another job. With an "
        "idempotency_key it would not have."
    )


def _unpromised() -> Unavailable:
    return Unavailable(
        "The memory of idempotency keys cannot be reached; this call sent nothing.",
        advice="Make the same call again in a minute, or leave out idempotency_key to go ahead "
        "without its promise.",
    )


def _used_otherwise(claim: _Claim) -> InvalidRequest:
    made = f", which made {claim.job_id}" if claim.job_id else ""
    return InvalidRequest(
        f"This idempotency_key was used for another call{made}.",
        advice="Use a new text for each job, and the same arguments with it; nothing was sent.",
        generation_id=claim.job_id,
    )


def _replay(claim: _Claim, purchase: Purchase) -> Receipt:
    if claim.state == "made":
        return Receipt(Job(api=purchase.api.name, id=claim.job_id), replayed=True)
    error = Unavailable(
        "An earlier call with this idempotency_key did not hear what came of it; this one sent "
        "nothing.",
        advice=f"{purchase.api.may_exist}{_SEPARATE}",
        generation_id=claim.job_id,
    )
    error.retryable = False
    raise error
