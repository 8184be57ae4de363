"""The image's health check: `python -S -m luma_mcp.healthcheck` asks the container's process.

It runs every few seconds, so that it imports the standard library alone, and little of that.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path

PROCESSES = Path("/proc")
TIMEOUT_SECONDS = 4  # less than the image gives the whole check
# These listen nowhere: they are well as long as the container runs.
_SILENT = {"stdio", "tools", "--version", "--help", "-h"}
# `::` takes IPv4 as well, and a container without IPv6 has no ::1.
_WILDCARDS = {"", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound


def read_arguments(processes: Path) -> list[str]:
    """Read what the oldest `python -m luma_mcp` was started with; none if nothing else runs.

    Before it there may be an init process, which names the same arguments after its own.
    """
    numbers = sorted(int(entry.name) for entry in processes.iterdir() if entry.name.isdigit())
    for number in numbers:
        try:
            words = (processes / str(number) / "cmdline").read_text(errors="replace").split("\0")
        except OSError:  # it has ended meanwhile
            continue
        if "luma_mcp" in words:
            return words[words.index("luma_mcp") + 1 : -1]
    return []


def _option(name: str, arguments: Sequence[str]) -> str | None:
    """Find the value of an option, in either form that the command line takes."""
    for place, word in enumerate(arguments):
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
        if word == name:
            return arguments[place + 1]
    return None


def find_server(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[str, int] | None:
    """Tell at which address and port to ask a process; None if it listens nowhere.

    Options win over the environment. A port such as tcp://10.0.0.1:8000 is not the process's own:
    Kubernetes sets it for a Service named luma-mcp, and the server takes it for none.
    """
    if arguments and arguments[0] in _SILENT:
        return None
    given = {name.upper(): value for name, value in environment.items()}
    host = _option("--host", arguments) or given.get("LUMA_MCP_HOST") or "127.0.0.1"
    port = _option("--port", arguments) or given.get("LUMA_MCP_PORT") or "8000"
    return (
        "127.0.0.1" if host in _WILDCARDS else host,
        8000 if port.startswith("tcp://") else int(port),
    )


def ask(host: str, port: int) -> str | None:
    """Ask /healthz; gives what is wrong, or None."""
    connection = HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"{host} port {port} does not answer: {error or type(error).__name__}"
    finally:
        connection.close()
    return None if status == 200 else f"{host} port {port} answers {status}"  # noqa: PLR2004 - OK


def main(processes: Path = PROCESSES) -> None:
    """Check, and end with a status that the engine of the container understands."""
    server = find_server(read_arguments(processes), os.environ)
    sys.exit(ask(*server) if server else None)


if __name__ == "__main__":
    main()
