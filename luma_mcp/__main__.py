"""`python -m luma_mcp` is `luma-mcp`."""

from luma_mcp.cli import main

main()
