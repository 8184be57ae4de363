"""The tree of errors, and what each of them says by itself."""

import re
from collections.abc import Iterator
from contextlib import suppress

import pytest

from luma_mcp import errors
from luma_mcp.errors import LumaMcpError, let_go

LEAF = re.compile(r"^[│ ]*[├└]── (\w+) +(\w+) ", re.MULTILINE)


def descendants(kind: type[LumaMcpError]) -> Iterator[type[LumaMcpError]]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


KINDS = list(descendants(LumaMcpError))


def test_the_drawn_tree_is_the_tree() -> None:
    assert LEAF.findall(errors.__doc__ or "") == [(kind.__name__, kind.code) for kind in KINDS]


def test_a_code_stands_for_one_kind_and_what_is_below_it() -> None:
    own = [kind.code for kind in LumaMcpError.__subclasses__()]
    assert sorted(own) == sorted({kind.code for kind in KINDS})


def test_only_a_passing_trouble_is_worth_another_attempt() -> None:
    assert {kind.code for kind in KINDS if kind.retryable} == {
        "rate_limited",
        "unavailable",
        "timed_out",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_its_message_and_carries_nothing_by_itself(kind: type[LumaMcpError]) -> None:
    error = kind("It failed.")
    assert str(error) == error.message == "It failed."
    assert error.advice == kind.default_advice
    assert (error.retry_after_seconds, error.generation_id) == (None, None)


@pytest.mark.parametrize("kind", KINDS)
def test_the_advice_of_the_moment_wins_over_that_of_the_kind(kind: type[LumaMcpError]) -> None:
    error = kind("It failed.", advice="Do this.", retry_after_seconds=7, generation_id="id")
    assert (error.advice, error.retry_after_seconds, error.generation_id) == ("Do this.", 7, "id")


def test_an_error_that_is_let_go_holds_nothing_of_how_it_came() -> None:
    first, second, third = ValueError("1"), ValueError("2"), ValueError("3")
    second.__cause__, second.__context__ = first, third
    third.__context__ = error = ValueError("4")
    for one in (first, second, third, error):
        with suppress(ValueError):
            raise one
    let_go(second)
    for one in (first, second, third, error):
        assert (one.__traceback__, one.__cause__, one.__context__) == (None, None, None)
