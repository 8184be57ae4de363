"""How a tool is defined: the function is the schema, its docstring the description."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from fastmcp.tools import ToolResult
from fastmcp.tools.function_tool import FunctionTool
from mcp.types import ToolAnnotations

from luma_mcp.settings import TOOLSETS
from luma_mcp.tools.results import Result

# Every tool talks to Luma, so all are open-world. Creating costs money each time: neither
# read-only nor idempotent, but it destroys nothing.
READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True
)
CREATES = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True
)
DELETES = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True
)


def _without_nulls(schema: Any) -> Any:  # noqa: ANN401 - any part of a JSON schema
    """Announce optional parameters plainly, as `X` instead of `X or null, null by default`.

    Null is still taken. The plain form is shorter, and clients show it better.
    """
    if isinstance(schema, list):
        return [_without_nulls(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _without_nulls(value) for name, value in schema.items()}
    options = [option for option in plain.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        del plain["anyOf"]
        plain = {**options[0], **plain}
    if "default" in plain and plain["default"] is None:
        del plain["default"]
    return plain


def _as_meant(arguments: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Read arguments as models are known to write them, whatever the schema says.

    Null and, for an optional parameter, an empty text mean "not given"; an object or a list may
    come as JSON text; one text may stand where a list of texts is asked for.
    """
    required = schema.get("required", ())
    return {
        name: _unwrapped(value, schema["properties"].get(name, {}))
        for name, value in arguments.items()
        if value is not None and (value != "" or name in required)
    }


def _unwrapped(value: object, kind: dict[str, Any]) -> object:
    is_list = kind.get("type") == "array"
    if not isinstance(value, str) or not (is_list or "$ref" in kind):
        return value
    if value.lstrip()[:1] in {"{", "["}:
        with suppress(ValueError, RecursionError):  # then the validator says what is wrong
            return json.loads(value)
    return [value] if is_list and kind["items"].get("type") == "string" else value


def _or_an_error(schema: dict[str, Any]) -> dict[str, Any]:
    """Let the schema of a tool's answers admit those that are errors.

    Clients of the TypeScript SDK 1.x check errors against it too, and would show nothing of one
    that does not fit, not even the id of a job that was paid for.
    """
    either = {key: value for key, value in schema.items() if key != "required"}
    either["anyOf"] = [{"required": schema["required"]}, {"required": ["code", "message"]}]
    return either


class LumaTool(FunctionTool):
    """A tool whose function returns a `Result`; text, links and data are made from it."""

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Self:
        """Make the tool of a decorated function."""
        tool = cls.from_function(function)
        changed = {
            "parameters": _without_nulls(tool.parameters),
            "output_schema": _or_an_error(tool.output_schema or {}),
        }
        return cls.model_validate({**dict(tool), **changed})

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        """Run the tool, with arguments as models are known to write them."""
        return await super().run(_as_meant(arguments, self.parameters))

    def convert_result(self, raw_value: Any) -> ToolResult:  # noqa: ANN401 - the base's signature
        """Turn the function's result into MCP's."""
        if not isinstance(raw_value, Result):
            raise TypeError(f"{self.name} must return a Result, not {type(raw_value).__name__}")
        return ToolResult(
            content=raw_value.content(), structured_content=raw_value.model_dump(mode="json")
        )

    @property
    def toolsets(self) -> tuple[str, ...]:
        """The groups that the tool belongs to; it is on offer when one of them is."""
        return tuple(name for name in TOOLSETS if name in self.tags)

    @property
    def reads_only(self) -> bool:
        """Whether it neither changes nor spends anything."""
        return bool(self.annotations and self.annotations.read_only_hint)
