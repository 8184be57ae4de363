"""Many callers at once: no answer and no call of Luma ever carries another caller's key.

They call two replicas that share a Redis, through Caddy, with limits, budgets and idempotency keys.
"""

import asyncio
import json
import shutil
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain, product
from urllib.parse import quote

import pytest
import uvloop
from fastmcp import Client
from fastmcp.client.transports import SSETransport

from luma_mcp.luma.apis import AGENTS, APIS, DREAM_MACHINE
from luma_mcp.tools import build_tools
from tests.e2e import crowd
from tests.e2e.callers import CALLERS, CALLERS_OF_BOTH, EVERYBODY, Caller, Order, shows_a_key
from tests.e2e.crowd import (
    AGENTS_TOOLS,
    CREATING,
    ERAS,
    ESTIMATING,
    HEADERS,
    NEWER,
    PATHS,
    TOOLS,
    UPLOADING,
    WAITING,
    Answer,
    Call,
    Crowd,
)
from tests.e2e.deployment import deployed
from tests.e2e.echoing_luma import (
    AGENTS_PATH,
    GARBAGE,
    PARTY,
    PASSING,
    Asked,
    EchoingLuma,
    scene_of,
)
from tests.e2e.processes import UNTRACED, Running, fetch, serving_process
from tests.e2e.requirements import REQUIRE_ALL
from tests.servers import misbehaving

pytestmark = pytest.mark.timeout(480)  # the machine may be slow
MANY = "1000000"  # a limit that is kept count of, and never met
METRICS_TOKEN = "for-whoever-reads-the-metrics"
VARIABLES = {
    "LUMA_MCP_LEGACY_SSE": "true",
    "LUMA_MCP_LOG_LEVEL": "debug",
    "LUMA_MCP_LOG_FORMAT": "json",
    "LUMA_MCP_CALLS_PER_MINUTE": MANY,
    "LUMA_MCP_PAID_CALLS_PER_MINUTE": MANY,
    "LUMA_MCP_CONCURRENT_CALLS": MANY,
    # All come from one address, which tells nobody apart.
    "LUMA_MCP_REQUESTS_PER_MINUTE": "0",
    "LUMA_MCP_CONCURRENT_REQUESTS": "0",
    "LUMA_MCP_METRICS_TOKEN": METRICS_TOKEN,
}
PAGES = ("/", "/healthz", "/readyz", "/metrics")
PATIENCE_SECONDS = 420  # a call that is never answered would keep the loop, which no signal ends
CALLERS_OF_2024 = CALLERS[::10]
TOOLS_OF_2024 = (WAITING, "create_generation", *TOOLS[-12:])
DELETING = ("delete_generation", "delete_file")


@dataclass(frozen=True)
class Run:
    """What was asked of the server, and everything that it said."""

    luma: EchoingLuma
    crowd: Crowd
    answers_of_2024: list[Answer] = field(default_factory=list)
    servers: list[Running] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    @property
    def calls(self) -> list[Call]:
        """All calls of the crowd that came with a key."""
        return [call for call in chain.from_iterable(self.crowd.groups) if call.caller]

    @property
    def answers(self) -> list[Answer]:
        """All answers to them, by either transport, and what leavers heard."""
        heard = [*self.crowd.answers, *self.crowd.beginnings, *self.answers_of_2024]
        return [answer for answer in heard if answer.call.caller]


async def _over_a_stream_of_2024(url: str, caller: Caller, answers: list[Answer]) -> None:
    """Call some tools over the HTTP+SSE transport, while all others use the newer one."""
    calls = [
        Call(caller, tool, Order(marker, 200, 1000 + place), newer=bool(caller.agents_key))
        for place, tool in enumerate(TOOLS_OF_2024)
        for marker in [(caller.marker, EVERYBODY)[place % 2]]
    ]
    headers = crowd.keys_of(calls[0]._replace(header=HEADERS[caller.number % len(HEADERS)]))
    async with Client(SSETransport(f"{url}/sse", headers=headers)) as client:
        for call in calls:
            result = await client.call_tool(**crowd.params_of(call), raise_on_error=False)
            said = f"{result.content} {result.structured_content}"
            answers.append(Answer(call, 200, said))


@asynccontextmanager
async def _servers(**variables: str) -> AsyncGenerator[tuple[str, list[Running]]]:
    """Run two replicas behind Caddy, or one server where the machine has no Caddy or no Redis."""
    if REQUIRE_ALL or all(map(shutil.which, ("caddy", "redis-server"))):
        async with deployed(**variables) as hosted:
            yield hosted.url, hosted.replicas
    else:
        async with serving_process(**variables, **UNTRACED) as server:
            yield server.url, [server]


