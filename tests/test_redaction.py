"""What may be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_mcp.redaction import HIDDEN, hiding, quoted, redact
from luma_mcp.wording import MAX_QUOTE

SECRET = "a key of no shape"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key luma-abcdef-123_x.y", f"key {HIDDEN}"),
        ("(luma-api-0123456789)", f"({HIDDEN})"),
        ("LUMA_API_KEY=luma-0123456789", f"LUMA_API_KEY={HIDDEN}"),
        ("the code lmcp_code_eyJ0..a-b_c.d is used", f"the code {HIDDEN} is used"),
        ("Authorization: Bearer abc.def-ghi", f"Authorization: Bearer {HIDDEN}"),
        ("{'authorization': 'bearer xyz'}", f"{{'authorization': 'bearer {HIDDEN}'}}"),
        ("BEARER\tabc, next", f"BEARER {HIDDEN}, next"),
        ("https://x.example/a.mp4?X-Signature=1&b=2 ok", f"https://x.example/a.mp4?{HIDDEN} ok"),
        ('"http://x.example/?sig=1"', f'"http://x.example/?{HIDDEN}"'),
        ("<https://x.example/a?b=c>", f"<https://x.example/a?{HIDDEN}>"),
        ("s3://bucket/a?X-Signature=1", f"s3://bucket/a?{HIDDEN}"),
        ("wss://ada:pw@x.example/?t=1", f"wss://{HIDDEN}@x.example/?{HIDDEN}"),
        ("https://x.example/a#token=1", f"https://x.example/a#{HIDDEN}"),
        ("https://ada:secret@x.example/a", f"https://{HIDDEN}@x.example/a"),
    ],
)
def test_keys_bearer_values_and_signatures_are_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "luma-mcp 0.1.0",
        "https://lumalabs.ai/dream-machine/api/keys",
        "in the header 'Authorization: Bearer <key>' (or X-API-Key)",
        "What is it? A boat.",
        "",
    ],
)
def test_a_harmless_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("text", ["Bearer luma-0123456789", "https://x.example/?a=luma-0123456789"])
def test_what_is_hidden_already_is_not_hidden_once_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)
    assert redact(text).count("]") == 1


@pytest.mark.parametrize("key", ["luma-0123456789", SECRET])
@pytest.mark.parametrize("text", ["https://x.example/?a={}&sig=tail", "Bearer {}~tail"])
def test_what_follows_a_hidden_key_is_hidden_with_it(text: str, key: str) -> None:
    with hiding(SECRET):
        assert "tail" not in redact(text.format(key))


def test_a_value_is_hidden_within_its_block_alone() -> None:
    with hiding(SECRET):
        assert redact(f"It is {SECRET}, {SECRET}!") == f"It is {HIDDEN}, {HIDDEN}!"
    assert redact(SECRET) == SECRET


def test_blocks_within_blocks_hide_together() -> None:
    with hiding("one-secret"):
        with hiding("two-secret", ""):
            assert redact("one-secret two-secret") == f"{HIDDEN} {HIDDEN}"
        assert redact("one-secret two-secret") == f"{HIDDEN} two-secret"


def test_a_value_that_begins_with_another_is_hidden_whole() -> None:
    with hiding("abcdef", "abcdef-ghijkl"):
        assert redact("abcdef-ghijkl") == HIDDEN


def test_a_value_too_short_for_a_secret_garbles_nothing() -> None:
    with hiding("a"):
        assert redact("a call") == "a call"


def test_a_text_full_of_links_is_read_once() -> None:
    # With time that grew with the square of the text this would take hours.
    assert redact("http://" * 1_000_000).startswith("http://")


def test_a_block_ends_when_it_fails() -> None:
    with pytest.raises(ValueError, match="no"), hiding(SECRET):
        raise ValueError("no")
    assert redact(SECRET) == SECRET


def test_a_quote_is_one_line_without_what_cannot_be_printed() -> None:
    assert quoted(" a\r\n b\x00\x1b[31m \u202ec\u200b\u2066d ") == "a b [31m c d"


def test_a_quote_can_always_be_written() -> None:
    assert quoted("half \ud83d a pair \U0001f6a4").encode() == "half a pair \U0001f6a4".encode()


def test_a_quote_is_cut() -> None:
    assert quoted("x" * MAX_QUOTE) == "x" * MAX_QUOTE
    assert quoted("x" * (MAX_QUOTE + 1)) == "x" * MAX_QUOTE + "…"


def test_a_quote_does_not_show_half_a_key_at_the_cut() -> None:
    text = "x" * (MAX_QUOTE - 8) + " luma-0123456789"
    assert "luma-0" not in quoted(text)


@given(st.text(), st.text(min_size=8))
def test_whatever_stands_around_it_a_secret_is_never_shown(around: str, secret: str) -> None:
    with hiding(secret):
        parts = redact(around + secret + around).split(HIDDEN)
    assert [part for part in parts if secret in part] == []
