import pytest

from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.sandbox.faults import (
    ACCIDENTS,
    AGENTS_FAILURES,
    DREAM_MACHINE_FAILURES,
    WORDS,
    Faults,
    parse_faults,
)
from tests.sandbox.conftest import Json, Luma, count_jobs, create

FAILURES = {**DREAM_MACHINE_FAILURES, **AGENTS_FAILURES}


def parse(prompt: str) -> Faults:
    return parse_faults(prompt, FAILURES)


@pytest.mark.parametrize("word", WORDS)
def test_every_documented_word_is_understood(word: str) -> None:
    assert parse(f"a pear {word}") != parse("a pear")


def test_every_accident_is_documented() -> None:
    assert {f"[sandbox:{accident}]" for accident in ACCIDENTS} <= set(WORDS)


def test_every_failure_is_documented() -> None:
    for failure in FAILURES:
        assert failure in "".join([*WORDS, *WORDS.values()])


def test_words_may_share_brackets_or_have_their_own() -> None:
    shared = parse("[sandbox:http=503,times=2, retry-after=none] a pear")
    apart = parse("[sandbox:http=503] a [sandbox:times=2] pear [sandbox:retry-after=none]")
    assert shared == apart
    assert (shared.status, shared.times, shared.retry_after) == (503, 2, "none")


@pytest.mark.parametrize(
    "word",
    [
        "",
        "typo",
        "typo=1",
        "never=1",
        "stall=1",
        "fail",
        "fail=typo",
        "fail=content_moderated",
        "http=200",
        "http=600",
        "http=abc",
        "seconds=-1",
        "seconds=1e3",
        "seconds=86401",
        "times=0",
        "retry-after=soon",
    ],
)
async def test_an_unknown_word_is_refused(luma: Luma, word: str) -> None:
    answer = await create(luma, f"[sandbox:{word}]")
    assert (answer.status_code, answer.json()["detail"]) == (400, f"Unknown sandbox word: {word}")


@pytest.mark.parametrize(
    ("word", "reason"), [(word, one.reason) for word, one in DREAM_MACHINE_FAILURES.items()]
)
async def test_a_job_fails_with_the_reason_that_was_asked_for(
    luma: Luma, clock: TurnedClock, word: str, reason: str
) -> None:
    clip = await luma.make(prompt=f"a tiger [sandbox:fail={word}]")
    clock.advance(9.9)
    assert (await luma.read(clip))["state"] == "dreaming"
    assert (await luma.read(clip))["failure_reason"] is None
    clock.advance(0.1)
    failed = await luma.read(clip)
    assert (failed["state"], failed["failure_reason"]) == ("failed", reason)
    assert failed["assets"] is None


SOURCES = [
    ("video", {"keyframes": {"frame0": {"type": "image", "url": "https://a.example/unreachable"}}}),
    ("image", {"prompt": "abc", "image_ref": [{}, {"url": "https://a.example/unreachable"}]}),
    (
        "image",
        {
            "prompt": "abc",
            "character_ref": {"identity0": {"images": ["https://a.example/unreachable"]}},
        },
    ),
]


@pytest.mark.parametrize(("kind", "body"), SOURCES)
async def test_a_source_that_is_unreachable_fails_the_job(
    luma: Luma, clock: TurnedClock, kind: str, body: Json
) -> None:
    generation = (await luma.post(f"/generations/{kind}", json=body)).json()
    clock.advance(10)
    failed = await luma.read(generation)
    assert failed["failure_reason"] == "Failed to read user input frames"


async def test_a_callback_that_is_unreachable_does_not_fail_the_job(
    luma: Luma, clock: TurnedClock
) -> None:
    image = await luma.make_image(callback_url="https://a.example/unreachable")
    clock.advance(10)
    assert (await luma.read(image))["state"] == "completed"


async def test_a_job_dreams_for_as_long_as_it_is_told_to(luma: Luma, clock: TurnedClock) -> None:
    image = await luma.make_image(prompt="a pear [sandbox:seconds=30]")
    clock.advance(30.4)
    assert (await luma.read(image))["state"] == "dreaming"
    clock.advance(0.1)
    assert (await luma.read(image))["state"] == "completed"


async def test_a_job_may_never_end(luma: Luma, clock: TurnedClock) -> None:
    image = await luma.make_image(prompt="a pear [sandbox:never]")
    clock.advance(10**8)
    assert (await luma.read(image))["state"] == "dreaming"


@pytest.mark.parametrize(
    ("status", "detail"), [(400, "The prompt asked for this"), (503, "Service unavailable")]
)
async def test_a_request_gets_the_status_that_it_asks_for_and_starts_nothing(
    luma: Luma, status: int, detail: str
) -> None:
    answer = await create(luma, f"[sandbox:http={status}]")
    assert (answer.status_code, answer.json()) == (status, {"detail": detail})
    assert "retry-after" not in answer.headers
    assert await count_jobs(luma) == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [("", "1"), (",retry-after=7", "7"), (",retry-after=none", None)],
)
async def test_too_many_requests_come_with_retry_after_unless_told_otherwise(
    luma: Luma, words: str, expected: str | None
) -> None:
    answer = await create(luma, f"[sandbox:http=429{words}]")
    assert (answer.status_code, answer.headers.get("retry-after")) == (429, expected)


async def test_only_the_first_creates_with_the_same_prompt_fail(luma: Luma) -> None:
    words = "[sandbox:http=503,times=2]"
    statuses = [(await create(luma, words)).status_code for _ in range(4)]
    assert statuses == [503, 503, 201, 201]
    assert (await create(luma, words + " again")).status_code == 503
    async with Luma(luma.app, "luma-other") as other:
        assert (await create(other, words)).status_code == 503


async def test_an_accident_may_happen_only_the_first_time(luma: Luma) -> None:
    statuses = [(await create(luma, "[sandbox:html,times=1]")).status_code for _ in range(2)]
    assert statuses == [502, 201]


async def test_the_memory_of_faults_is_bounded(luma: Luma) -> None:
    words = "[sandbox:http=503,times=1]"
    assert (await create(luma, words)).status_code == 503
    for number in range(1_000):
        await create(luma, f"{words} {number}")
    assert (await create(luma, words)).status_code == 503


@pytest.mark.parametrize(("words", "failing"), [("get=503", 1), ("get=503,times=2", 2)])
async def test_the_first_readings_of_a_job_fail(luma: Luma, words: str, failing: int) -> None:
    image = await luma.make_image(prompt=f"a pear [sandbox:{words}]")
    statuses = [(await luma.get(f"/generations/{image['id']}")).status_code for _ in range(4)]
    assert statuses == [503] * failing + [200] * (4 - failing)
