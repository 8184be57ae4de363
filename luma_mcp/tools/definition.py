"""How a tool is defined: the function is the schema, its docstring the description."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from fastmcp.tools import ToolResult
from fastmcp.tools.function_tool import FunctionTool
from mcp.types import ToolAnnotations

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


def _as_meant(arguments: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Read null as "not given", and an object or list that was written as JSON text as itself.

    Models do both, whatever the schema says.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    for name, value in given.items():
        kind = schemas.get(name, {})
        nested = kind.get("type") == "array" or "$ref" in kind
        if nested and isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
            with suppress(ValueError, RecursionError):  # then the validator says what is wrong
                given[name] = json.loads(value)
    return given


class LumaTool(FunctionTool):
    """A tool whose function returns a `Result`; text, links and data are made from it."""

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Self:
        """Make the tool of a decorated function."""
        tool = cls.from_function(function)
        parameters = _without_nulls(tool.parameters)
        return cls.model_validate({**dict(tool), "parameters": parameters})

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        """Run the tool, with arguments as models are known to write them."""
        return await super().run(_as_meant(arguments, self.parameters["properties"]))

    def convert_result(self, raw_value: Any) -> ToolResult:  # noqa: ANN401 - the base's signature
        """Turn the function's result into MCP's."""
        if not isinstance(raw_value, Result):
            raise TypeError(f"{self.name} must return a Result, not {type(raw_value).__name__}")
        return ToolResult(
            content=raw_value.content(), structured_content=raw_value.model_dump(mode="json")
        )

    @property
    def toolset(self) -> str:
        """The one group that the tool belongs to."""
        (toolset,) = self.tags
        return toolset

    @property
    def reads_only(self) -> bool:
        """Whether it neither changes nor spends anything."""
        return bool(self.annotations and self.annotations.read_only_hint)
