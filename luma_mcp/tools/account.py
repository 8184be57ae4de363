"""Tools about the account and what Luma knows."""

from fastmcp.tools import tool

from luma_mcp.services import Caller
from luma_mcp.tools.caller import CURRENT_CALLER
from luma_mcp.tools.definition import READS
from luma_mcp.tools.results import CameraMotions, Concepts, Credits, Pong


@tool(title="See the balance", tags={"account"}, annotations=READS)
async def get_credits(caller: Caller = CURRENT_CALLER) -> Credits:
    """See how much money is left on the caller's API account.

    Use it before something costly, or after insufficient_credits. The answer has US cents, as Luma
    counts, and dollars.
    """
    cents = (await caller.dream_machine.get_credits()).credit_balance
    return Credits(credit_balance_cents=cents, credit_balance_usd=cents / 100)


@tool(title="List concepts", tags={"account"}, annotations=READS)
async def list_concepts(caller: Caller = CURRENT_CALLER) -> Concepts:
    """List the camera motions and styles that create_generation takes as concepts.

    Use it before setting `concepts`; the answer holds keys such as dolly_zoom.
    """
    return Concepts(concepts=await caller.dream_machine.list_concepts())


@tool(title="List camera motions", tags={"account"}, annotations=READS)
async def get_camera_motions(caller: Caller = CURRENT_CALLER) -> CameraMotions:
    """List words for camera motions.

    Use it to find a motion for a prompt. Where Luma no longer has its list of phrases, the answer
    holds the concepts, which do the same; `source` says which of the two it is.
    """
    motions, source = await caller.dream_machine.list_camera_motions_or_concepts()
    return CameraMotions(camera_motions=motions, source=source)


@tool(title="Check the connection", tags={"account"}, annotations=READS)
async def ping(caller: Caller = CURRENT_CALLER) -> Pong:
    """Check that Luma answers and takes the caller's key; costs nothing.

    Use it when other calls fail, to tell a wrong key from a bad moment of Luma.
    """
    return Pong(message=(await caller.dream_machine.ping()).message or "")
