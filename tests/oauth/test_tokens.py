"""Tokens of sign-ins: each good for one thing, at one server, for a while."""

from itertools import product
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luma_mcp.oauth.tokens import Kind, Tokens, hash_of
from luma_mcp.sealing import Sealer, key_from

SECRET, OLD_SECRET = "the-secret-of-this-server-" * 2, "the-secret-of-before-" * 2
RESOURCE = "https://luma.example/oauth/mcp"
KINDS: tuple[Kind, ...] = get_args(Kind)
CLAIMS = {"sub": "a sign-in", "keys": {"dream_machine": "luma-canary"}}


def tokens(*secrets: str, resource: str = RESOURCE, now: float = 1_000_000) -> Tokens:
    return Tokens(Sealer(*map(key_from, secrets or [SECRET]), now=lambda: now), resource)


@pytest.mark.parametrize(("made", "taken_for"), list(product(KINDS, KINDS)))
def test_a_token_is_of_its_own_kind_and_no_other(made: Kind, taken_for: Kind) -> None:
    token = tokens().make(made, CLAIMS)
    marked = f"lmcp_{taken_for}_{token.removeprefix(f'lmcp_{made}_')}"
    own = {**CLAIMS, "aud": hash_of(RESOURCE)} if made == taken_for else None
    assert tokens().read(taken_for, token) == own
    assert tokens().read(taken_for, token.removeprefix(f"lmcp_{made}_")) is None
    assert tokens().read(taken_for, marked) == own


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_lasts_to_the_second(kind: Kind) -> None:
    token = tokens().make(kind, CLAIMS, 60)
    assert tokens(now=1_000_059).read(kind, token) is not None
    assert tokens(now=1_000_060).read(kind, token) is None


@pytest.mark.parametrize(
    "resource",
    ["https://other.example/oauth/mcp", RESOURCE + "/", "http://luma.example/oauth/mcp", ""],
)
def test_a_token_is_good_at_one_server_even_where_another_has_the_same_secret(
    resource: str,
) -> None:
    token = tokens(resource=resource).make("access", CLAIMS)
    assert tokens(resource=resource).read("access", token) is not None
    assert tokens().read("access", token) is None


def test_claims_cannot_name_another_audience() -> None:
    token = tokens(resource="https://other.example").make("access", {"aud": hash_of(RESOURCE)})
    assert tokens().read("access", token) is None


def test_secrets_rotate_without_an_end_of_sign_ins() -> None:
    before, during, after = tokens(OLD_SECRET), tokens(SECRET, OLD_SECRET), tokens(SECRET)
    old, new = before.make("refresh", CLAIMS), during.make("refresh", CLAIMS)
    assert [one.read("refresh", old) is not None for one in (before, during, after)] == [
        True,
        True,
        False,
    ]
    assert [one.read("refresh", new) is not None for one in (before, during, after)] == [
        False,
        True,
        True,
    ]


def test_a_token_shows_nothing_of_what_it_holds_and_is_never_the_same_twice() -> None:
    first, second = (tokens().make("access", CLAIMS) for _ in range(2))
    assert first != second
    assert "canary" not in first
    assert "Y2FuYXJ5" not in first  # in base64


TOKEN = tokens().make("access", CLAIMS)


@given(at=st.integers(0, len(TOKEN) - 1), character=st.characters(codec="utf-8"))
@settings(max_examples=100, deadline=None)
def test_a_token_with_one_other_character_says_nothing_else(at: int, character: str) -> None:
    # The last character of a part may carry bits that are none; it reads the same then.
    claims = tokens().read("access", TOKEN[:at] + character + TOKEN[at + 1 :])
    assert claims in (None, {**CLAIMS, "aud": hash_of(RESOURCE)})
    if at not in {TOKEN.rindex(".") - 1, len(TOKEN) - 1} and character != TOKEN[at]:
        assert claims is None


@given(st.text(max_size=200), st.sampled_from(KINDS))
@settings(max_examples=100, deadline=None)
def test_whatever_is_no_token_is_none(text: str, kind: Kind) -> None:
    start = TOKEN[: TOKEN.index(".") + 1].replace("access", kind)
    for candidate in (text, f"lmcp_{kind}_{text}", start + text, f"{start}.{text}.."):
        assert tokens().read(kind, candidate) is None


def test_a_token_of_any_length_is_read_without_harm() -> None:
    assert tokens().read("access", "lmcp_access_" + "e" * 1_000_000) is None


def test_a_hash_stands_for_one_text() -> None:
    assert hash_of("a") == hash_of("a") != hash_of("b")
    assert len(hash_of("a")) == 16
