"""Processes that a measurement needs, ended when their stdin is closed."""

import resource
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

OPEN_FILES = 8_192


@contextmanager
def _started(module: str, *arguments: str) -> Generator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(  # noqa: S603 - our own modules
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait(timeout=30)
        process.stdout.close()


def _url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return f"http://127.0.0.1:{int(process.stdout.readline())}"


@contextmanager
def process_of(module: str, *arguments: str) -> Generator[str]:
    """Run a module that prints its port; gives its base URL."""
    with _started(module, *arguments) as process:
        yield _url_of(process)


@contextmanager
def processes_of(number: int, module: str, *arguments: str) -> Generator[list[str]]:
    """Run a module so many times, started side by side; gives the base URLs."""
    with ExitStack() as stack:
        processes = [stack.enter_context(_started(module, *arguments)) for _ in range(number)]
        yield [_url_of(process) for process in processes]


@contextmanager
def many_open_files() -> Generator[None]:
    """Allow thousands of connections, here and in processes that are started meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft == resource.RLIM_INFINITY or soft >= most:
        yield
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
