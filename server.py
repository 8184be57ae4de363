"""The door: `python server.py` is `luma-mcp`; `uvicorn server:app` serves the same application.

Under another server LUMA_MCP_HOST and LUMA_MCP_PORT say where it listens, which the sandbox needs
to know.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.applications import Starlette


def __getattr__(name: str) -> "Starlette":
    """Build `app` when a process manager asks for it, and not for `python server.py`."""
    if name != "app":
        raise AttributeError(name)
    from luma_mcp.cli import load_app  # noqa: PLC0415 - only when asked for

    return load_app()


if __name__ == "__main__":
    from luma_mcp.cli import main

    main()