async def _run() -> Run:
    luma = EchoingLuma()
    async with misbehaving(luma.converse) as upstream:
        upstreams = {
            "LUMA_MCP_DREAM_MACHINE_URL": upstream,
            "LUMA_MCP_AGENTS_URL": f"{upstream}{AGENTS_PATH}",
        }
        async with _servers(**upstreams, **VARIABLES) as (url, servers):
            run = Run(luma, Crowd(url, luma))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(run.crowd.call())
                for caller in CALLERS_OF_2024:
                    tasks.create_task(_over_a_stream_of_2024(url, caller, run.answers_of_2024))
            token = f"Bearer {METRICS_TOKEN}"
            for server, page in product(servers, PAGES):
                run.pages.append((await fetch(f"{server.url}{page}", Authorization=token)).text)
            run.servers.extend(servers)
        run.log.extend(line for server in servers for line in server.log)
    return run


@pytest.fixture(scope="module")
def run() -> Run:
    """Let the crowd call, once for all that is asserted of it."""
    return uvloop.run(asyncio.wait_for(_run(), PATIENCE_SECONDS))


def _is_mute(call: Call) -> bool:
    """Tell whether Luma's answer to the call says nothing that is passed on."""
    if call.tool in PATHS:
        return bool(call.caller) and scene_of(call.caller) == GARBAGE
    if call.tool in DELETING:
        return call.order.scene in {200, 429, GARBAGE}
    if call.tool == ESTIMATING:
        return True
    # Whoever waits or asks again hears more than the garbage.
    return call.order.scene == GARBAGE and call.tool != WAITING


def _evidence(call: Call) -> set[str]:
    """Give the words by which Luma, having seen the key, lets a caller know that it is theirs."""
    if call.lacks_a_key or _is_mute(call):
        return set()
    asked = call.asked[-1]
    return {asked.caller.marker} if _is_a_balance(call) else {asked.canary}


def _is_a_balance(call: Call) -> bool:
    return call.tool == "get_credits" and bool(call.caller) and scene_of(call.caller) == 200


def _words(call: Call) -> set[str]:
    """Give the words that only the caller may hear, and only of the APIs that the call asks."""
    assert call.caller
    return {call.caller.marker, *(asked.canary for asked in call.asked)}


def _counted(calls: Iterable[Call]) -> Counter[Asked]:
    return Counter(asked for call in calls for asked in call.asked)


def test_20_800_calls_of_200_callers_are_made_in_every_way(run: Run) -> None:
    assert len(run.calls) == 20_800
    assert set(TOOLS) == set(build_tools())
    newer = {(call.caller, call.tool, call.era) for call in run.calls if call.api == AGENTS.name}
    for caller in CALLERS_OF_BOTH:
        used = {(tool, era) for one, tool, era in newer if one == caller}
        assert {tool for tool, _ in used} == {*AGENTS_TOOLS, *NEWER}
    for caller in CALLERS:
        made = [call for call in run.calls if call.caller == caller]
        assert {(call.tool, call.era) for call in made} == set(product(TOOLS, ERAS))
        assert {(call.header, call.era) for call in made} == set(product(HEADERS, ERAS))
        assert {call.tool for call in made if call.waits} == {WAITING, UPLOADING, *CREATING}
    # Who leaves takes the connection along; the others were used by many in turn.
    assert sum(len(callers) > 5 for callers in run.crowd.callers) > crowd.CONNECTIONS


def test_every_call_is_answered(run: Run) -> None:
    left = sum(call.leaves for call in run.calls)
    kept = [answer for answer in run.crowd.answers if answer.call.caller]
    assert len(kept) == len(run.calls) - left
    assert {answer.status for answer in run.answers} == {200}
    assert len(run.answers_of_2024) == len(CALLERS_OF_2024) * len(TOOLS_OF_2024)


def test_an_answer_tells_of_nobody_but_its_caller(run: Run) -> None:
    mixed = [answer for answer in run.answers if not answer.whose <= _words(answer.call)]
    assert mixed == []


def test_an_answer_is_made_of_what_luma_said_to_its_callers_key(run: Run) -> None:
    unfounded = [
        answer
        for answer in run.answers
        if not answer.call.leaves and not _evidence(answer.call) <= answer.whose
    ]
    assert unfounded == []


def test_whoever_brings_no_key_gets_nothing_of_anybody(run: Run) -> None:
    strangers = [answer for answer in run.crowd.answers if answer.call.caller is None]
    assert {call.tool for call, _, _ in strangers} == set(TOOLS)
    assert {answer.status for answer in strangers} == {401}
    assert [answer for answer in strangers if answer.whose] == []


