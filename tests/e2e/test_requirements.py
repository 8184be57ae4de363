"""What the machine lacks is skipped with the reason, unless everything is required."""

import pytest

from tests.e2e.requirements import missing


@pytest.mark.parametrize(
    ("required", "outcome"), [(False, pytest.skip.Exception), (True, pytest.fail.Exception)]
)
def test_what_the_machine_lacks_is_skipped_or_fails(
    required: bool,  # noqa: FBT001 - a parameter of the test
    outcome: type[BaseException],
) -> None:
    with pytest.raises(outcome, match="no such thing"):
        missing("no such thing", required=required)
