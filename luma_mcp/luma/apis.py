"""Luma's two APIs: their names, where their keys are made, how their jobs are told apart."""

from dataclasses import dataclass
from typing import Literal

from luma_mcp.errors import KEYS_PAGE

ApiName = Literal["dream_machine", "agents"]


@dataclass(frozen=True)
class Api:
    """What differs between the two where they are otherwise handled alike.

    Attributes:
        name: What programs call it.
        title: What people call it.
        who: Who answers there, to begin a sentence; the older API is Luma itself to its users.
        keys_page: Where its keys are made.
        key_header: The header that always carries a key for it, as a caller writes it.
        variable: The variable that carries a key for it over stdio.
        id_prefix: What stands before the ids of its jobs, everywhere but on its own wire.
        may_exist: What to do about a paid call of which nobody knows what came.
        not_found: What to do about an id that it does not know.
        top_up: What to do about an account that cannot pay.
    """

    name: ApiName
    title: str
    who: str
    keys_page: str
    key_header: str
    variable: str
    id_prefix: str
    may_exist: str
    not_found: str
    top_up: str


DREAM_MACHINE = Api(
    name="dream_machine",
    title="Dream Machine API",
    who="Luma",
    keys_page=KEYS_PAGE,
    key_header="X-Luma-API-Key",
    variable="LUMA_API_KEY",
    id_prefix="",
    may_exist="The job may have been created and charged. Look for it with list_generations "
    "before you create it again.",
    not_found="Check the id with list_generations; a generation is visible only to the key that "
    "made it.",
    top_up="See the balance with get_credits and add credits to your API account at lumalabs.ai; "
    "those of a Dream Machine subscription do not count here.",
)
# The Agents API can list neither jobs nor the balance (SDK luma-agents 0.5).
AGENTS = Api(
    name="agents",
    title="Agents API",
    who="Luma's Agents API",
    keys_page="https://platform.lumalabs.ai",
    key_header="X-Luma-Agents-API-Key",
    variable="LUMA_AGENTS_API_KEY",
    id_prefix="agents:",
    may_exist="The job may have been created and charged, and the Agents API cannot list jobs: let "
    "the user look at platform.lumalabs.ai before you create it again.",
    not_found="Check the id (list_files shows those of files); what an account made is visible to "
    "its own keys alone.",
    top_up="Add funds to the account at platform.lumalabs.ai.",
)
APIS = (DREAM_MACHINE, AGENTS)