def test_introducing_a_client_tells_of_nobody(run: Run) -> None:
    assert len(run.crowd.greetings) == 2 * len(CALLERS)
    assert not [text for text in run.crowd.greetings if Answer(run.calls[0], 200, text).whose]


def test_luma_is_asked_for_each_call_with_its_callers_own_key(run: Run) -> None:
    assert run.luma.strays == []
    calls = [*run.calls, *(answer.call for answer in run.answers_of_2024)]
    sent = _counted(call for call in calls if call.order.scene != PARTY)
    assert sent - run.luma.asked == Counter()
    more = run.luma.asked.keys() - sent.keys()
    assert {asked.subject.scene for asked in more if isinstance(asked.subject, Order)} == {PARTY}


def test_whoever_has_no_key_for_an_api_is_told_so_and_luma_hears_nothing(run: Run) -> None:
    lacking = [answer for answer in run.answers if answer.call.lacks_a_key]
    assert {answer.call.tool for answer in lacking} == {*AGENTS_TOOLS, *NEWER}
    assert [answer for answer in lacking if "missing_key" not in answer.text] == []
    heard = {(asked.caller, asked.subject) for asked in run.luma.asked}
    assert not [call for call, _, _ in lacking if (call.caller, call.order) in heard]


def test_callers_who_wait_for_the_same_job_share_looks_with_themselves_alone(run: Run) -> None:
    waiting = _counted(call for call in run.calls if call.order.scene == PARTY)
    assert set(waiting.values()) == {4}
    looks = {seen: times for seen, times in run.luma.looks.items() if seen[0] in waiting}
    assert {asked for asked, _ in looks} == set(waiting)
    assert min(looks.values()) >= 2
    assert sum(looks.values()) < waiting.total()


def test_everybody_who_waits_is_told_their_own_progress(run: Run) -> None:
    waited = [answer for answer in run.crowd.answers if answer.call.waits and _goes_on(answer)]
    assert len(waited) > 2_500
    untold = [
        answer
        for answer in waited
        if f"generation {answer.call.job_id}" not in answer.text.partition('"result"')[0]
    ]
    assert untold == []


def _goes_on(answer: Answer) -> bool:
    """Tell whether there was a job to wait for; of files nothing is told."""
    if answer.call.lacks_a_key or answer.call.tool == UPLOADING:
        return False
    passes = answer.call.tool == WAITING and answer.call.order.scene in PASSING
    return passes or answer.call.order.scene in {200, 429, PARTY}


def test_no_key_is_shown_in_whatever_form(run: Run) -> None:
    texts = [*run.pages, *run.crowd.greetings, *(answer.text for answer in run.answers)]
    assert [text for text in texts if shows_a_key(text)] == []
    assert [line for line in run.log if shows_a_key(line)] == []


def test_each_call_is_logged_once_under_its_own_caller(run: Run) -> None:
    lines = [json.loads(line) for line in run.log if line.startswith("{")]
    calls = [*run.calls, *(answer.call for answer in run.answers_of_2024)]
    made = Counter((call.caller.principal, call.tool) for call in calls if call.caller)
    logged = Counter((line["key"], line["tool"]) for line in lines if line["event"] == "call")
    assert logged == made


async def test_a_key_that_comes_with_the_arguments_of_another_would_be_noticed() -> None:
    ada, bob = CALLERS[:2]
    order = Order(bob.marker, 200, 0)
    luma = EchoingLuma()
    async with misbehaving(luma.converse) as url:
        for caller in (ada, bob):
            headers = {"Authorization": f"Bearer {caller.key}"}
            await fetch(f"{url}/generations/{order.id}", **headers)
    (stray,) = luma.strays
    assert order.id in stray.target
    assert luma.asked == {Asked(bob, DREAM_MACHINE.name, order): 1}


async def test_a_key_that_comes_to_the_other_api_would_be_noticed() -> None:
    cid = CALLERS_OF_BOTH[0]
    luma = EchoingLuma()
    async with misbehaving(luma.converse) as url:
        for path in ("/generations/", f"{AGENTS_PATH}/generations/"):
            for api in APIS:
                headers = {"Authorization": f"Bearer {cid.key_for(api.name)}"}
                await fetch(f"{url}{path}{Order(cid.marker, 200, 0).id}", **headers)
    assert len(luma.strays) == 2
    assert {asked.api for asked in luma.asked} == {api.name for api in APIS}


def _keys() -> Iterator[str]:
    for caller in CALLERS:
        yield from filter(None, (caller.key, caller.agents_key))


def test_a_key_that_is_shown_would_be_noticed() -> None:
    for key in _keys():
        for form in (key, quote(key), b64encode(f"user:{key}".encode()).decode()):
            assert shows_a_key(f"A text with {form} in it")
