"""The catalogue of tools, as it goes over the wire.

`snapshots/` holds every tool's definition. A change of one is a change of the product: look at
it, write it with `python -m tests.tools.test_catalogue --write`, and say it in the changelog.
"""

import asyncio
import json
import math
import re
import sys
from pathlib import Path
from typing import get_args

import pytest
from fastmcp import Client
from jsonschema import Draft202012Validator

from luma_mcp.settings import Toolset
from luma_mcp.tools import build_tools
from tests.tools.calls import JOB_ID, Json, Upstream, client_of, data

SNAPSHOTS = Path(__file__).parent / "snapshots"
MAX_TOOLS = 25
# A client reads the whole list before every conversation: it pays for each byte.
# Two APIs and 22 tools: an answer about a job is described in a dozen of them, each of which names
# its page twice, in the standard's words and in ChatGPT's.
LIST_BYTES = 83_000
NAMES = list(build_tools())
PAGE_HASH = re.compile(r"-[0-9a-f]{16}\.html")
CREATES = {
    "create_generation",
    "modify_video",
    "reframe_video",
    "upscale_generation",
    "add_audio",
    "generate_image",
    "reframe_image",
    "edit_image",
    "extract_layers",
}
READS = {
    "get_generation",
    "wait_for_generation",
    "refresh_generation",
    "list_generations",
    "list_files",
    "estimate_cost",
    "get_credits",
    "list_concepts",
    "get_camera_motions",
    "ping",
}
DELETES = {"delete_generation", "delete_file"}
KEEPS = {"upload_file"}


async def list_on_the_wire() -> Json:
    """The result of tools/list."""
    async with client_of(Upstream()) as client:
        result = await client.list_tools_mcp()
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


@pytest.fixture(scope="module")
def listing() -> Json:
    return asyncio.run(list_on_the_wire())


@pytest.fixture(scope="module")
def tools(listing: Json) -> dict[str, Json]:
    return {tool["name"]: tool for tool in listing["tools"]}


def as_snapshot(tool: Json) -> str:
    """Write a definition down, but for what changes with every page: the end of its address."""
    text = json.dumps(tool, indent=2, ensure_ascii=False, sort_keys=True)
    return PAGE_HASH.sub(".html", text) + "\n"


def write_snapshots(folder: Path) -> None:
    """Write the definitions of today, and drop those of tools that are gone."""
    listed = asyncio.run(list_on_the_wire())["tools"]
    for stale in folder.glob("*.json"):
        stale.unlink()
    for tool in listed:
        (folder / f"{tool['name']}.json").write_text(as_snapshot(tool), encoding="utf-8")


