"""Keys, headers, limits, prices and refunds of the Agents API."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime

import httpx
import pytest

from luma_mcp.sandbox.agents_accounts import KEYS
from luma_mcp.sandbox.app import build_sandbox
from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.sandbox.faults import AGENTS_FAILURES
from tests.sandbox.conftest import AGENTS, ROOT, Agents, Enter, Json, Luma
from tests.sandbox.test_agents_rules import CHANGE, EDIT, LAYERING, PICTURE, REFRAME, video

ENDPOINTS = [
    ("POST", "/generations"),
    ("GET", "/generations/x"),
    ("POST", "/files"),
    ("GET", "/files"),
    ("GET", "/files/x"),
    ("POST", "/files/x/complete"),
    ("DELETE", "/files/x"),
]
Open = Callable[..., Awaitable[Agents]]


@pytest.fixture
async def open_agents(enter: Enter) -> AsyncIterator[Open]:
    """Opens clients of the Agents API of sandboxes that behave as told."""
    async with AsyncExitStack() as stack:

        async def build(**behaviour: float) -> Agents:
            luma = await enter(Behaviour(**behaviour))
            return await stack.enter_async_context(Agents(luma.app))

        yield build


@pytest.mark.parametrize(
    ("header", "status", "text"),
    [
        ("", 401, "Missing or invalid API key"),
        ("Bearer ", 401, "Missing or invalid API key"),
        ("luma-api-test", 401, "Missing or invalid API key"),
        ("bearer luma-api-test", 401, "Missing or invalid API key"),
        ("Bearer luma-test", 401, "Invalid API key"),
        ("Bearer luma-api-revoked-1", 401, "API key has been revoked"),
        ("Bearer luma-api-expired-1", 401, "API key has expired"),
        ("Bearer luma-api-suspended-1", 403, "API client is suspended"),
        ("Bearer luma-api-deactivated-1", 403, "API client is deactivated"),
    ],
)
async def test_every_endpoint_refuses_a_bad_key_in_luma_s_words(
    agents: Agents, header: str, status: int, text: str
) -> None:
    for method, path in ENDPOINTS:
        answer = await agents.request(method, path, headers={"authorization": header})
        assert (answer.status_code, answer.json()) == (status, {"detail": text})


async def test_the_index_names_the_keys_that_are_refused(luma: Luma) -> None:
    index = (await luma.get(ROOT + "/")).json()
    assert index["keys"] == KEYS
    assert "luma-api-…revoked…" in KEYS


async def test_no_account_sees_another_s_jobs_or_files(agents: Agents) -> None:
    job = await agents.make()
    file = (await agents.post("/files", json={"mime_type": "image/png", "size_bytes": 1})).json()
    async with Agents(agents.app, "luma-api-other") as other:
        for job_id in (job["id"], "malformed", str(uuid.uuid4())):
            answer = await other.get(f"/generations/{job_id}")
            assert (answer.status_code, answer.json()) == (404, {"detail": "Generation not found"})
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/complete")):
            answer = await other.request(method, f"/files/{file['id']}{path}")
            assert (answer.status_code, answer.json()) == (404, {"detail": "File not found"})
        assert (await other.get("/files")).json()["data"] == []
    assert (await agents.read(job))["id"] == job["id"]


async def test_the_account_unused_for_longest_is_forgotten_with_everything(
    open_agents: Open, clock: TurnedClock
) -> None:
    agents = await open_agents(max_accounts=1)
    job = await agents.make()
    body = {"mime_type": "image/png", "size_bytes": 1}
    upload = (await agents.post("/files", json=body)).json()["upload"]
    clock.advance(3)
    link = await agents.get_link(job)
    async with Agents(agents.app, "luma-api-other") as other:
        await other.get("/files")
    assert (await agents.get(link)).status_code == 404
    sent = await agents.put(upload["url"], content=b"x", headers=upload["headers"])
    assert sent.status_code == 403
    assert (await agents.get("/files")).json()["data"] == []


@pytest.mark.parametrize("wanted", ["abc-1.2_3:/+=", "x" * 128])
async def test_the_caller_s_name_for_a_request_is_repeated(agents: Agents, wanted: str) -> None:
    answer = await agents.get("/files", headers={"x-request-id": wanted})
    assert answer.headers["x-request-id"] == wanted


@pytest.mark.parametrize("odd", [None, "", "a b", "x" * 129, "<script>"])
async def test_a_request_without_a_sane_name_gets_a_uuid(agents: Agents, odd: str | None) -> None:
    headers = {} if odd is None else {"x-request-id": odd}
    answer = await agents.get("/files", headers=headers)
    assert uuid.UUID(answer.headers["x-request-id"]).version == 4


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/generations", 422),
        ("GET", "/generations/x", 404),
        ("GET", "/nowhere", 404),
        ("PUT", "/files", 405),
        ("GET", "/files", 200),
    ],
)
async def test_every_answer_names_its_request_and_the_version(
    agents: Agents, method: str, path: str, status: int
) -> None:
    answer = await agents.request(method, path, headers={"x-request-id": "mine"})
    assert answer.status_code == status
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["x-api-version"] == "2026-04-01"


async def test_a_breakdown_is_500_in_luma_s_shape_and_names_its_request() -> None:
    class StoppedClock(TurnedClock):
        def now(self) -> datetime:
            raise ArithmeticError

    transport = httpx.ASGITransport(build_sandbox(clock=StoppedClock()), raise_app_exceptions=False)
    headers = {"authorization": "Bearer luma-api-test"}
    async with httpx.AsyncClient(transport=transport, base_url=ROOT, headers=headers) as client:
        answer = await client.get(AGENTS + "/files")
    assert (answer.status_code, answer.json()) == (500, {"detail": "Internal server error"})
    assert answer.headers["x-api-version"] == "2026-04-01"


async def test_dream_machine_s_answers_have_no_such_headers(luma: Luma) -> None:
    assert not {"x-request-id", "x-api-version"} & (await luma.get("/ping")).headers.keys()


async def test_a_creation_says_what_is_left_of_the_minute(
    open_agents: Open, clock: TurnedClock
) -> None:
    agents = await open_agents()
    left = []
    for _ in range(3):
        answer = await agents.ask()
        assert answer.headers["x-ratelimit-limit"] == "30"
        assert answer.headers["x-ratelimit-reset"] == str(int(clock.now().timestamp()) + 60)
        left.append(answer.headers["x-ratelimit-remaining"])
        clock.advance(20)
    assert left == ["29", "28", "27"]
    assert (await agents.ask()).headers["x-ratelimit-remaining"] == "27"
    refused = await agents.ask(prompt="")
    read = await agents.get(f"/generations/{answer.json()['id']}")
    assert not {"x-ratelimit-limit"} & {*refused.headers.keys(), *read.headers.keys()}


async def test_creates_of_any_kind_are_limited_in_any_sixty_seconds(
    open_agents: Open, clock: TurnedClock
) -> None:
    agents = await open_agents(agents_creates_per_minute=2)
    job = await agents.make()
    clock.advance(10.5)
    await agents.make_clip()
    answer = await agents.ask()
    assert (answer.status_code, answer.json()) == (429, {"detail": "Rate limit exceeded"})
    assert answer.headers["retry-after"] == "50"
    assert answer.headers["x-ratelimit-limit"] == "2"
    assert answer.headers["x-ratelimit-remaining"] == "0"
    assert answer.headers["x-ratelimit-reset"] == str(int(clock.now().timestamp()) + 60)
    for _ in range(3):
        await agents.read(job)
    clock.advance(49.5)
    await agents.make()
    assert (await agents.ask()).headers["retry-after"] == "11"


async def test_running_jobs_of_any_kind_are_limited_until_one_ends(
    open_agents: Open, clock: TurnedClock
) -> None:
    agents = await open_agents(agents_concurrent=2)
    await agents.make()
    await agents.make_clip()
    answer = await agents.ask()
    assert (answer.status_code, answer.json()) == (429, {"detail": "Too many concurrent jobs"})
    assert answer.headers["retry-after"] == "60"
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]
    clock.advance(3)
    await agents.make()


async def test_a_job_that_never_ends_holds_its_place_for_an_hour(
    open_agents: Open, clock: TurnedClock
) -> None:
    agents = await open_agents(agents_concurrent=1)
    job = await agents.make(prompt="[sandbox:never]")
    clock.advance(3599)
    assert (await agents.ask()).status_code == 429
    clock.advance(1)
    await agents.make()
    assert (await agents.read(job))["state"] == "processing"


async def test_a_job_is_queued_then_processed_then_completed(
    agents: Agents, clock: TurnedClock
) -> None:
    clip = await agents.make_clip()
    states = [clip["state"]]
    for seconds in (1.9, 0.1, 7.9, 0.1):
        clock.advance(seconds)
        read = await agents.read(clip)
        states.append(read["state"])
        assert bool(read["output"]) is (read["state"] == "completed")
    assert states == ["queued", "queued", "processing", "processing", "completed"]
    assert "request" not in read


async def test_the_oldest_job_is_forgotten_first(open_agents: Open) -> None:
    agents = await open_agents(max_jobs_per_account=2)
    jobs = [await agents.make() for _ in range(3)]
    answers = [(await agents.get(f"/generations/{job['id']}")).status_code for job in jobs]
    assert answers == [404, 200, 200]


PRICES = [
    ({}, 4.04),
    ({"model": "uni-1-max"}, 10),
    ({"image_ref": [PICTURE]}, 4.34),
    ({"image_ref": [PICTURE] * 9}, 6.74),
    ({"model": "uni-1-max", "image_ref": [PICTURE] * 9}, 12.7),
    (CHANGE, 4.34),
    ({**CHANGE, "image_ref": [PICTURE] * 8}, 6.74),
    ({**CHANGE, "model": "uni-1-max"}, 10.3),
    (LAYERING, 9),
    ({**LAYERING, "layering": {"resolution": "2k"}}, 18),
    (video(resolution="360p"), 8),
    (video(resolution="540p"), 15),
    (video(), 30),
    (video(resolution="1080p"), 120),
    (video(resolution="540p", duration="10s"), 45),
    (video(duration="10s"), 90),
    (video(resolution="1080p", duration="10s"), 360),
    (video(hdr=True), 60),
    (video(hdr=True, resolution="1080p"), 240),
    (video(hdr=True, exr_export=True), 90),
    (video(hdr=True, exr_export=True, resolution="1080p"), 360),
    (video(EDIT, resolution="540p"), 72),
    (EDIT, 108),
    (video(EDIT, resolution="1080p"), 216),
    (video(EDIT, hdr=True), 216),
    (video(EDIT, hdr=True, exr_export=True, resolution="1080p"), 648),
    (video(EDIT, hdr=True, resolution="540p"), 144),
    (REFRAME, 60),
    (video(REFRAME, resolution="540p"), 30),
    (video(REFRAME, resolution="1080p"), 180),
]


@pytest.mark.parametrize(("body", "cents"), PRICES)
async def test_a_job_costs_what_the_list_says(open_agents: Open, body: Json, cents: float) -> None:
    rich = await open_agents(starting_balance_cents=cents + 0.001)
    await rich.make(**body)
    poor = await open_agents(starting_balance_cents=cents - 0.001)
    answer = await poor.ask(**body)
    text = "Insufficient balance. Please add funds to continue."
    assert (answer.status_code, answer.json()) == (402, {"detail": text})


@pytest.mark.parametrize(("source_seconds", "cents"), [(5, 60), (10, 120)])
async def test_edits_and_reframes_are_paid_by_the_length_of_their_source(
    open_agents: Open, clock: TurnedClock, source_seconds: int, cents: float
) -> None:
    clip_cents = {5: 30, 10: 90}[source_seconds]
    agents = await open_agents(starting_balance_cents=clip_cents + cents + 0.001)
    clip = await agents.make_clip(video={"duration": f"{source_seconds}s"})
    clock.advance(10)
    await agents.make(**{**REFRAME, "source": {"generation_id": clip["id"]}})
    assert (await agents.ask()).status_code == 402


async def test_an_extension_costs_one_block(open_agents: Open, clock: TurnedClock) -> None:
    agents = await open_agents(starting_balance_cents=60.001)
    clip = {"generation_id": (await agents.make_clip())["id"]}
    clock.advance(10)
    await agents.make(**video(end_frame=clip))
    assert (await agents.ask()).status_code == 402


async def test_a_new_account_owns_a_hundred_dollars(open_agents: Open) -> None:
    agents = await open_agents(agents_creates_per_minute=100, agents_concurrent=100)
    dear = video(EDIT, hdr=True, exr_export=True, resolution="1080p")
    for _ in range(15):
        await agents.make(**dear)
    assert (await agents.ask(**dear)).status_code == 402


@pytest.mark.parametrize(
    ("code", "reason", "refunded"),
    [
        (
            "content_moderated",
            "Generation output was flagged by our content moderation system.",
            True,
        ),
        ("generation_failed", "Generation failed", True),
        ("output_not_found", "Output artifacts not found", True),
        ("budget_exhausted", "Insufficient credits to complete this generation.", False),
    ],
)
async def test_a_failed_job_says_why_and_is_refunded_as_luma_says(
    open_agents: Open, clock: TurnedClock, code: str, reason: str, *, refunded: bool
) -> None:
    agents = await open_agents(starting_balance_cents=5.0)
    job = await agents.make(prompt=f"[sandbox:fail={code}]")
    running = await agents.read(job)
    assert (running["failure_code"], running["failure_reason"]) == (None, None)
    assert (await agents.ask()).status_code == 402
    clock.advance(3)
    failed = await agents.read(job)
    assert (failed["state"], failed["failure_code"]) == ("failed", code)
    assert (failed["failure_reason"], failed["output"]) == (reason, [])
    assert ((await agents.ask()).status_code == 201) is refunded


async def test_a_spent_budget_is_refunded_by_half(open_agents: Open, clock: TurnedClock) -> None:
    agents = await open_agents(starting_balance_cents=6.07)
    await agents.make(prompt="[sandbox:fail=budget_exhausted]")
    clock.advance(3)
    await agents.make()
    assert (await agents.ask()).status_code == 402


@pytest.mark.parametrize("code", AGENTS_FAILURES)
async def test_every_code_can_be_asked_for(agents: Agents, clock: TurnedClock, code: str) -> None:
    job = await agents.make(prompt=f"[sandbox:fail={code}]")
    clock.advance(3)
    assert (await agents.read(job))["failure_code"] == code


async def test_a_word_of_dream_machine_is_refused_by_the_agents_api(agents: Agents) -> None:
    answer = await agents.ask(prompt="[sandbox:fail=moderation]")
    text = "Unknown sandbox word: fail=moderation"
    assert (answer.status_code, answer.json()) == (400, {"detail": text})


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (502, "Upstream service unavailable"),
        (503, "Media URL ingestion is unavailable"),
        (429, "Rate limit exceeded"),
        (500, "Internal server error"),
    ],
)
async def test_a_request_gets_the_status_that_it_asks_for(
    agents: Agents, status: int, text: str
) -> None:
    answer = await agents.ask(prompt=f"[sandbox:http={status},times=1]")
    assert (answer.status_code, answer.json()) == (status, {"detail": text})
    assert (await agents.ask(prompt=f"[sandbox:http={status},times=1]")).status_code == 201


async def test_the_first_reading_may_fail_and_answers_may_break(agents: Agents) -> None:
    job = await agents.make(prompt="[sandbox:get=502]")
    path = f"/generations/{job['id']}"
    assert [(await agents.get(path)).status_code for _ in range(2)] == [502, 200]
    for word, status in (("html", 502), ("redirect", 307), ("garbage", 201), ("empty", 201)):
        answer = await agents.ask(prompt=f"[sandbox:{word}]")
        assert answer.status_code == status
        assert answer.headers["x-api-version"] == "2026-04-01"
    for word in ("reset", "lost"):
        with pytest.raises(httpx.ReadError):
            await agents.ask(prompt=f"[sandbox:{word}]")
