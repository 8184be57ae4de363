"""luma-mcp: the MCP server for Luma's video and image generation."""

__version__ = "0.1.0"
