"""Sealed tokens: what comes back is what was given out, or nothing."""

import base64
import json
import string
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwe import JWERegistry
from joserfc.jwk import OctKey

from luma_mcp.sealing import KEY_BYTES, MAX_TOKEN_LENGTH, Sealer, key_from

SECRET = bytes(range(KEY_BYTES))
NOW = 1_800_000_000.0
CLAIMS = {"key": "a hash of the key", "name": "quite-secret"}
HEADER = {"typ": "callback", "alg": "dir", "enc": "A256GCM"}
ALPHABET = string.ascii_letters + string.digits + "-_"


class Hours:
    """The time of day, which a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def sealer_at(now: float = NOW, secret: bytes = SECRET) -> Sealer:
    return Sealer(secret, now=lambda: now)


def token(seconds: float = 60, **claims: str) -> str:
    return sealer_at().seal("callback", claims or CLAIMS, seconds)


def encoded(part: Any) -> str:  # noqa: ANN401 - bytes, or anything that JSON can write
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def with_header(header: Any, sealed: str = "") -> str:  # noqa: ANN401 - likewise
    """Put another header before a token that is good otherwise."""
    _, rest = (sealed or token()).split(".", 1)
    return f"{encoded(header)}.{rest}"


@pytest.mark.parametrize("claims", [{}, CLAIMS, {"number": 1, "nested": {"ä": [None, True]}}])
def test_what_was_sealed_comes_back(claims: dict[str, Any]) -> None:
    sealer = sealer_at()
    opened = sealer.open("callback", sealer.seal("callback", claims, 60))
    assert opened == claims | {"exp": NOW + 60}


def test_a_process_that_has_the_secret_opens_what_another_sealed() -> None:
    assert sealer_at().open("callback", token()) == CLAIMS | {"exp": NOW + 60}


def test_a_secret_of_a_process_ends_with_it() -> None:
    one, other = Sealer(), Sealer()
    sealed = one.seal("callback", CLAIMS, 60)
    assert one.open("callback", sealed) is not None
    assert other.open("callback", sealed) is None


def test_claims_are_not_changed_by_sealing_them() -> None:
    claims = dict(CLAIMS)
    sealer_at().seal("callback", claims, 60)
    assert claims == CLAIMS


@pytest.mark.parametrize("purpose", ["", "Callback", "callback ", "session"])
def test_a_token_serves_one_purpose_only(purpose: str) -> None:
    assert sealer_at().open(purpose, token()) is None


@pytest.mark.parametrize("seconds", [1, 60, 86_400])
def test_a_token_lasts_as_long_as_was_said_and_no_longer(seconds: float) -> None:
    hours = Hours()
    sealer = Sealer(SECRET, now=hours)
    sealed = sealer.seal("callback", CLAIMS, seconds)
    hours.now = NOW + seconds - 0.001
    assert sealer.open("callback", sealed) is not None
    hours.now = NOW + seconds
    assert sealer.open("callback", sealed) is None


def test_whoever_seals_cannot_make_a_claim_about_the_end() -> None:
    sealed = token(60, exp="never")
    assert sealer_at(NOW + 59).open("callback", sealed) == {"exp": NOW + 60}
    assert sealer_at(NOW + 60).open("callback", sealed) is None


def test_a_token_is_an_address_of_plain_characters() -> None:
    assert set(token()) <= set(ALPHABET + ".")


def test_nothing_of_the_claims_can_be_read_in_a_token() -> None:
    sealed = token()
    parts = [base64.urlsafe_b64decode(part + "===") for part in sealed.split(".")]
    assert json.loads(parts[0]) == HEADER
    shown = b"".join([*parts, sealed.encode()])
    for text in (*CLAIMS, *CLAIMS.values(), str(int(NOW + 60)), "exp"):
        assert text.encode() not in shown
        assert encoded(text.encode())[:-1].encode() not in shown


def test_no_two_tokens_of_the_same_claims_are_alike() -> None:
    assert len({token() for _ in range(10)}) == 10
    assert len({token().split(".")[3] for _ in range(10)}) == 10


@pytest.mark.parametrize("length", range(4))
def test_a_token_with_any_character_changed_is_not_ours(length: int) -> None:
    # Of other lengths, other bits of the last characters carry nothing.
    sealer, sealed = sealer_at(), token(name="n" * length)
    for place, character in enumerate(sealed):
        for forged in {*ALPHABET, ".", "=", "+", "\n", "ä"} - {character}:
            changed = sealed[:place] + forged + sealed[place + 1 :]
            assert sealer.open("callback", changed) is None, (place, forged)


def test_a_token_that_is_cut_or_drawn_out_is_not_ours() -> None:
    sealer, sealed = sealer_at(), token()
    for place in range(len(sealed)):
        assert sealer.open("callback", sealed[:place]) is None, place
        assert sealer.open("callback", sealed[place + 1 :]) is None, place
        assert sealer.open("callback", sealed[:place] + sealed[place + 1 :]) is None, place
    for more in (".", "A", "=", "==", " ", "\n", "\0", ".A", sealed):
        assert sealer.open("callback", sealed + more) is None, more
        assert sealer.open("callback", more + sealed) is None, more


def test_parts_of_two_tokens_make_no_third() -> None:
    one, other = token().split("."), token().split(".")
    for place in (2, 3, 4):
        mixed = [*one[:place], other[place], *one[place + 1 :]]
        assert sealer_at().open("callback", ".".join(mixed)) is None, place


def test_a_token_sealed_with_another_secret_is_not_ours() -> None:
    assert sealer_at(secret=bytes(KEY_BYTES)).open("callback", token()) is None


OTHER = bytes(KEY_BYTES)


def test_a_new_key_seals_while_the_old_one_still_opens() -> None:
    rotated = Sealer(OTHER, SECRET, now=lambda: NOW)
    assert rotated.open("callback", token()) is not None
    sealed = rotated.seal("callback", CLAIMS, 60)
    assert sealer_at(secret=OTHER).open("callback", sealed) is not None
    assert sealer_at().open("callback", sealed) is None


def test_a_key_that_was_rotated_out_opens_nothing_any_more() -> None:
    assert Sealer(OTHER, now=lambda: NOW).open("callback", token()) is None


def test_what_no_time_was_given_lasts() -> None:
    sealed = sealer_at().seal("callback", CLAIMS)
    assert sealer_at(NOW * 100).open("callback", sealed) == CLAIMS


def test_each_text_makes_one_key_of_its_own() -> None:
    keys = {key_from(text) for text in ("a" * 32, "a" * 33, "ä" * 32, "b" * 32)}
    assert {len(key) for key in keys} == {KEY_BYTES}
    assert len(keys) == 4
    assert key_from("a" * 32) in keys


HEADERS = {
    "no algorithm": HEADER | {"alg": "none"},
    "a signature": HEADER | {"alg": "HS256"},
    "a password": HEADER | {"alg": "PBES2-HS256+A128KW", "p2c": 10**9, "p2s": "AA"},
    "a key exchange": HEADER | {"alg": "ECDH-ES", "epk": {"kty": "OKP", "crv": "X25519"}},
    "a wrapped key": HEADER | {"alg": "A256KW"},
    "a shorter key": HEADER | {"enc": "A128GCM"},
    "another mode": HEADER | {"enc": "A256CBC-HS512"},
    "swapped": HEADER | {"alg": "A256GCM", "enc": "dir"},
    "zipped": HEADER | {"zip": "DEF"},
    "critical": HEADER | {"crit": ["exp"]},
    "a key of its own": HEADER | {"jwk": {"kty": "oct", "k": "AAAA"}},
    "a key from elsewhere": HEADER | {"jku": "https://evil.example/keys.json"},
    "an unknown member": HEADER | {"more": 1},
    "another purpose": HEADER | {"typ": "session"},
    "no purpose": {"alg": "dir", "enc": "A256GCM"},
    "in other words": json.dumps(HEADER, separators=(", ", ": ")).encode(),
    "empty": {},
    "null": None,
    "a number": 1,
    "not a number": b"NaN",
    "a huge number": b"1" * 700,
    "a list": list(HEADER),
    "a text with the members' names": "alg enc typ",
    "algorithms in a list": HEADER | {"alg": ["dir"]},
    "encryptions in a list": HEADER | {"enc": ["A256GCM"]},
    "encryptions in an object": HEADER | {"enc": {"A256GCM": 1}},
    "critical, a number": HEADER | {"crit": 1},
    "critical, a list of lists": HEADER | {"crit": [[]]},
    "zipped with a list": HEADER | {"zip": [[]]},
    "deep": b"[" * 750,
    "deep in an object": b'{"alg":' * 100,
    "no UTF-8": b"\xff\xfe",
    "UTF-16": json.dumps(HEADER).encode("utf-16"),
    "half a character": b'{"alg":"\\ud800","enc":"A256GCM"}',
    "no JSON": b"{alg: dir}",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_token_under_another_header_is_not_ours(header: Any) -> None:  # noqa: ANN401 - any JSON
    forged = with_header(header)
    assert len(forged) <= MAX_TOKEN_LENGTH
    assert sealer_at().open("callback", forged) is None


@pytest.mark.parametrize("more", [{}, {"zip": "DEF"}, {"alg": "A256KW"}, {"enc": "A128CBC-HS256"}])
def test_what_was_sealed_with_our_secret_by_other_rules_is_not_ours(more: dict[str, str]) -> None:
    header, claims = (
        HEADER | more,
        {"bomb": "a" * 1_000_000 if "zip" in more else "", "exp": NOW + 1},
    )
    registry = JWERegistry(algorithms=[*header.values()])
    sealed = jwt.encode(header, claims, OctKey.import_key(SECRET), registry=registry)
    assert len(sealed) <= MAX_TOKEN_LENGTH
    assert (sealer_at().open("callback", sealed) is None) is bool(more)


def test_the_header_alone_is_not_what_makes_a_token_good() -> None:
    assert with_header(json.dumps(HEADER, separators=(",", ":")).encode(), good := token()) == good


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        ".",
        "....",
        ".....",
        "a.b.c",
        "a.b.c.d.e",
        "schlüssel",
        "....ä",
        "\N{PILE OF POO}" * 5,
        "\ud800",
        "\0",
        "A" * MAX_TOKEN_LENGTH,
        "." * MAX_TOKEN_LENGTH,
        "{}",
        "null",
        "../../etc/passwd",
        "%2e%2e%2f",
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_garbage_is_not_ours(garbage: str) -> None:
    assert sealer_at().open("callback", garbage) is None


def test_a_token_that_is_too_long_is_not_even_looked_into() -> None:
    sealer = sealer_at()
    sealed = sealer.seal("callback", {"long": "a" * MAX_TOKEN_LENGTH}, 60)
    assert len(sealed) > MAX_TOKEN_LENGTH
    assert sealer.open("callback", sealed) is None
    assert sealer.open("callback", "ä" * 10_000_000) is None


def test_a_token_of_the_greatest_length_is_opened() -> None:
    sealer = sealer_at()
    lengths = range(MAX_TOKEN_LENGTH * 3 // 4 - 150, MAX_TOKEN_LENGTH)
    tokens = (sealer.seal("callback", {"long": "a" * length}, 60) for length in lengths)
    sealed = next(one for one in tokens if len(one) >= MAX_TOKEN_LENGTH - 1)
    assert len(sealed) <= MAX_TOKEN_LENGTH
    assert sealer.open("callback", sealed) is not None


@given(st.text() | st.lists(st.text(ALPHABET), min_size=5, max_size=5).map(".".join))
def test_no_text_is_a_token_and_none_makes_it_raise(text: str) -> None:
    assert sealer_at().open("callback", text) is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from([*HEADER, *HEADER.values(), "none", "DEF", "crit", "zip", "exp"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
MEMBERS = st.dictionaries(st.sampled_from([*HEADER, "zip", "crit", "kid", "jwk"]), JSON)


@given(JSON | MEMBERS.map(lambda members: HEADER | members))
@example("alg enc typ")
@example(HEADER | {"enc": []})
def test_no_header_makes_it_raise_nor_takes_the_place_of_ours(header: Any) -> None:  # noqa: ANN401 - any JSON
    opened = sealer_at().open("callback", with_header(header))
    assert opened is None


@given(st.binary(max_size=100), st.binary(max_size=20), st.binary(max_size=20))
def test_no_bytes_under_our_header_are_a_token(text: bytes, vector: bytes, tag: bytes) -> None:
    good, *_ = token().split(".")
    forged = ".".join([good, "", encoded(vector), encoded(text), encoded(tag)])
    assert sealer_at().open("callback", forged) is None


@given(st.dictionaries(st.text().filter(lambda name: name != "exp"), st.text(max_size=20)))
def test_whatever_is_sealed_comes_back(claims: dict[str, str]) -> None:
    sealer = sealer_at()
    sealed = sealer.seal("callback", claims, 60)
    expected = claims | {"exp": NOW + 60} if len(sealed) <= MAX_TOKEN_LENGTH else None
    assert sealer.open("callback", sealed) == expected
