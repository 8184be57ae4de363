"""The recipes: each can be pasted as it is, leads here, and holds no key."""

import ast
import asyncio
import json
import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
import yaml

from luma_mcp.web.recipes import Code, Recipe, recipes
from tests.e2e.requirements import NODE, need_node_clients
from tests.e2e.test_readme import run
from tests.servers import product

ENDPOINT, OAUTH_ENDPOINT = "https://luma.test/mcp", "https://luma.test/oauth/mcp"
SIGNING_IN = ["claude", "chatgpt"]
KEY = "luma-sandbox"
# The sandbox is done at once, and calls the server back.
AT_ONCE = {"is_public": True, "sandbox_queued_seconds": 0, "sandbox_dreaming_seconds": 0}
ALL = {
    recipe.slug: recipe
    for members in recipes(ENDPOINT, OAUTH_ENDPOINT).values()
    for recipe in members
}
CODES = [
    pytest.param(slug, part, id=f"{slug}-{part.language}")
    for slug, recipe in ALL.items()
    for part in recipe.parts()
    if isinstance(part, Code)
]


def code_of(slug: str, language: str, endpoint: str = ENDPOINT) -> str:
    found = recipes(endpoint, None).values()
    (recipe,) = (one for members in found for one in members if one.slug == slug)
    (code,) = (
        part.text for part in recipe.parts() if isinstance(part, Code) and part.language == language
    )
    return code


def strings_of_python(text: str) -> list[str]:
    """Give all texts in a program, which must be one."""
    return [
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def leaves(tree: object) -> list[object]:
    """Give all values of parsed settings."""
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in leaves(value)]
    if isinstance(tree, list):
        return [leaf for value in tree for leaf in leaves(value)]
    return [tree]


VALUES: dict[str, Callable[[str], Any]] = {
    "text": lambda text: [text],
    "shell": shlex.split,
    "json": lambda text: leaves(json.loads(text)),
    "toml": lambda text: leaves(tomllib.loads(text)),
    "yaml": lambda text: leaves(yaml.safe_load(text)),
    "python": strings_of_python,
    # There is no parser of TypeScript here; the program itself runs below.
    "typescript": lambda text: re.findall(r'"([^"\n]*)"', text),
}


def test_there_is_a_recipe_for_every_client_that_people_ask_about() -> None:
    assert list(ALL) == [
        *SIGNING_IN,
        *("claude-code", "cursor", "vs-code", "codex", "gemini-cli"),
        *("librechat", "n8n"),
        *("openai-api", "anthropic-api", "python", "typescript"),
    ]


@pytest.mark.parametrize(("slug", "code"), CODES)
def test_what_is_to_be_pasted_is_well_formed_and_leads_here(slug: str, code: Code) -> None:
    address = OAUTH_ENDPOINT if slug in SIGNING_IN else ENDPOINT
    assert address in VALUES[code.language](code.text)
    assert code.kind in {"address", "command", "settings", "code"}


@pytest.mark.parametrize("recipe", ALL.values(), ids=list(ALL))
def test_every_recipe_is_whole(recipe: Recipe) -> None:
    parts = list(recipe.parts())
    assert any(isinstance(part, Code) for part in parts)
    assert isinstance(parts[0], str)
    prose = " ".join(part for part in parts if isinstance(part, str))
    assert prose.count("`") % 2 == 0
    assert "```" not in prose
    assert "<endpoint>" not in recipe.text


@pytest.mark.parametrize(("slug", "code"), CODES)
def test_a_key_stands_for_itself_and_never_in_an_address(slug: str, code: Code) -> None:
    assert slug
    assert re.findall(r"\bluma-[\w-]+|\bsk-[\w-]+|Bearer [\w-]{8,}", code.text) == []
    assert not any(
        "KEY" in url or "?" in url for url in re.findall(r"https?://[^\s\"']*", code.text)
    )


@pytest.mark.parametrize(
    ("slug", "language", "sent"),
    [
        ("claude-code", "shell", "Authorization: Bearer $LUMA_API_KEY"),
        ("cursor", "json", "Bearer ${env:LUMA_API_KEY}"),
        ("vs-code", "json", "Bearer ${input:luma}"),
        ("codex", "toml", "LUMA_API_KEY"),
        ("codex", "shell", "LUMA_API_KEY"),
        ("gemini-cli", "json", "Bearer $LUMA_API_KEY"),
        ("librechat", "yaml", "Bearer {{LUMA_API_KEY}}"),
        ("openai-api", "python", "LUMA_API_KEY"),
        ("anthropic-api", "python", "LUMA_API_KEY"),
        ("python", "python", "LUMA_API_KEY"),
    ],
)
def test_each_client_reads_the_key_in_its_own_way(slug: str, language: str, sent: str) -> None:
    assert sent in VALUES[language](code_of(slug, language))


def test_settings_are_where_their_clients_look_for_them() -> None:
    cursor = json.loads(code_of("cursor", "json"))["mcpServers"]["luma"]
    vs_code = json.loads(code_of("vs-code", "json"))
    gemini = json.loads(code_of("gemini-cli", "json"))["mcpServers"]["luma"]
    codex = tomllib.loads(code_of("codex", "toml"))["mcp_servers"]["luma"]
    librechat = yaml.safe_load(code_of("librechat", "yaml"))["mcpServers"]["luma"]
    assert cursor.keys() == {"url", "headers"}
    assert vs_code["servers"]["luma"]["type"] == "http"
    assert vs_code["inputs"][0]["id"] == "luma"
    assert vs_code["inputs"][0]["password"] is True
    assert gemini.keys() == {"httpUrl", "headers"}
    assert codex.keys() == {"url", "bearer_token_env_var"}
    assert librechat["type"] == "streamable-http"
    assert librechat["customUserVars"].keys() == {"LUMA_API_KEY"}


def test_where_nobody_can_sign_in_one_sentence_says_what_the_operator_must_set() -> None:
    for recipe in recipes(ENDPOINT, None)["Chat"]:
        (sentence,) = recipe.parts()
        assert isinstance(sentence, str)
        assert sentence.startswith(recipe.name)
        assert sentence.count(". ") == 0
        assert "`LUMA_MCP_PUBLIC_URL`" in sentence
        assert "`LUMA_MCP_SECRET_KEY`" in sentence


async def test_the_program_in_python_makes_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LUMA_API_KEY", KEY)
    program = tmp_path / "program.py"
    async with product(**AT_ONCE) as url:
        program.write_text(code_of("python", "python", f"{url}/mcp"))
        await asyncio.to_thread(run_path, str(program), run_name="__main__")
    assert "completed" in capsys.readouterr().out


async def test_the_program_in_typescript_makes_a_picture(tmp_path: Path) -> None:
    variables = need_node_clients()
    (tmp_path / "node_modules").symlink_to(NODE / "node_modules")
    program = tmp_path / "program.mjs"
    async with product(**AT_ONCE) as url:
        program.write_text(code_of("typescript", "typescript", f"{url}/mcp"))
        output = await run("node", str(program), cwd=tmp_path, LUMA_API_KEY=KEY, **variables)
    assert "completed" in output
