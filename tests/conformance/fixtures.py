"""What the conformance suite asks for by name: its tools, resources and prompts.

The names, URIs and values that it compares are the suite's; everything else is as short as it may
be. A server gets them all by `add_fixtures`.
"""

import base64
import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastmcp import Context, FastMCP
from fastmcp.prompts import Message
from fastmcp.server.providers import LocalProvider
from fastmcp.tools import Tool
from fastmcp.tools.function_tool import FunctionTool
from mcp.shared.exceptions import MCPError
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    ContentBlock,
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    EmbeddedResource,
    ImageContent,
    InputRequests,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)
from pydantic import Field

FIXTURES = LocalProvider()

# One pixel, and a header of sound without any.
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
SILENCE = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0"


def _image() -> ImageContent:
    return ImageContent(type="image", data=base64.b64encode(PIXEL).decode(), mime_type="image/png")


def _embedded(uri: str, text: str, mime_type: str = "text/plain") -> EmbeddedResource:
    contents = TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return EmbeddedResource(type="resource", resource=contents)


# --- Tools that answer with each kind of content -------------------------------------------------


@FIXTURES.tool
def test_image_content() -> ImageContent:
    """Answer with an image."""
    return _image()


@FIXTURES.tool
def test_audio_content() -> AudioContent:
    """Answer with sound."""
    return AudioContent(
        type="audio", data=base64.b64encode(SILENCE).decode(), mime_type="audio/wav"
    )


@FIXTURES.tool
def test_embedded_resource() -> EmbeddedResource:
    """Answer with a resource."""
    return _embedded("test://embedded-resource", "This is an embedded resource content.")


@FIXTURES.tool
def test_multiple_content_types() -> list[ContentBlock]:
    """Answer with several kinds of content."""
    data = json.dumps({"test": "data", "value": 123})
    return [
        TextContent(type="text", text="Multiple content types test:"),
        _image(),
        _embedded("test://mixed-content-resource", data, "application/json"),
    ]


# --- Tools that speak while they run -------------------------------------------------------------


@FIXTURES.tool
async def test_tool_with_logging(ctx: Context) -> str:
    """Send three log messages."""
    for message in ("execution started", "processing data", "execution completed"):
        await ctx.info(f"Tool {message}")
    return "Logged."


@FIXTURES.tool
async def test_logging_tool(ctx: Context) -> str:
    """Log something, which nobody may hear who asked for no level of logging."""
    await ctx.info("Nobody asked for this.")
    return "Logged."


@FIXTURES.tool
async def test_tool_with_progress(ctx: Context) -> str:
    """Report progress three times."""
    for progress in (0, 50, 100):
        await ctx.report_progress(progress, total=100)
    return "Done."


@FIXTURES.tool
def test_reconnection() -> str:
    """Answer at once: without sessions there is nothing to reconnect to."""
    return "Done."


# --- Tools that are special in their definition --------------------------------------------------


# Nobody calls this one.
FIXTURES.add_tool(
    Tool(
        name="json_schema_2020_12_tool",
        description="Has a schema with much of the vocabulary of JSON Schema 2020-12.",
        parameters={
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {
                "address": {
                    "$anchor": "addressDef",
                    "type": "object",
                    "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
                }
            },
            "properties": {
                "name": {"type": "string"},
                "address": {"$ref": "#/$defs/address"},
                "contactMethod": {"type": "string", "enum": ["phone", "email"]},
                "phone": {"type": "string"},
                "email": {"type": "string"},
            },
            "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
            "if": {
                "properties": {"contactMethod": {"const": "phone"}},
                "required": ["contactMethod"],
            },
            "then": {"required": ["phone"]},
            "else": {"required": ["email"]},
            "additionalProperties": False,
        },
    )
)


@FunctionTool.from_function
def test_header(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
    """Take an argument that the client repeats in the header Mcp-Param-Region."""
    return region


FIXTURES.add_tool(test_header)


# --- Tools that ask the client over a connection kept open: protocol 2025-11-25 ------------------


async def _elicited(ctx: Context, message: str, properties: Mapping[str, Any]) -> str:
    schema = {"type": "object", "properties": properties}
    return str(await ctx.session.elicit_form(message, schema, ctx.request_id))


@FIXTURES.tool
async def test_sampling(prompt: str, ctx: Context) -> str:
    """Ask the client's model."""
    question = [SamplingMessage(role="user", content=TextContent(type="text", text=prompt))]
    ask = ctx.session.create_message
    return str(await ask(question, max_tokens=100, related_request_id=ctx.request_id))


@FIXTURES.tool
async def test_elicitation(message: str, ctx: Context) -> str:
    """Ask the user."""
    text = {"type": "string"}
    return await _elicited(ctx, message, {"username": text, "email": text})


@FIXTURES.tool
async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
    """Ask the user with a form that has defaults."""
    status = {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"}
    return await _elicited(
        ctx,
        "Who are you?",
        {
            "name": {"type": "string", "default": "John Doe"},
            "age": {"type": "integer", "default": 30},
            "score": {"type": "number", "default": 95.5},
            "status": status,
            "verified": {"type": "boolean", "default": True},
        },
    )


@FIXTURES.tool
async def test_elicitation_sep1330_enums(ctx: Context) -> str:
    """Ask the user with a form that offers choices in every way there is."""
    plain = {"type": "string", "enum": ["option1", "option2", "option3"]}
    titled = [{"const": f"value{number}", "title": f"Option {number}"} for number in (1, 2, 3)]
    return await _elicited(
        ctx,
        "Which?",
        {
            "untitledSingle": plain,
            "titledSingle": {"type": "string", "oneOf": titled},
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": {"type": "array", "items": plain},
            "titledMulti": {"type": "array", "items": {"anyOf": titled}},
        },
    )


# --- Tools that ask the client by their answer: protocol 2026-07-28 ------------------------------


def _form(message: str, **types: str) -> ElicitRequest:
    properties = {name: {"type": kind} for name, kind in types.items()}
    schema = {"type": "object", "properties": properties, "required": list(types)}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def _sample(question: str) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=question))
    return CreateMessageRequest(
        params=CreateMessageRequestParams(messages=[message], max_tokens=50)
    )


