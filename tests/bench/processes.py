"""Processes that a measurement needs, ended when their stdin is closed."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def process_of(module: str, *arguments: str) -> Generator[str]:
    """Run a module that prints its port; gives its base URL."""
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(  # noqa: S603 - our own modules
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.stdin.close()
        process.wait(timeout=30)
        process.stdout.close()
