"""What Luma's codes and texts about failed jobs mean."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from luma_agents.types import GenerationFailureCode

from luma_mcp.luma.failures import (
    Failure,
    FailureCode,
    failure_of_agents,
    failure_of_dream_machine,
    meaning_of,
)
from luma_mcp.redaction import hiding

OTHER_WORDS = "The prompt holds words that Luma does not allow: reword it, then create it again."
REWORD = (
    "Luma's moderation refused the prompt: reword it, then create it again. It is strict now and "
    "then with harmless prompts."
)
OTHER_PICTURE = "Luma's moderation refused a picture: use another one, then create it again."
RELINK = (
    "Luma could not read an input picture or video: use a direct, public https link to a file, "
    "on another host if need be, then create it again."
)
AGAIN = "A fault on Luma's side, not in the request: create it again as it was."
NO_CALLBACK = (
    "Luma could not deliver its callback: leave callback_url out if you gave one, else tell the "
    "operator of this server; then create it again."
)
CHANGE = "Change the prompt or the input and create it again."
OTHER_REQUEST = (
    "Luma's moderation refused the request or its result: the same again will be refused again, "
    "so change the prompt or the pictures, then create it again."
)
TOP_UP = (
    "The balance did not last for this job. Add funds to the account at platform.lumalabs.ai. "
    "Then create it again."
)
WAIT = "Too many jobs at once: wait a minute or for running jobs to end, then create it again."
SHRINK = "A picture is too large: use a smaller one (at most 50 MB), then create it again."
CONVERT = (
    "Luma does not read this format: use a JPEG, PNG, WebP or still GIF picture, or an MP4 video, "
    "then create it again."
)
EXPORT = "An input file is damaged or cut off: export or upload it anew, then create it again."
CORRECT = (
    "Luma cannot make this of what was asked: change what the reason names, then create it again."
)

MEANINGS = [
    ("Contains blacklisted words", "moderated", OTHER_WORDS),
    ("Frame moderation failed", "moderated", OTHER_PICTURE),
    ("Advanced prompt moderation failed", "moderated", REWORD),
    ("Advanced moderation failed", "moderated", REWORD),
    ("Failed to read user input frames", "unreadable_input", RELINK),
    ("400: failed to moderate image", "unreadable_input", RELINK),
    ("Prompt processing failed", "luma_fault", AGAIN),
    ("Error dispatching job", "luma_fault", AGAIN),
    ("Job failed", "luma_fault", AGAIN),
    ("Error processing callback", "callback_failed", NO_CALLBACK),
    ("Something that nobody has seen yet", "unknown", CHANGE),
    ("", "unknown", CHANGE),
    (None, "unknown", CHANGE),
]


@pytest.mark.parametrize(("reason", "code", "advice"), MEANINGS)
def test_a_failure_has_a_code_and_advice(reason: str | None, code: str, advice: str) -> None:
    meaning = meaning_of(reason)
    assert (meaning.code, meaning.advice) == (code, advice)


@pytest.mark.parametrize(("reason", "code", "advice"), MEANINGS[:10])
def test_capitals_and_words_around_it_change_no_meaning(
    reason: str, code: str, advice: str
) -> None:
    meaning = meaning_of(f"  ERROR: {reason.upper()}! (id 7)")
    assert (meaning.code, meaning.advice) == (code, advice)


@given(st.none() | st.text())
def test_every_text_has_a_meaning_with_advice(reason: str | None) -> None:
    assert meaning_of(reason).advice


@pytest.mark.parametrize(("reason", "code", "advice"), MEANINGS)
def test_dream_machine_refunds_every_failed_job(
    reason: str | None, code: FailureCode, advice: str
) -> None:
    words = reason or "Luma gave no reason."
    assert failure_of_dream_machine(reason) == Failure(code, words, advice, refunded=True)


AGENTS_MEANINGS = [
    ("content_moderated", "moderated", OTHER_REQUEST, True),
    ("generation_failed", "luma_fault", AGAIN, True),
    ("output_not_found", "luma_fault", AGAIN, True),
    ("budget_exhausted", "insufficient_credits", TOP_UP, None),
    ("rate_limited", "rate_limited", WAIT, None),
    ("image_too_large", "unreadable_input", SHRINK, None),
    ("unsupported_format", "unreadable_input", CONVERT, None),
    ("corrupt_input", "unreadable_input", EXPORT, None),
    ("invalid_request", "invalid_request", CORRECT, None),
    ("a_code_that_nobody_has_seen_yet", "unknown", CHANGE, None),
    ("", "unknown", CHANGE, None),
    (None, "unknown", CHANGE, None),
]


@pytest.mark.parametrize(("theirs", "code", "advice", "refunded"), AGENTS_MEANINGS)
def test_a_code_of_the_agents_api_says_what_to_do_and_whether_it_is_refunded(
    theirs: str | None, code: FailureCode, advice: str, *, refunded: bool | None
) -> None:
    # The code counts, whatever the text would mean from the other API.
    for reason in ("Contains blacklisted words", "Job failed"):
        expected = Failure(code, reason, advice, refunded)
        assert failure_of_agents(theirs, reason) == expected


def test_every_code_of_luma_s_sdk_has_a_meaning_of_its_own() -> None:
    known = {theirs for theirs, _, advice, _ in AGENTS_MEANINGS if advice != CHANGE}
    assert known == set(get_args(GenerationFailureCode))


def test_every_code_of_ours_is_the_meaning_of_something() -> None:
    codes = {code for _, code, *_ in (*MEANINGS, *AGENTS_MEANINGS)}
    assert codes == set(get_args(FailureCode))


@pytest.mark.parametrize("reason", [None, "", " \n", "\u202e\x00"])
def test_a_missing_reason_is_said_to_be_missing(reason: str | None) -> None:
    assert failure_of_dream_machine(reason).reason == "Luma gave no reason."
    assert failure_of_agents("rate_limited", reason).reason == "Luma gave no reason."


def test_a_reason_is_one_short_line_without_secrets() -> None:
    text = "Failed for s3cret-key:\n\thttps://x.example/a?sig=abc \u202e" + "x" * 9999
    with hiding("s3cret-key"):
        for failure in (failure_of_dream_machine(text), failure_of_agents(None, text)):
            start, _, rest = failure.reason.partition(" x")
            assert start == "Failed for [hidden]: https://x.example/a?[hidden]"
            assert len(rest) < 300


@given(st.none() | st.text(), st.none() | st.text())
def test_every_code_and_text_is_a_failure_with_reason_and_advice(
    code: str | None, reason: str | None
) -> None:
    failure = failure_of_agents(code, reason)
    assert failure.reason
    assert failure.advice
    assert failure.refunded is None