def texts_in(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_every_tool_is_listed_in_the_order_of_the_catalogue(tools: dict[str, Json]) -> None:
    assert list(tools) == NAMES
    assert set(NAMES) == CREATES | READS | DELETES | KEEPS


def test_there_is_a_snapshot_of_every_tool_and_no_other(tools: dict[str, Json]) -> None:
    assert {path.name for path in SNAPSHOTS.iterdir()} == {f"{name}.json" for name in tools}


@pytest.mark.parametrize("name", NAMES)
def test_a_tool_is_defined_as_its_snapshot_says(tools: dict[str, Json], name: str) -> None:
    path = SNAPSHOTS / f"{name}.json"
    assert path.exists(), f"{name} has no snapshot; see the docstring of this module"
    assert as_snapshot(tools[name]) == path.read_text(encoding="utf-8")


async def test_the_command_writes_what_is_committed(tmp_path: Path) -> None:
    (tmp_path / "gone.json").write_text("{}")
    await asyncio.to_thread(main, ["--write"], tmp_path)
    assert texts_in(tmp_path) == texts_in(SNAPSHOTS)


def test_the_list_keeps_to_its_budget(listing: Json) -> None:
    compact = json.dumps(listing, separators=(",", ":"), ensure_ascii=False).encode()
    assert math.ceil(len(compact) / 500) * 500 == LIST_BYTES
    assert len(listing["tools"]) <= MAX_TOOLS


@pytest.mark.parametrize("name", NAMES)
def test_a_tool_says_what_it_is_in_one_short_line(tools: dict[str, Json], name: str) -> None:
    tool = tools[name]
    first, *rest = tool["description"].splitlines()
    assert tool["title"]
    assert first.endswith(".")
    assert len(first) <= 90
    assert rest == [] or rest[0] == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_tool_sets_every_annotation(tools: dict[str, Json], name: str) -> None:
    annotations = tools[name]["annotations"]
    assert annotations == {
        "readOnlyHint": name in READS,
        "destructiveHint": name in DELETES,
        "idempotentHint": name not in CREATES | KEEPS,
        "openWorldHint": name != "estimate_cost",
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_tool_explains_every_parameter(tools: dict[str, Json], name: str) -> None:
    schema = tools[name]["inputSchema"]
    Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False
    unexplained = [
        parameter
        for parameter, part in schema["properties"].items()
        if not (part.get("description") or part.get("enum"))
    ]
    assert unexplained == []


@pytest.mark.parametrize("name", NAMES)
def test_a_tool_promises_the_shape_of_its_answer(tools: dict[str, Json], name: str) -> None:
    schema = tools[name]["outputSchema"]
    Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object"


@pytest.mark.parametrize("name", NAMES)
def test_a_tool_belongs_to_toolsets_of_the_settings(tools: dict[str, Json], name: str) -> None:
    tags = tools[name]["_meta"]["fastmcp"]["tags"]
    assert tags
    assert set(tags) <= set(get_args(Toolset))


# The least that each tool must be told, besides those that need nothing.
NEEDS = {
    "create_generation": {"prompt": "A boat"},
    "modify_video": {"media_url": "https://example.com/a.mp4", "mode": "flex_1"},
    "reframe_video": {"media_url": "https://example.com/a.mp4", "aspect_ratio": "1:1"},
    "generate_image": {"prompt": "A boat"},
    "reframe_image": {"media_url": "https://example.com/a.jpg", "aspect_ratio": "1:1"},
    "edit_image": {"prompt": "At night", "source": {"url": "https://example.com/a.jpg"}},
    "extract_layers": {"source": {"url": "https://example.com/a.jpg"}},
    "upload_file": {"size_bytes": 1_000, "mime_type": "image/png"},
    "estimate_cost": {
        "tool": "add_audio",
        "arguments": {"generation_id": JOB_ID, "prompt": "Rain"},
    },
}
ABOUT_A_CLIP = {
    "upscale_generation": {"resolution": "4k"},
    "add_audio": {"prompt": "Rain"},
    "get_generation": {},
    "wait_for_generation": {},
    "refresh_generation": {},
    "delete_generation": {},
}


@pytest.mark.parametrize("name", NAMES)
async def test_a_tool_takes_and_answers_what_its_schemas_say(
    tools: dict[str, Json], completed_clip: str, mcp_client: Client, name: str
) -> None:
    arguments: Json = NEEDS.get(name, {})
    if name in ABOUT_A_CLIP:
        arguments = {"generation_id": completed_clip, **ABOUT_A_CLIP[name]}
    if name == "delete_file":
        upload = await data(mcp_client, "upload_file", size_bytes=9, mime_type="image/png")
        arguments = upload["source"]
    Draft202012Validator(tools[name]["inputSchema"]).validate(arguments)
    result = await mcp_client.call_tool(name, arguments)
    Draft202012Validator(tools[name]["outputSchema"]).validate(result.structured_content)


def main(arguments: list[str], folder: Path) -> None:
    """Write the snapshots, when that is what is asked for."""
    if arguments != ["--write"]:
        raise SystemExit("usage: python -m tests.tools.test_catalogue --write")
    write_snapshots(folder)


def test_the_command_does_nothing_unless_it_is_told_to_write() -> None:
    with pytest.raises(SystemExit, match="--write"):
        main([], SNAPSHOTS)


if __name__ == "__main__":  # pragma: no cover - the command of the docstring
    main(sys.argv[1:], SNAPSHOTS)
