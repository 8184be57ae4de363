"""The resources: what is read without a tool, whose it is, and what goes wrong."""

import json
import re
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import httpx
import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from mcp import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    BlobResourceContents,
    ErrorData,
    TextResourceContents,
)
from starlette.responses import JSONResponse
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from luma_mcp.errors import InvalidRequest
from luma_mcp.luma.catalogue import MODELS, describe
from luma_mcp.mcp_server import build_mcp
from luma_mcp.services import Services
from luma_mcp.settings import load_settings
from luma_mcp.tools import build_tools
from luma_mcp.tools.parameters import CharacterRef, Keyframe
from tests.conftest import KEY
from tests.e2e.processes import ROOT
from tests.servers import product
from tests.services import access_with, open_services_over
from tests.tools.calls import (
    BOTH,
    JOB_ID,
    OWN,
    Broken,
    Json,
    Upstream,
    client_of,
    client_over,
    data,
)

ERAS = ["legacy", "2026-07-28"]
URI_OF_MODELS, GUIDE, CONCEPTS = "luma://models", "luma://guide/prompting", "luma://concepts"
TEMPLATE = "luma://generations/{id}"
A_JOB = f"luma://generations/{JOB_ID}"
ASKED = f"GET /dream-machine/v1/generations/{JOB_ID}"
ASKED_AGENTS = f"GET /agents/v1/generations/{JOB_ID}"
ASKED_CONCEPTS = "GET /dream-machine/v1/generations/concepts/list"
DONE = {"id": JOB_ID, "state": "completed", "assets": {"video": "https://example.com/boat.mp4"}}
DONE_THERE = {"id": JOB_ID, "state": "completed", "type": "video", "model": "ray-3.2"}


def text_of(contents: Sequence[TextResourceContents | BlobResourceContents], mime_type: str) -> str:
    (content,) = contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == mime_type
    return content.text


def read(contents: Sequence[TextResourceContents | BlobResourceContents]) -> Json:
    return json.loads(text_of(contents, "application/json"))


async def refusal(client: Client, uri: str) -> ErrorData:
    with pytest.raises(MCPError) as raised:
        await client.read_resource(uri)
    return raised.value.error


def over_http(url: str, era: str, key: str = KEY) -> Client:
    transport = StreamableHttpTransport(f"{url}/mcp", headers={"Authorization": f"Bearer {key}"})
    return Client(transport, mode=era)


# --- What there is -------------------------------------------------------------------------------


async def test_a_client_is_told_what_the_resources_hold() -> None:
    async with client_of(Upstream()) as client:
        listed = {str(one.uri): one for one in await client.list_resources()}
        (template,) = await client.list_resource_templates()
    told = {
        uri: (one.name, one.title, one.mime_type)
        for uri, one in listed.items()
        if uri.startswith("luma:")
    }
    assert told == {
        URI_OF_MODELS: ("models", "Luma's models", "application/json"),
        GUIDE: ("prompting-guide", "How to prompt Luma's models", "text/markdown"),
        CONCEPTS: ("concepts", "Camera concepts", "application/json"),
    }
    assert (template.uri_template, template.name) == (TEMPLATE, "generation")
    assert (template.title, template.mime_type) == ("A generation", "application/json")
    ours = [template, *(listed[uri] for uri in told)]
    assert all(one.annotations and one.annotations.audience for one in ours)
    assert all("costs nothing" in (one.description or "") for one in ours)


async def test_the_models_are_read_without_asking_luma() -> None:
    upstream = Upstream()
    async with client_of(upstream) as client:
        assert read(await client.read_resource(URI_OF_MODELS)) == describe()
    assert upstream.asked == []


async def test_the_models_are_read_over_stdio() -> None:
    nowhere = {"LUMA_API_KEY": KEY, "LUMA_MCP_DREAM_MACHINE_URL": "http://127.0.0.1:9"}
    transport = StdioTransport(
        sys.executable, ["server.py", "stdio"], env=nowhere, cwd=str(ROOT), keep_alive=False
    )
    async with Client(transport) as client:
        assert read(await client.read_resource(URI_OF_MODELS)) == describe()


async def test_the_concepts_are_those_that_the_tool_lists() -> None:
    upstream = Upstream({ASKED_CONCEPTS: ["orbit_left", "pov"]})
    async with client_of(upstream) as client:
        concepts = read(await client.read_resource(CONCEPTS))
        assert concepts == await data(client, "list_concepts")
    assert upstream.asked == [ASKED_CONCEPTS] * 2


@pytest.mark.parametrize(
    ("written", "id_of_the_tool"),
    [
        (JOB_ID, JOB_ID),
        (JOB_ID.upper(), JOB_ID),
        (f"agents:{JOB_ID}", f"agents:{JOB_ID}"),
        (f"agents%3A{JOB_ID}", f"agents:{JOB_ID}"),
    ],
)
async def test_a_generation_is_what_the_tool_answers(written: str, id_of_the_tool: str) -> None:
    upstream = Upstream({ASKED: DONE, ASKED_AGENTS: DONE_THERE})
    async with client_of(upstream, BOTH) as client:
        job = read(await client.read_resource(f"luma://generations/{written}"))
        same = await data(client, "get_generation", generation_id=id_of_the_tool)
    assert upstream.asked[0] == upstream.asked[-1]
    assert upstream.keys[0] == upstream.keys[-1]
    for one in (job, same):
        del one["as_of"]
    assert job == same
    assert job["id"] == id_of_the_tool