NAME, CONFIRM = _form("What is your name?", name="string"), _form("Please confirm", ok="boolean")


def _asks(name: str, requests: InputRequests, state: str | None = None) -> None:
    """Make a tool that asks until everything is answered."""

    @FIXTURES.tool(name=f"test_input_required_result_{name}", output_schema=None)
    def ask(ctx: Context) -> Any:  # noqa: ANN401 - an answer or a question
        """Ask the client."""
        if requests.keys() <= (ctx.input_responses or {}).keys() and ctx.request_state == state:
            return "Everything is answered: state-ok"
        return InputRequiredResult(input_requests=requests, request_state=state)


_asks("elicitation", {"user_name": NAME})
_asks("sampling", {"capital_question": _sample("What is the capital of France?")})
_asks("list_roots", {"client_roots": ListRootsRequest()})
_asks("request_state", {"confirm": CONFIRM}, "asked")
_asks("tampered_state", {"confirm": CONFIRM}, "asked")
_asks(
    "multiple_inputs",
    {
        "user_name": NAME,
        "greeting": _sample("Generate a greeting"),
        "client_roots": ListRootsRequest(),
    },
    "asked",
)


@FIXTURES.tool(output_schema=None)
def test_input_required_result_multi_round(ctx: Context) -> Any:  # noqa: ANN401 - an answer or a question
    """Ask the client twice."""
    rounds = {
        None: ("step1", _form("Step 1: What is your name?", name="string")),
        "step1": ("step2", _form("Step 2: What is your favorite color?", color="string")),
    }
    if ctx.request_state not in rounds:
        return "Everything is answered."
    step, question = rounds[ctx.request_state]
    return InputRequiredResult(input_requests={step: question}, request_state=step)


@FIXTURES.tool(output_schema=None)
def test_input_required_result_capabilities(ctx: Context) -> Any:  # noqa: ANN401 - a question
    """Ask only for what the client declares that it can do."""
    declared = ctx.session.client_capabilities
    requests = {"sampling": _sample("Generate a greeting"), "elicitation": NAME}
    return InputRequiredResult(
        input_requests={
            name: request for name, request in requests.items() if getattr(declared, name, None)
        }
    )


@FIXTURES.tool(output_schema=None)
def test_streaming_elicitation() -> Any:  # noqa: ANN401 - a question
    """Ask the client, who looks at how the question is sent."""
    return InputRequiredResult(input_requests={"user_name": NAME})


@FIXTURES.tool
def test_missing_capability() -> None:
    """Refuse the suite's client, which never says to this tool that it can sample."""
    raise MCPError(
        MISSING_REQUIRED_CLIENT_CAPABILITY,
        "The client did not declare sampling.",
        {"requiredCapabilities": {"sampling": {}}},
    )


# --- Resources -----------------------------------------------------------------------------------


@FIXTURES.resource("test://static-text", mime_type="text/plain")
def static_text() -> str:
    """Give a text."""
    return "This is the content of the static text resource."


@FIXTURES.resource("test://static-binary", mime_type="image/png")
def static_binary() -> bytes:
    """Give an image."""
    return PIXEL


@FIXTURES.resource("test://template/{id}/data", mime_type="application/json")
def templated(id: str) -> str:  # noqa: A002 - the suite's name
    """Give data that repeats the id."""
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


# --- Prompts -------------------------------------------------------------------------------------


@FIXTURES.prompt
def test_simple_prompt() -> str:
    """Say one thing."""
    return "This is a simple prompt for testing."


@FIXTURES.prompt
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """Repeat the arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@FIXTURES.prompt
def test_prompt_with_embedded_resource(resourceUri: str) -> list[Message]:  # noqa: N803 - the suite's name
    """Hold a resource."""
    resource = _embedded(resourceUri, "Embedded resource content for testing.")
    return [Message(resource), Message("Please process the embedded resource above.")]


@FIXTURES.prompt
def test_prompt_with_image() -> list[Message]:
    """Hold an image."""
    return [Message(_image()), Message("Please analyze the image above.")]


@FIXTURES.prompt
def test_input_required_result_prompt(ctx: Context) -> Any:  # noqa: ANN401 - an answer or a question
    """Ask the client, then say one thing."""
    if ctx.input_responses:
        return "Everything is answered."
    question = _form("What context should the prompt use?", context="string")
    return InputRequiredResult(input_requests={"user_context": question})


def add_fixtures(server: FastMCP) -> None:
    """Let a server offer all of this besides its own."""
    server.add_provider(FIXTURES)
    server.add_completion_handler(lambda *_: ["paris", "park", "party"])
    # The server told the SDK its own tools' schemas, so that headers can be checked against them.
    schemas = server._mcp_server  # noqa: SLF001 - no public way yet
    known = schemas.get_tool_input_schema
    mine = {test_header.name: test_header.parameters}
    schemas.get_tool_input_schema = lambda name: known(name) or mine.get(name)
