"""The documents say what is so: their tables, trees, links and commands are checked."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from luma_mcp import __version__
from luma_mcp.metrics import FAMILIES
from luma_mcp.settings import (
    SECRETS,
    TEST_SWITCHES,
    Settings,
    file_variable,
    variable_name,
)
from tests.documents import EXAMPLE, README, ROOT, SECURITY, example, readme, security
from tests.e2e.node_lock import LOCKS as NODE_LOCKS
from tests.e2e.node_lock import without_addresses

PAGES = sorted(ROOT.glob("*.md"))
LOCKS = ["requirements.lock", "requirements-dev.lock", "tests/e2e/clients/requirements.lock"]
CLIENT_PACKAGES = {
    "MCP SDK for Python": "mcp",
    "the same over HTTP+SSE": "mcp",
    "MCP SDK for Python, older": "mcp",
    "MCP SDK for TypeScript (`client`)": "@modelcontextprotocol/client",
    "MCP SDK for TypeScript (`sdk`)": "@modelcontextprotocol/sdk",
    "FastMCP": "fastmcp",
    "MCP Inspector, `--cli`": "@modelcontextprotocol/inspector",
    "mcp-remote": "mcp-remote",
    "LangChain MCP adapters": "langchain-mcp-adapters",
    "pydantic-ai, `MCPToolset`": "pydantic-ai-slim",
}
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)\)")
METRIC = re.compile(r"\b(?:luma_mcp|mcp_server)_[a-z_]+\b(?!/)")
TREE_ENTRY = re.compile(r"^([│ ]*)[├└]── (\S+)", re.MULTILINE)


def test_the_readmes_tables_are_those_of_the_code() -> None:
    assert README.read_text() == readme(), "run python -m tests.documents"


def test_the_table_of_faults_is_that_of_the_tests_that_play_them() -> None:
    assert SECURITY.read_text() == security(), "run python -m tests.documents"


def test_the_example_environment_lists_every_setting_with_its_default() -> None:
    assert EXAMPLE.read_text() == example(), "run python -m tests.documents"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text()) if not (ROOT / link).exists()]
    assert missing == []


def test_the_architectures_tree_is_the_packages() -> None:
    drawn = set()
    folders: list[str] = []
    for indent, name in TREE_ENTRY.findall((ROOT / "ARCHITECTURE.md").read_text()):
        folders = [*folders[: len(indent) // 4], name.rstrip("/")]
        drawn.add("/".join(folders))
    found = {
        path.relative_to(ROOT / "luma_mcp").as_posix().removesuffix(".py")
        for path in (ROOT / "luma_mcp").rglob("*")
        if path.suffix == ".py" or path.is_dir()
    }
    found = {path for path in found if "__" not in path}
    assert {path.removesuffix(".py") for path in drawn} == found


def test_every_json_of_the_readme_is_json() -> None:
    blocks = re.findall(r"```json\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 3
    assert all(json.loads(block) for block in blocks)


def _locked() -> set[str]:
    """Every package and version that any lock names, as `name==version`."""
    found = {
        f"{path.rpartition('node_modules/')[2]}=={one.get('version')}"
        for lock in NODE_LOCKS
        for path, one in json.loads(lock.read_text())["packages"].items()
    }
    for lock in LOCKS:
        found |= set(re.findall(r"^([a-z0-9-]+==[\w.]+)", (ROOT / lock).read_text(), re.MULTILINE))
    return found


def test_the_clients_that_the_readme_names_are_those_that_the_tests_run() -> None:
    section = README.read_text().partition("## Clients")[2].partition("## In the chat")[0]
    _head, *rows = re.findall(r"^\| (.+?) \| (.+?) \|", section, re.MULTILINE)
    assert {name for name, _ in rows} == set(CLIENT_PACKAGES)
    assert {f"{CLIENT_PACKAGES[name]}=={version}" for name, version in rows} <= _locked()


def test_what_security_is_shown_by_exists() -> None:
    shown = re.findall(r"`(tests/[\w/.]+)`", (ROOT / "SECURITY.md").read_text())
    assert len(shown) > 10
    assert [path for path in shown if not (ROOT / path).exists()] == []


def test_the_changelog_knows_this_version() -> None:
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_compose_file_passes_on_every_setting_that_the_image_does_not_fix() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    passed = set(re.findall(r"^ +(LUMA_MCP_\w+):", compose, re.MULTILINE)) - {
        "LUMA_MCP_SITE",  # these two are Caddy's
        "LUMA_MCP_UPSTREAMS",
    }
    fixed = {"LUMA_MCP_HOST", "LUMA_MCP_PORT", "LUMA_MCP_SANDBOX", "LUMA_MCP_LOG_FORMAT"}
    known = {variable_name(name) for name in Settings.model_fields}
    assert passed == (known | {file_variable(name) for name in SECRETS}) - fixed


@pytest.mark.parametrize("lock", LOCKS)
def test_the_locks_carry_hashes_and_no_addresses(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    pinned = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line)]
    assert pinned
    assert all("==" in line and line.endswith("\\") for line in pinned)


@pytest.mark.parametrize("lock", NODE_LOCKS, ids=lambda path: path.parent.name)
def test_the_locks_of_node_packages_carry_no_addresses(lock: Path) -> None:
    assert lock.read_text() == without_addresses(lock)
    assert "://" not in lock.read_text()


def test_the_locks_hold_every_dependency_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    wanted = [one for group in (project["project"]["dependencies"], *extras) for one in group]
    names = {re.split(r"[\[<>=]", one)[0] for one in wanted}
    lock = (ROOT / "requirements.lock").read_text()
    assert names <= set(re.findall(r"^([a-z0-9-]+)(?:\[|==)", lock, re.MULTILINE))


def test_whatever_documents_name_of_settings_and_metrics_exists() -> None:
    settings = {variable_name(field) for field in Settings.model_fields} | TEST_SWITCHES
    settings |= {file_variable(field) for field in SECRETS}
    pages = [*ROOT.glob("*.md"), *(ROOT / "deploy").rglob("*.*"), ROOT / "docker-compose.yml"]
    told = " ".join(page.read_text() for page in pages)
    # By these two names Caddy is told where it is and what is behind it.
    named = set(re.findall(r"LUMA_MCP_[A-Z_]*[A-Z]", told)) - {
        "LUMA_MCP_SITE",
        "LUMA_MCP_UPSTREAMS",
    }
    assert settings - TEST_SWITCHES <= named <= settings
    series = {re.sub("_(bucket|count|sum)$", "", name) for name in re.findall(METRIC, told)}
    assert series == set(FAMILIES)
