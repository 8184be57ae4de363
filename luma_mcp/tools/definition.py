"""How a tool is defined: the function is the schema, its docstring the description."""

import inspect
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache, cached_property, wraps
from typing import Any, Self

from fastmcp.tools import ToolResult
from fastmcp.tools.function_tool import FunctionTool
from mcp.types import ToolAnnotations
from pydantic import Field, InstanceOf, TypeAdapter, ValidationError

from luma_mcp.services import Caller
from luma_mcp.settings import TOOLSETS
from luma_mcp.tools.arguments import wrong_arguments
from luma_mcp.tools.results import Result

# A tool that talks to Luma is open-world. Creating costs money each time: neither
# read-only nor idempotent, but it destroys nothing.
READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True
)
CREATES = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True
)
KEEPS = CREATES  # what is kept at Luma costs nothing, but is there twice if it is sent twice
COMPUTES = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
DELETES = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True
)

# A tool for our own pages in a chat. It is no boundary: a client may show it to its model.
FOR_PAGES = {
    "ui": {"visibility": ["app"]},
    "openai/visibility": "private",
    "openai/widgetAccessible": True,
}

# A call that waits by a parameter of another name would be taken for one that cannot stream.
WAITS = ("wait_seconds", "timeout_seconds")


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


def _in_short(schema: Any) -> Any:  # noqa: ANN401 - any part of a JSON schema
    """Write the schema of an answer in as few words as mean the same.

    The list of tools is read before every conversation, and an answer about a job is described in
    it a dozen times. Defaults say nothing about an answer, the members of an object say what it
    is, and `X or null` has a short form.
    """
    if isinstance(schema, list):
        return [_in_short(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    left_out = {"default", "description"} if schema.get("properties") else {"default"}
    short = {
        # The names of members are no words of the schema.
        name: {one: _in_short(member) for one, member in part.items()}
        if name == "properties"
        else _in_short(part)
        for name, part in schema.items()
        if name not in left_out
    }
    match short.get("anyOf"):
        case [{"type": str(kind)} as option, {"type": "null"}]:
            del short["anyOf"]
            short = {**option, **short, "type": [kind, "null"]}
    return short


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
    is_list, is_object = kind.get("type") == "array", kind.get("type") == "object" or "$ref" in kind
    if not isinstance(value, str) or not (is_list or is_object):
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


def _arguments_of(function: Callable[..., Any]) -> Any:  # noqa: ANN401 - pydantic's adapter takes any
    """Give a function with the tool's parameters, without the caller, that returns them."""

    @wraps(function)
    def arguments(**given: Any) -> dict[str, Any]:  # noqa: ANN401 - as the tool says
        return given

    signature = inspect.signature(function, eval_str=True)
    visible = [one for one in signature.parameters.values() if one.annotation is not Caller]
    # The framework and pydantic read the first, pydantic the second as well.
    arguments.__signature__ = signature.replace(parameters=visible)  # ty: ignore[missing-attribute]
    arguments.__annotations__ = {one.name: one.annotation for one in visible}
    arguments.__annotations__["return"] = signature.return_annotation
    return arguments


class LumaTool(FunctionTool):
    """A tool whose function takes the caller first and returns a `Result`.

    FastMCP lists it; the call itself is ours, see `luma_mcp.calls`.
    """

    function: Callable[..., Awaitable[Result]] = Field(exclude=True, repr=False)
    reader: InstanceOf[TypeAdapter] = Field(exclude=True, repr=False)
    answers: type[Result] = Field(exclude=True, repr=False)

    @classmethod
    @cache  # making the schemas is most of the work of building a server
    def of(cls, function: Callable[..., Any]) -> Self:
        """Make the tool of a decorated function."""
        arguments = _arguments_of(function)
        tool = FunctionTool.from_function(arguments)
        ours = {
            "parameters": _without_nulls(tool.parameters),
            "output_schema": _or_an_error(_in_short(tool.output_schema or {})),
            "function": function,
            "reader": TypeAdapter(arguments),
            "answers": arguments.__annotations__["return"],
        }
        return cls.model_validate({**dict(tool), **ours})

    def read(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Read arguments as models are known to write them.

        Raises:
            InvalidRequest: They cannot work.
        """
        try:
            return self.reader.validate_python(_as_meant(arguments, self.parameters))
        except ValidationError as error:
            raise wrong_arguments(self.name, list(self.parameters["properties"]), error) from None

    async def answer(self, arguments: dict[str, Any], caller: Caller) -> Result:
        """Run the tool.

        Raises:
            LumaMcpError: The arguments cannot work, or the call failed.
        """
        return await self.function(caller, **self.read(arguments))

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        """Refuse FastMCP's own way, which knows no caller."""
        raise NotImplementedError(f"{self.name} is answered by luma_mcp.calls.")

    def may_stay(self, arguments: dict[str, Any]) -> bool:
        """Tell whether such a call may stay as long as a job takes, with news for its client."""
        return any(
            (default if arguments.get(name) is None else arguments[name]) != 0
            for name, default in self._waits.items()
        )

    @cached_property
    def _waits(self) -> dict[str, int]:
        """The parameters by which a call waits for a job, with their defaults."""
        properties = self.parameters["properties"]
        return {name: properties[name]["default"] for name in WAITS if name in properties}

    @cached_property
    def toolsets(self) -> tuple[str, ...]:
        """The groups that the tool belongs to; it is on offer when one of them is."""
        return tuple(name for name in TOOLSETS if name in self.tags)

    @cached_property
    def is_for_pages(self) -> bool:
        """Whether it is of use to our own pages alone."""
        return "model" not in (self.meta or {}).get("ui", {}).get("visibility", ["model"])

    @cached_property
    def reads_only(self) -> bool:
        """Whether it neither changes nor spends anything."""
        return bool(self.annotations and self.annotations.read_only_hint)
