"""The HTTP surface: the endpoints, their guards and the page for people."""
