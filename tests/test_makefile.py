"""What `make` would do is what the documents promise; nothing is installed or started here."""

import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import LONGEST
from tests.documents import ROOT
from tests.e2e.processes import finished
from tests.e2e.requirements import need_program
from tests.e2e.test_readme import example, run

BLOCK = re.compile(r"^```bash\n(.*?)^```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"^make((?: +[a-z]+\b(?!=))+)", re.MULTILINE)


def promised() -> list[str]:
    """List the targets that any document names as a command."""
    texts = [page.read_text() for page in ROOT.glob("*.md")]
    code = [part for text in texts for part in (*BLOCK.findall(text), *CODE.findall(text))]
    return sorted(
        {name for part in code for names in COMMAND.findall(part) for name in names.split()}
    )


async def commands_of(target: str) -> list[str]:
    """Let make say what it would do if the locked dependencies had just changed."""
    need_program("make")
    locks = ("requirements.lock", "requirements-dev.lock", "tests/e2e/clients/requirements.lock")
    changed = (f"--what-if={lock}" for lock in locks)
    out = await run("make", "--dry-run", "--no-print-directory", *changed, target, cwd=ROOT)
    return out.splitlines()


def test_the_documents_name_targets() -> None:
    assert {"run", "quick", "test", "coverage", "lint", "bench", "lock"} <= set(promised())


# By file, since a file's tests may share what takes long to set up.
PARALLEL = ["--numprocesses", "auto", "--dist", "loadfile", "--no-loadscope-reorder"]


@pytest.mark.parametrize("target", promised())
async def test_a_target_that_the_documents_name_exists(target: str) -> None:
    assert await commands_of(target)


@pytest.mark.parametrize(
    ("target", "lock"),
    [
        ("run", "requirements.lock"),
        *((name, "requirements-dev.lock") for name in ("quick", "test", "coverage")),
    ],
)
async def test_only_hashed_dependencies_of_the_right_lock_are_installed(
    target: str, lock: str
) -> None:
    (installing,) = [line for line in await commands_of(target) if " install " in line]
    assert installing.startswith(".venv/bin/python -m pip install ")
    words = installing.split()
    assert "--require-hashes" in words
    assert words[words.index("-r") :] == ["-r", lock]


async def test_without_make_the_readme_has_the_same_done() -> None:
    installing, serving = example("bash", "python3 -m venv").splitlines()
    commands = await commands_of("run")
    (by_make,) = [line for line in commands if " install " in line]
    making, by_hand = installing.split(" && ")
    assert making == "python3 -m venv .venv"
    assert set(by_hand.split()) <= set(by_make.split())
    assert {"--no-deps", "--require-hashes"} <= set(by_hand.split())
    assert serving == commands[-1]


async def test_what_is_installed_is_checked_for_whatever_is_missing() -> None:
    for target in ("run", "test", "clients"):
        commands = await commands_of(target)
        (installing,) = [line for line in commands if " pip install " in line]
        assert "--no-deps" in installing.split()
        assert " pip check" in commands[commands.index(installing) + 1]


async def test_make_run_starts_the_server_with_its_sandbox() -> None:
    assert (await commands_of("run"))[-1] == ".venv/bin/python server.py --sandbox"


async def pytest_words(target: str) -> list[str]:
    """List what a target tells pytest beyond how to share the work."""
    (testing,) = [line for line in await commands_of(target) if "pytest" in line]
    words = testing.split()
    assert words[: 3 + len(PARALLEL)] == [".venv/bin/python", "-m", "pytest", *PARALLEL]
    return words[3 + len(PARALLEL) :]


async def test_make_test_runs_the_whole_suite() -> None:
    assert await pytest_words("test") == []  # nothing deselected


async def test_make_coverage_runs_the_whole_suite_and_measures_it() -> None:
    assert await pytest_words("coverage") == ["--cov", "--cov-report=term"]  # nothing deselected


async def test_make_quick_leaves_out_what_takes_longest() -> None:
    left_out = [word.removeprefix("--ignore=") for word in await pytest_words("quick")]
    assert left_out[: len(LONGEST)] == [name.removesuffix("/") for name in LONGEST]
    assert all((ROOT / name).exists() for name in left_out)


@pytest.mark.parametrize(
    ("programs", "status", "said"),
    [
        ({"docker": "0", "podman": "0"}, 0, "docker build --tag luma-mcp .\n"),
        ({"docker": "1", "podman": "0"}, 0, "podman build --format docker --tag luma-mcp .\n"),
        ({"podman": "0"}, 0, "podman build --format docker --tag luma-mcp .\n"),
        ({"docker": "1"}, 2, "Install Podman, or Docker and start it: no engine answers here.\n"),
        ({}, 2, "Install Podman, or Docker and start it: no engine answers here.\n"),
    ],
    ids=str,
)
async def test_make_image_builds_with_the_engine_that_answers(
    programs: dict[str, str], status: int, said: str, tmp_path: Path
) -> None:
    for name, answers in programs.items():  # which say what they are told, but no version
        script = f'#!/bin/sh\n[ "$1" = version ] && exit {answers}\necho {name} "$@"\n'
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o700)
    need_program("make")
    make = ("-c", 'exec "$0" image 2>&1', str(shutil.which("make")))
    alone = {"PATH": str(tmp_path), "MAKEFLAGS": "", "MAKELEVEL": "0"}  # another make may run this
    ended, out, _ = await finished(*make, python="/bin/sh", program=(), **alone)
    assert (ended, out.partition("make: ")[0]) == (status, said)
