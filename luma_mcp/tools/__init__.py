"""The MCP tools: what a model can call, and what a person reads."""
