"""The ids of generations: what one looks like, and what may get into a URL."""

import re

from luma_mcp.errors import InvalidRequest

ID_PATTERN = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
EXAMPLE_ID = "123e4567-e89b-12d3-a456-426614174000"
_ID = re.compile(ID_PATTERN)


def is_id(text: str) -> bool:
    """Tell whether a text is an id, and nothing else."""
    return _ID.fullmatch(text) is not None


def checked_id(generation_id: str) -> str:
    """Let only an id into a URL, never a path.

    Raises:
        InvalidRequest: The text is not a UUID.
    """
    if not is_id(generation_id):
        raise InvalidRequest(
            "generation_id is not the id of a generation.",
            advice=f"An id looks like {EXAMPLE_ID}; list_generations shows yours.",
        )
    return generation_id.lower()
