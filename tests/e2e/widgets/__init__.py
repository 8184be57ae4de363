"""A host of MCP Apps, as chats are: it shows the widgets of the real server in a real browser."""
