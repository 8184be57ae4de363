"""The widgets as they are committed: what their sources build, byte for byte, without complaint."""

import json
import shutil
import signal
import subprocess
from pathlib import Path

from tests.e2e.processes import ROOT, fetch, start
from tests.e2e.requirements import WIDGETS, need_widgets
from tests.e2e.widgets.theatre import HERE

COMMITTED = ROOT / "luma_mcp" / "widgets"
PAGES = ("player.html", "gallery.html")
TSC = WIDGETS / "node_modules" / ".bin" / "tsc"
MAX_BYTES = 400_000


def run(*command: str | Path) -> str:
    """Run a program of the widgets; gives what it says."""
    ended = subprocess.run(  # noqa: S603 - a program of ours
        command, cwd=WIDGETS, env=need_widgets(), capture_output=True, check=False, text=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_pages_are_what_their_sources_build(tmp_path: Path) -> None:
    run("node", "build.mjs", tmp_path)
    for name in PAGES:
        assert (tmp_path / name).read_bytes() == (COMMITTED / name).read_bytes(), name


def test_the_sources_have_no_errors_of_types() -> None:
    assert run(TSC, "--noEmit") == ""


def test_the_host_has_no_errors_of_types(tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(WIDGETS / "node_modules")
    shutil.copy(HERE / "host.ts", tmp_path)
    settings = {
        "extends": str(WIDGETS / "tsconfig.json"),
        "compilerOptions": {"exactOptionalPropertyTypes": False},
        "include": ["host.ts"],
    }
    (tmp_path / "tsconfig.json").write_text(json.dumps(settings))
    assert run(TSC, "--noEmit", "--project", tmp_path) == ""


def test_the_pages_hold_all_that_they_need_and_no_more() -> None:
    for name in PAGES:
        html = (COMMITTED / name).read_text(encoding="utf-8")
        assert len(html.encode()) <= MAX_BYTES
        assert html.count("<script") == html.count("</script>") == 1
        assert "eval(" not in html
        assert "MIT" in html[:2_000]


async def test_the_host_can_be_opened_by_hand() -> None:
    need_widgets()
    process = await start(program=("-m", "tests.e2e.widgets"))
    assert process.stdout is not None
    address = (await process.stdout.readline()).decode().strip()
    assert "tool=create_generation" in address
    assert "host.js" in (await fetch(address)).text
    process.terminate()
    await process.communicate()
    assert process.returncode == -signal.SIGTERM