# --- The guide -----------------------------------------------------------------------------------


@pytest.fixture
async def guide() -> str:
    upstream = Upstream()
    async with client_of(upstream) as client:
        text = text_of(await client.read_resource(GUIDE), "text/markdown")
    assert upstream.asked == []
    return text


def known_words() -> set[str]:
    """Every tool, parameter, value, concept and address that a guide may name."""
    uses = [use for model in MODELS.values() for use in model.uses.values()]
    parameters = {name for tool in build_tools().values() for name in tool.parameters["properties"]}
    values = {value for use in uses for values in use.parameters.values() for value in values or ()}
    frames = {"frame0", "frame1", "weight"}
    concepts = {"orbit_left", "push_in", "static"}
    addresses = {URI_OF_MODELS, CONCEPTS}
    return {*build_tools(), *parameters, *values, *frames, *concepts, *addresses}


async def test_the_guide_names_only_what_there_is(guide: str) -> None:
    words = [" ".join(word.split()) for word in re.findall(r"`([^`]+)`", guide)]
    plain = {word for word in words if not word.startswith(("{", "a shop sign"))}
    assert len(plain) > 30
    assert plain <= known_words()


async def test_the_models_that_the_guide_names_exist(guide: str) -> None:
    named = set(re.findall(r"\b(?:ray|photon|uni)-[\w.-]*\w", guide))
    assert named == set(MODELS)


async def test_the_examples_of_the_guide_are_taken(guide: str) -> None:
    examples = [json.loads(word) for word in re.findall(r"`(\{[^`]+\})`", guide)]
    frames = [one for one in examples if "type" in one]
    (persons,) = [one for one in examples if "type" not in one]
    for frame in frames:
        Keyframe.model_validate({**frame, **({"id": JOB_ID} if "id" in frame else {})})
    assert {frame["type"] for frame in frames} == {"image", "generation"}
    CharacterRef.model_validate(persons)


async def test_the_guide_is_short_enough_to_be_read(guide: str) -> None:
    assert 700 <= len(guide.split()) <= 1200


# --- What goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written", ["x", "..%2Fcredits", f"{JOB_ID}%2F..%2Fcredits", f"{JOB_ID}%0A", "%00"]
)
async def test_what_is_no_id_is_refused_and_not_sent(written: str) -> None:
    upstream = Upstream()
    async with client_of(upstream) as client:
        error = await refusal(client, f"luma://generations/{written}")
    assert error.code == INVALID_PARAMS
    assert error.message.startswith("generation_id is not the id of a generation.\n")
    assert upstream.asked == []


async def test_a_generation_that_the_key_does_not_see_is_not_found() -> None:
    async with client_of(Upstream()) as client:
        error = await refusal(client, A_JOB)
    assert error.code == INVALID_PARAMS
    assert (error.data["code"], error.data["uri"]) == ("not_found", A_JOB)
    assert error.message.splitlines() == [
        error.data["message"],
        error.data["advice"],
        f"Request id: {error.data['request_id']}",
    ]


async def test_trouble_at_luma_is_no_fault_of_the_request() -> None:
    busy = JSONResponse({"detail": "Slow down"}, 429, {"retry-after": "70"})
    async with client_of(Upstream({ASKED: busy})) as client:
        error = await refusal(client, A_JOB)
    assert (error.code, error.data["code"]) == (INTERNAL_ERROR, "rate_limited")
    assert error.data["retry_after_seconds"] == 70
    assert "Try again in 70 seconds." in error.message


@pytest.mark.parametrize("uri", [A_JOB, CONCEPTS])
async def test_without_a_key_a_reader_is_told_how_to_send_one(uri: str) -> None:
    upstream = Upstream()
    async with client_of(upstream, access=None) as client:
        error = await refusal(client, uri)
    assert (error.code, error.data["code"]) == (INTERNAL_ERROR, "missing_key")
    assert "'Authorization: Bearer <key>'" in error.message
    assert upstream.asked == []


async def test_whoever_let_a_refused_key_in_hears_of_it() -> None:
    heard: list[str] = []
    access = replace(OWN, on_rejected_key=lambda: heard.append("refused"))
    echo = JSONResponse({"detail": f"No such key: {KEY}"}, 401)
    async with client_of(Upstream({ASKED: echo}), access) as client:
        error = await refusal(client, A_JOB)
    assert error.data["code"] == "key_rejected"
    assert KEY not in repr(error)
    assert heard == ["refused"]


