"""What is wrong with a tool's arguments: by name, with what is allowed, without the value."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from luma_mcp.errors import InvalidRequest
from luma_mcp.luma.apis import AGENTS
from luma_mcp.luma.ids import EXAMPLE_ID
from luma_mcp.redaction import quoted
from luma_mcp.wording import did_you_mean, reason_of

MAX_REPORTED = 5
MAX_NAME = 40  # of a name that a caller chose
_UNKNOWN = frozenset({"unexpected_keyword_argument", "extra_forbidden"})
_REQUIRED = frozenset({"missing", "missing_argument", "missing_keyword_only_argument"})


def _path(location: Sequence[int | str]) -> str:
    """Write ("image_ref", 0, "url") as image_ref[0].url."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{quoted(part, MAX_NAME)}"
    return path.lstrip(".")


def _wrong_pattern(name: str) -> str:
    if name.endswith(("generation_id", ".id")):
        return (
            f"{name} must be the id of a generation, such as {EXAMPLE_ID}, or one of the Agents "
            f"API, such as {AGENTS.id_prefix}{EXAMPLE_ID}."
        )
    if name.endswith("file_id"):
        return f"{name} must be the id of a file, such as {EXAMPLE_ID}."
    if name == "mime_type":
        return f"{name} must be a media type such as image/png or video/mp4."
    return f"{name} must be a public URL that starts with https:// (or http://)."


def _sentence(error: dict[str, Any], parameters: Sequence[str]) -> str:
    location, kind = error["loc"], error["type"]
    name = _path(location) or "A name"  # nothing is left of unprintable characters
    if kind in _UNKNOWN:
        if len(location) > 1:
            return f"{name} is not known."
        hint = did_you_mean(name, parameters)
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
    name = quoted(name, MAX_NAME)
    advice = f"{did_you_mean(name, tools)} The tools are: {', '.join(tools)}."
    return InvalidRequest(f"There is no tool '{name}'.", advice=advice.lstrip())
