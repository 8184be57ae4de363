"""Lets clients that only speak OAuth in: their users sign in with their own Luma keys."""
