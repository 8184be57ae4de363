"""The distribution: what `pip install .` gives."""

import asyncio
import sys
import sysconfig
import venv
from pathlib import Path

from luma_mcp import __version__
from luma_mcp.tools import ALL
from tests.documents import ROOT
from tests.e2e.test_readme import run


def found(folder: Path, pattern: str) -> list[Path]:
    return list(folder.glob(pattern))


PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")


async def test_the_installed_distribution_gives_the_command_with_its_pages(
    tmp_path: Path,
) -> None:
    place = tmp_path / "venv"
    await asyncio.to_thread(venv.create, place)
    python = str(place / "bin" / "python")
    # The build backend is among the locked dependencies: nothing is fetched here.
    offline = ("--no-deps", "--no-build-isolation", "--no-index")
    await run(sys.executable, *PIP, "wheel", *offline, "--wheel-dir", str(tmp_path), str(ROOT))
    (wheel,) = found(tmp_path, "luma_mcp-*.whl")
    await run(sys.executable, *PIP, "--python", python, "install", *offline, str(wheel))
    (site,) = found(place, "lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    command = str(place / "bin" / "luma-mcp")
    assert await run(command, "--version", cwd=tmp_path) == f"{__version__}\n"
    assert len((await run(command, "tools", cwd=tmp_path)).splitlines()) == len(ALL)
    assert (site / "luma_mcp" / "pages" / "templates" / "home.html").exists()
