"""The HTTP surface: endpoints, guards and the page for people."""
