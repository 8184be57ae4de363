"""Nothing fetches `luma-mcp` by name: on the package index that is somebody else's project."""

import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.documents import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IGNORED = (ROOT / ".gitignore").read_text().split()
# Folders that are no part of the project.
NOT_OURS = {".git", *(Path(line).name for line in IGNORED if line.endswith("/"))}
# A command goes on to the end of its line or code; the arguments of a client's may be a list below.
INSTALLERS = re.compile(r"\b(?:pip3?|pipx|uv pip|uv tool) (?:install|download|wheel)\b([^\n;|&`]*)")
RUNNERS = re.compile(r"\b(?:uvx|uv tool run|pipx run)\b((?:[^\n;|&`]*\n?){3})")
DECLARED = re.compile(
    r'"(?:identifier|package)": *"([^"]*)"|(?<![\w/.-])(luma-mcp *(?:\[\w|[=<>~!]=))'
)
WORD = re.compile(r"""[^\s"'`,()\[\]]+(?:\[[\w,-]+\])?[^\s"'`,()]*""")
SOURCES = ("--from", "--spec")


def fetched_by_runner(words: list[str]) -> list[str]:
    """Give what a runner fetches: what it is told to, or else what it runs."""
    for option in SOURCES:
        if option in words:
            return words[words.index(option) + 1 :][:1]
    return [word for word in words if word[0] != "-" and not word.endswith(":")][:1]


def fetched(text: str) -> Iterator[str]:
    """Find whatever a text would have somebody fetch from an index, or declares to be there."""
    for args in INSTALLERS.findall(text):
        yield from WORD.findall(args)
    for args in RUNNERS.findall(text):
        yield from fetched_by_runner([word for word in WORD.findall(args) if word != "args"])
    for pair in DECLARED.findall(text):
        yield from filter(None, pair)


def is_the_other_project(requirement: str) -> bool:
    return re.split(r"[^\w.-]", requirement.lower())[0].replace("_", "-") == "luma-mcp"


def texts() -> Iterator[Path]:
    for path in ROOT.rglob("*"):
        within = path.relative_to(ROOT).parts
        is_ours = not any(fnmatch(part, one) for part in within for one in NOT_OURS)
        if is_ours and path.is_file() and path != Path(__file__):
            yield path


def test_the_distribution_has_a_name_of_its_own() -> None:
    assert PROJECT["name"] == "luma-ai-mcp"
    assert PROJECT["scripts"].keys() == {"luma-mcp"}


def test_no_file_fetches_the_project_of_somebody_else() -> None:
    found = []
    for path in texts():
        try:
            text = path.read_text()
        except UnicodeDecodeError:  # a picture, or a cache
            continue
        found += [(path.name, one) for one in fetched(text) if is_the_other_project(one)]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "pip install luma-mcp",
        'run `pip install "luma-mcp[redis]"` first',
        "pipx install luma_mcp==0.1.0",
        "uv tool install --python 3.13 luma-mcp",
        "uvx luma-mcp stdio",
        "uvx luma-mcp@latest",
        "uvx --from luma-mcp luma-mcp stdio",
        '{"command": "uvx", "args": ["luma-mcp", "stdio"]}',
        '{\n  "command": "uvx",\n  "args": ["luma-mcp", "stdio"]\n}',
        '{"registryType": "pypi", "identifier": "luma-mcp"}',
        "luma-mcp[previews]==0.1.0",
    ],
)
def test_the_search_finds_it(text: str) -> None:
    assert any(is_the_other_project(one) for one in fetched(text))


@pytest.mark.parametrize(
    "text",
    [
        'pip install ".[previews]"\nluma-mcp',
        "pip install . && luma-mcp --version",
        "uvx --from . luma-mcp stdio",
        '{"command": "uvx", "args": ["--from", "/srv/luma", "luma-mcp", "stdio"]}',
        '{"command": "luma-mcp", "args": ["stdio"]}',
        "pip install luma-ai-mcp",
    ],
)
def test_the_search_finds_nothing_else(text: str) -> None:
    assert not any(is_the_other_project(one) for one in fetched(text))