async def test_nothing_of_a_fault_is_told_but_its_request_id() -> None:
    with capture_logs([merge_contextvars]) as logs:
        async with client_over(Broken(ZeroDivisionError(f"{KEY} deep inside"))) as client:
            error = await refusal(client, A_JOB)
    fault, line = logs
    assert (error.code, error.data["code"]) == (INTERNAL_ERROR, "internal")
    assert "deep inside" not in repr(error)
    assert error.data["request_id"] == fault["request_id"] == line["request_id"]
    assert isinstance(fault["exc_info"], ZeroDivisionError)


async def test_a_key_is_never_told() -> None:
    refused = InvalidRequest(f"Not with {KEY}.", advice=f"Do not send {KEY}.")
    async with client_over(Broken(refused)) as client:
        error = await refusal(client, A_JOB)
    assert error.message.startswith("Not with [hidden].\nDo not send [hidden].\n")
    assert KEY not in repr(error)


async def test_every_reading_writes_one_line_without_the_callers_words() -> None:
    with capture_logs([merge_contextvars]) as logs:
        async with client_of(Upstream({ASKED: DONE})) as client:
            await client.read_resource(A_JOB)
            await refusal(client, "luma://generations/my-secret")
    lines = [(one["event"], one["resource"], one["outcome"]) for one in logs]
    assert lines == [("read", "generation", "ok"), ("read", "generation", "invalid_request")]
    assert "my-secret" not in repr(logs)


# --- Switches ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toolsets", "on_offer"),
    [
        ("account", {URI_OF_MODELS, GUIDE, CONCEPTS}),
        ("files", {URI_OF_MODELS, GUIDE}),
        ("videos", {URI_OF_MODELS, GUIDE, TEMPLATE}),
        ("images", {URI_OF_MODELS, GUIDE, TEMPLATE}),
        ("generations,account", {URI_OF_MODELS, GUIDE, CONCEPTS, TEMPLATE}),
    ],
)
async def test_only_what_belongs_to_the_toolsets_on_offer_is_listed(
    toolsets: str, on_offer: set[str]
) -> None:
    async with client_of(Upstream(), access_with(KEY, toolsets=toolsets)) as client:
        listed = {str(one.uri) for one in await client.list_resources()}
        templates = {one.uri_template for one in await client.list_resource_templates()}
    assert {uri for uri in listed | templates if uri.startswith("luma:")} == on_offer


@pytest.mark.parametrize(
    ("uri", "address", "toolset"),
    [(A_JOB, TEMPLATE, "generations"), (CONCEPTS, CONCEPTS, "account")],
)
async def test_what_is_not_listed_is_not_read_either(uri: str, address: str, toolset: str) -> None:
    upstream = Upstream()
    async with client_of(upstream, access_with(KEY, toolsets="files")) as client:
        error = await refusal(client, uri)
    assert (error.code, error.data["code"]) == (INVALID_PARAMS, "refused_by_policy")
    assert error.message.startswith(f"{address} belongs to the toolset '{toolset}', which is")
    assert upstream.asked == []


async def test_a_readonly_caller_reads_everything() -> None:
    upstream = Upstream({ASKED: DONE, ASKED_CONCEPTS: []})
    async with client_of(upstream, access_with(KEY, readonly=True)) as client:
        for uri in (URI_OF_MODELS, GUIDE, CONCEPTS, A_JOB):
            assert await client.read_resource(uri)


# --- Beside other people's, and over HTTP --------------------------------------------------------


def open_own() -> AbstractAsyncContextManager[Services]:
    settings = load_settings(dream_machine_url="http://sandbox/dream-machine/v1")
    return open_services_over(httpx.ASGITransport(Upstream({ASKED: DONE})), settings, OWN)


async def test_a_resource_that_is_not_ours_is_read_by_the_framework() -> None:
    server = build_mcp(open_own)
    server.resource("other://boat")(lambda: "a boat")
    async with Client(server) as client:
        assert text_of(await client.read_resource("other://boat"), "text/plain") == "a boat"
        assert (await refusal(client, "other://ship")).code == INVALID_PARAMS


async def test_over_http_each_reads_what_is_theirs_in_both_eras() -> None:
    async with product() as url:
        for era in ERAS:
            async with over_http(url, era, "luma-ada") as ada, over_http(url, era) as other:
                assert read(await ada.read_resource(URI_OF_MODELS)) == describe()
                job = await data(ada, "create_generation", prompt="A secret garden")
                uri = f"luma://generations/{job['id']}"
                assert read(await ada.read_resource(uri))["prompt"] == "A secret garden"
                error = await refusal(other, uri)
            assert (error.code, error.data["code"]) == (INVALID_PARAMS, "not_found")


async def test_a_modern_client_is_told_what_it_may_keep() -> None:
    async with Client(build_mcp(open_own), mode="2026-07-28") as client:
        lasting = await client.session.read_resource(URI_OF_MODELS)
        passing = await client.session.read_resource(A_JOB)
    assert (lasting.ttl_ms, lasting.cache_scope) == (3_600_000, "public")
    assert (passing.ttl_ms, passing.cache_scope) == (0, "private")
