"""The ids of generations and files: what one looks like, and what may get into a URL."""

import re

from luma_mcp.errors import InvalidRequest
from luma_mcp.luma.apis import AGENTS, DREAM_MACHINE, Api

ID_PATTERN = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
# As callers write it: a job of the Agents API says so.
GENERATION_ID_PATTERN = rf"(?:{AGENTS.id_prefix})?{ID_PATTERN}"
EXAMPLE_ID = "123e4567-e89b-12d3-a456-426614174000"
_ID = re.compile(ID_PATTERN)


def is_id(text: str) -> bool:
    """Tell whether a text is an id as Luma writes it, and nothing else."""
    return _ID.fullmatch(text) is not None


def api_of_id(generation_id: str) -> Api:
    """Tell by its prefix which API a generation belongs to."""
    return AGENTS if generation_id.startswith(AGENTS.id_prefix) else DREAM_MACHINE


def checked_id(generation_id: str, api: Api = DREAM_MACHINE) -> str:
    """Let only an id of this API into a URL, as Luma writes it; never a path.

    Raises:
        InvalidRequest: The text is no id, or that of a generation of the other API.
    """
    bare = generation_id.removeprefix(AGENTS.id_prefix)
    if not is_id(bare):
        raise InvalidRequest(
            "generation_id is not the id of a generation.",
            advice=f"An id looks like {EXAMPLE_ID} or {AGENTS.id_prefix}{EXAMPLE_ID}; creating "
            "tools answer it, and list_generations shows those of Dream Machine.",
        )
    owner = api_of_id(generation_id)
    if owner is not api:
        raise InvalidRequest(
            f"The generation {generation_id} belongs to Luma's {owner.title}, and this works only "
            f"with those of its {api.title}.",
            advice=_ADVICE[api.name],
        )
    return bare.lower()


def checked_file_id(file_id: str) -> str:
    """Let only the id of a file into a URL or a body.

    Raises:
        InvalidRequest: The text is no id.
    """
    if not is_id(file_id):
        raise InvalidRequest(
            "file_id is not the id of a file.",
            advice=f"An id looks like {EXAMPLE_ID}; upload_file and list_files give it.",
        )
    return file_id.lower()


_ADVICE = {
    DREAM_MACHINE.name: "The Agents API can neither delete, upscale nor add sound, and models of "
    "Dream Machine take its results only by their links.",
    AGENTS.name: f"Ids of the Agents API begin with '{AGENTS.id_prefix}'. Give a result of Dream "
    "Machine by its link instead, as url, and an uploaded file as file_id.",
}
