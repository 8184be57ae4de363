"""What pydantic found wrong, in plain words, and foreign text in one line."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from luma_mcp.wording import one_line, reason_of


class Point(BaseModel):
    model_config = ConfigDict(extra="forbid")
    x: int


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (int, "many", "must be a whole number"),
        (int, 1.5, "must be a whole number"),
        (float, "much", "must be a number"),
        (bool, "perhaps", "must be true or false"),
        (str, 5, "must be a text"),
        (list[int], 5, "must be a list"),
        (Point, 5, "must be an object"),
        (dict[str, int], 5, "must be an object"),
        (Annotated[list[int], Field(max_length=1)], [1, 2], "takes 1 at most"),
        (Annotated[list[int], Field(min_length=1)], [], "needs 1 at least"),
        (Annotated[str, Field(max_length=1)], "ab", "may have at most 1 characters"),
        (Annotated[int, Field(lt=3)], 3, "must be less than 3"),
        (type(None), 5, "is not valid"),
    ],
)
def test_a_wrong_value_is_told_what_it_must_be(kind: Any, value: object, reason: str) -> None:  # noqa: ANN401 - any type
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    assert reason_of(dict(caught.value.errors()[0])) == reason


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A boat", "A boat"),
        ("  A\tpaper\n\nboat\u202e\ud800 ", "A paper boat"),
        ("A" + " " * 200 + "boat", "A boat"),
        ("ab" * 20, "ab" * 10 + "…"),
        ("abc " * 20, "abc abc abc abc abc…"),
    ],
)
def test_foreign_text_becomes_one_line_of_bounded_length(text: str, line: str) -> None:
    assert one_line(text, 20) == line
