"""What Luma's texts about failed jobs mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_mcp.luma.failures import meaning_of

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
