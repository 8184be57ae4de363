"""What a process takes before it does anything: time to start, memory while idle."""

import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.servers import bound_socket

FLOOR = "FastMCP imported"
KIB = 1024


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How often each is started."""

    rounds: int = 5


USUAL = Bounds()

Sample = tuple[float, float]  # seconds, MB


def _resident_mb(process: subprocess.Popen[str]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / KIB


@contextmanager
def _started(*command: str) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(  # noqa: S603 - our own commands
        [sys.executable, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def to_first_line(*command: str) -> Sample:
    """Start a command and see how long it takes to say something, and how large it is then."""
    started = time.perf_counter()
    with _started(*command) as process:
        assert process.stdout is not None
        while not process.stdout.readline().strip():
            assert process.poll() is None, command
        return time.perf_counter() - started, _resident_mb(process)


def serving(*options: str) -> Sample:
    """Start a server and see when it listens."""
    with bound_socket() as free:
        port = free.getsockname()[1]
    return to_first_line("-m", "luma_mcp", *options, "--port", str(port))


def importing(*modules: str) -> Sample:
    """Start Python with some libraries."""
    imports = "; ".join(["import sys", *(f"import {module}" for module in modules)])
    return to_first_line("-c", f"{imports}; print('here', flush=True); sys.stdin.read()")


def to_the_end(*command: str) -> Sample:
    """Run a command to its end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, capture_output=True)  # noqa: S603
    return time.perf_counter() - started, 0


WAYS: dict[str, Callable[[], Sample]] = {
    FLOOR: lambda: importing("fastmcp.server.server"),
    "luma-mcp --version": lambda: to_the_end("-m", "luma_mcp", "--version"),
    "luma-mcp": lambda: serving("serve"),
    "luma-mcp --sandbox": lambda: serving("serve", "--sandbox"),
    "luma-mcp sandbox": lambda: serving("sandbox"),
}


def report(bounds: Bounds = USUAL) -> list[str]:
    """Give the table: seconds until it listens and its memory then, and times the floor."""
    samples: dict[str, list[Sample]] = {name: [] for name in WAYS}
    for _ in range(bounds.rounds):
        for name, way in WAYS.items():
            samples[name].append(way())
    middle = {
        name: (median(seconds for seconds, _ in found), median(size for _, size in found))
        for name, found in samples.items()
    }
    floor_seconds, floor_size = middle[FLOOR]
    lines = [f"Start-up in ms and idle memory in MB (times {FLOOR})"]
    lines += [
        f"{name:34}{seconds * 1000:>10.0f} ({seconds / floor_seconds:>6.2f})"
        + (f"{size:>10.0f} ({size / floor_size:>6.2f})" if size else "")
        for name, (seconds, size) in middle.items()
    ]
    return lines
