"""What is wrong with a tool's arguments: by name, with what is allowed, without the value."""

import difflib
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from luma_mcp.errors import InvalidRequest
from luma_mcp.luma.ids import EXAMPLE_ID
from luma_mcp.redaction import quoted
from luma_mcp.wording import reason_of

MAX_REPORTED = 5
MAX_NAME = 40
_UNKNOWN = frozenset({"unexpected_keyword_argument", "extra_forbidden"})
_REQUIRED = frozenset({"missing", "missing_argument", "missing_keyword_only_argument"})


def short(name: str) -> str:
    """Make a name that a caller chose fit to be repeated."""
    name = quoted(name)
    return name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}…"


def _path(location: Sequence[int | str]) -> str:
    """Write ("image_ref", 0, "url") as image_ref[0].url."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{short(part)}"
    return path.lstrip(".")


def _wrong_pattern(name: str) -> str:
    if name.endswith(("generation_id", ".id")):
        return f"{name} must be the id of a generation, such as {EXAMPLE_ID}."
    return f"{name} must be a public URL that starts with https:// (or http://)."


def _sentence(error: dict[str, Any], parameters: Sequence[str]) -> str:
    location, kind = error["loc"], error["type"]
    name = _path(location)
    if kind in _UNKNOWN:
        if len(location) > 1:
            return f"{name} is not known."
        close = difflib.get_close_matches(short(str(location[-1])), parameters, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        known = f"The parameters are: {', '.join(parameters)}." if parameters else "It takes none."
        return f"There is no parameter {name}.{hint} {known}"
    if kind in _REQUIRED:
        return f"{name} is required."
    if kind == "string_pattern_mismatch":
        return _wrong_pattern(name)
    return f"{name} {reason_of(error)}."


def wrong_arguments(tool: str, parameters: Sequence[str], error: ValidationError) -> InvalidRequest:
    """Say in plain words which arguments are wrong and what they may be.

    The value that came is never repeated: it may be a secret in the wrong place.
    """
    errors = error.errors(include_url=False, include_input=False)
    sentences = [_sentence(dict(one), parameters) for one in errors[:MAX_REPORTED]]
    if len(errors) > MAX_REPORTED:
        sentences.append(f"And {len(errors) - MAX_REPORTED} more.")
    return InvalidRequest(
        " ".join(sentences), advice=f"Correct the arguments of {tool}; nothing was sent or spent."
    )


def no_such_tool(name: str, tools: Sequence[str]) -> InvalidRequest:
    """Say that a tool does not exist and which one may be meant."""
    close = difflib.get_close_matches(short(name), tools, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    return InvalidRequest(
        f"There is no tool '{short(name)}'.", advice=f"{hint}The tools are: {', '.join(tools)}."
    )
