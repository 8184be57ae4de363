"""The image that ours begins with, made of Debian's packages where no registry is reached."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.containers.engine import Engine, run

FROM = re.compile(r"^FROM (\S+)", re.MULTILINE)
# From Debian's own mirror, wherever this machine's apt has it.
MIRROR = ("indextargets", "--format", "$(REPO_URI)", "Identifier: Packages", "Label: Debian")
PIP_OPTION = re.compile(r"^\S+?\.(cert|default-timeout|index-url|proxy|trusted-host)='(.+)'$")


async def import_base(engine: Engine, dockerfile: Path) -> None:
    """Give the engine what the Dockerfile names: Debian with the Python of its release."""
    (name,) = set(FROM.findall(dockerfile.read_text()))  # noqa: ASYNC240 - one small file
    release = name.rpartition("-")[2]
    mirror = (await run("apt-get", *MIRROR)).split()[0]
    archive = str(engine.home / "base.tar")
    kept = [f"--customize-hook={hook}" for hook in await _hooks(engine.home)]
    packages = "--include=ca-certificates,python3-venv"
    options = ("--quiet", "--mode=root", "--variant=minbase", packages, *kept)
    await run("mmdebstrap", *options, release, archive, mirror)
    await engine.docker("import", archive, name)


async def _hooks(home: Path) -> list[str]:
    """Name Python as the Dockerfile does, and let pip reach the index as it does outside."""
    options = dict(await _pip_options())
    (home / "pip.conf").write_text(
        "\n".join(["[global]", *(f"{name} = {value}" for name, value in options.items())])
    )
    hooks = [
        'ln -s ../../bin/python3 "$1/usr/local/bin/python"',
        f'copy-in "{home / "pip.conf"}" /etc',
    ]
    if authorities := options.get("cert"):
        hooks.append(f'copy-in "{authorities}" "{Path(authorities).parent}"')
    return hooks


async def _pip_options() -> Iterator[tuple[str, str]]:
    listed = await run(sys.executable, "-m", "pip", "config", "list")
    found = (PIP_OPTION.match(line) for line in listed.splitlines())
    return ((one[1], one[2]) for one in found if one)
