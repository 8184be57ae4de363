"""Keys in headers: found, checked, and never printed."""

import hashlib
import io
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_mcp.credentials import (
    AGENTS_KEY_HEADER,
    KEY_HEADERS,
    MAX_KEY_LENGTH,
    ApiKey,
    Credentials,
    credentials_from_headers,
)
from luma_mcp.errors import ConflictingKeys, InvalidRequest, LumaMcpError

SECRET = "s3cret-of-mine"
DREAM_MACHINE = Credentials(dream_machine=ApiKey(SECRET))
AGENTS_SECRET = "luma-api-s3cret"
AGENTS = Credentials(agents=ApiKey(AGENTS_SECRET))


@pytest.mark.parametrize("name", ["x-api-key", "x-auth-token", "x-luma-api-key"])
def test_a_header_of_its_own_carries_the_bare_key(name: str) -> None:
    assert credentials_from_headers([(name, SECRET)]) == DREAM_MACHINE


@pytest.mark.parametrize("value", ["Bearer {}", "bearer {}", "BEARER {}", "  bEaReR    {}  "])
def test_a_bearer_scheme_in_any_case_carries_the_key(value: str) -> None:
    headers = [("authorization", value.format(SECRET))]
    assert credentials_from_headers(headers) == DREAM_MACHINE


@pytest.mark.parametrize("value", [f"Basic {SECRET}", f"Token {SECRET}", SECRET, "Bearer", "", " "])
def test_an_authorization_of_another_scheme_carries_no_key(value: str) -> None:
    assert credentials_from_headers([("authorization", value)]) is None


def test_headers_without_a_key_are_nobody() -> None:
    assert credentials_from_headers([("accept", "*/*"), ("cookie", SECRET)]) is None


@pytest.mark.parametrize("name", [*KEY_HEADERS, AGENTS_KEY_HEADER])
def test_an_empty_header_counts_as_left_out(name: str) -> None:
    assert credentials_from_headers([(name, "  ")]) is None


@pytest.mark.parametrize("name", ["x-api-key", "x-auth-token", "x-luma-api-key"])
def test_a_key_that_begins_as_agents_keys_do_is_for_the_agents_api(name: str) -> None:
    assert credentials_from_headers([(name, AGENTS_SECRET)]) == AGENTS


def test_the_header_of_the_agents_api_takes_a_key_of_any_shape() -> None:
    found = credentials_from_headers([(AGENTS_KEY_HEADER, SECRET)])
    assert found == Credentials(agents=ApiKey(SECRET))


def test_both_keys_go_together() -> None:
    headers = [("authorization", f"Bearer {SECRET}"), (AGENTS_KEY_HEADER, AGENTS_SECRET)]
    found = credentials_from_headers(headers)
    assert found == Credentials(ApiKey(SECRET), ApiKey(AGENTS_SECRET))
    assert [key.secret for key in found.keys] == [SECRET, AGENTS_SECRET]


def test_the_same_key_in_several_headers_is_one_key() -> None:
    headers = [
        ("authorization", f"Bearer {SECRET}"),
        ("x-api-key", f" {SECRET} "),
        ("x-luma-api-key", SECRET),
        ("x-luma-api-key", SECRET),
    ]
    assert credentials_from_headers(headers) == DREAM_MACHINE


@pytest.mark.parametrize(
    ("headers", "product"),
    [
        ([("x-api-key", SECRET), ("x-auth-token", "another")], "Dream Machine API"),
        ([("x-api-key", SECRET), ("x-api-key", "another")], "Dream Machine API"),
        ([("x-api-key", AGENTS_SECRET), (AGENTS_KEY_HEADER, "another")], "Agents API"),
    ],
)
def test_two_different_keys_for_one_api_are_refused(
    headers: list[tuple[str, str]], product: str
) -> None:
    with pytest.raises(ConflictingKeys) as refused:
        credentials_from_headers(headers)
    assert refused.value.message == (
        f"The request carries two different keys for Luma's {product}."
    )
    assert SECRET not in repr(vars(refused.value))


@pytest.mark.parametrize(
    "value",
    [
        "two words",
        "tab\there",
        "line\nbreak",
        "nul\x00",
        "esc\x1b[31m",
        "del\x7f",
        "caf\xe9",
        "schlüssel",
        "a" * (MAX_KEY_LENGTH + 1),
    ],
)
@pytest.mark.parametrize("name", ["x-api-key", "authorization", AGENTS_KEY_HEADER])
def test_what_cannot_be_a_key_is_refused_without_repeating_it(name: str, value: str) -> None:
    sent = f"Bearer {value}" if name == "authorization" else value
    with pytest.raises(InvalidRequest) as refused:
        credentials_from_headers([(name, sent)])
    assert refused.value.message == f"The header {name} does not hold an API key."
    assert value not in repr(vars(refused.value))


def test_a_key_of_the_greatest_length_is_taken() -> None:
    longest = "a" * MAX_KEY_LENGTH
    assert credentials_from_headers([("x-api-key", longest)]) == Credentials(ApiKey(longest))


@pytest.mark.parametrize("holder", [ApiKey(SECRET), Credentials(ApiKey(SECRET), ApiKey(SECRET))])
def test_no_way_of_printing_shows_the_secret(holder: ApiKey | Credentials) -> None:
    stream = io.StringIO()
    logger = logging.Logger("test")  # noqa: LOG001 - stays outside the tree of loggers
    logger.addHandler(logging.StreamHandler(stream))
    logger.warning("%s %r %s", holder, holder, [holder])
    error = ValueError(holder)
    logger.error("It failed", exc_info=error)
    shown = [
        repr(error),
        str(error),
        repr(holder),
        str(holder),
        f"{holder}",
        f"{holder!r}",
        f"{[holder]}",
    ]
    assert SECRET not in stream.getvalue() + "".join(shown)


def test_the_principal_of_one_key_is_its_hash() -> None:
    assert DREAM_MACHINE.principal == hashlib.sha256(SECRET.encode()).hexdigest()
    assert Credentials(agents=ApiKey(SECRET)).principal == DREAM_MACHINE.principal


def test_the_principal_of_two_keys_is_one_of_its_own() -> None:
    both = Credentials(ApiKey(SECRET), ApiKey(AGENTS_SECRET))
    again = Credentials(ApiKey(SECRET), ApiKey(AGENTS_SECRET))
    assert both.principal == again.principal
    assert len({both.principal, DREAM_MACHINE.principal, AGENTS.principal}) == 3
    assert both.principal != Credentials(ApiKey(AGENTS_SECRET), ApiKey(SECRET)).principal


HEADERS = st.lists(
    st.tuples(
        st.sampled_from([*KEY_HEADERS, AGENTS_KEY_HEADER, "accept", ""]) | st.text(max_size=5),
        st.text(max_size=20)
        | st.sampled_from([f"Bearer {SECRET}", SECRET, AGENTS_SECRET, "bearer ", "Basic eA=="]),
    ),
    max_size=5,
)


@given(HEADERS)
def test_whatever_the_headers_hold_the_answer_is_keys_or_one_of_our_errors(
    headers: list[tuple[str, str]],
) -> None:
    try:
        found = credentials_from_headers(headers)
    except LumaMcpError:
        return
    if found is not None:
        assert found.keys
        assert all(any(key.secret in value for _, value in headers) for key in found.keys)
