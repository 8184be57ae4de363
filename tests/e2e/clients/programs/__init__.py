"""Clients that run as processes of their own, as they need other libraries than the server."""
