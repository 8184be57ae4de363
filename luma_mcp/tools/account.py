"""Tools about the account and what Luma knows, with their answers."""

from typing import Literal

from fastmcp.tools import tool
from pydantic import Field

from luma_mcp.luma.apis import AGENTS, APIS, DREAM_MACHINE, ApiName
from luma_mcp.services import Caller
from luma_mcp.tools.definition import READS
from luma_mcp.tools.results import Result
from luma_mcp.wording import count, one_line


class Credits(Result):
    """The balance of the caller's API account."""

    credit_balance_cents: float = Field(description="US cents, as Luma counts.")
    credit_balance_usd: float = Field(description="The same in US dollars.")

    def lines(self) -> list[str]:
        """Say it in dollars."""
        sign = "-" if self.credit_balance_usd < 0 else ""
        return [f"The balance is {sign}${abs(self.credit_balance_usd):,.2f}."]


class Concepts(Result):
    """The keys that `concepts` of create_generation takes."""

    concepts: list[str]

    def lines(self) -> list[str]:
        """Say them in one line."""
        return [_listed(self.concepts, "concept")]


class CameraMotions(Result):
    """Words for camera motions."""

    camera_motions: list[str]
    source: Literal["camera_motion", "concepts"] = Field(
        description="camera_motion: phrases for the prompt; concepts: keys for `concepts`."
    )

    def lines(self) -> list[str]:
        """Say them, and how to use them."""
        use = (
            "put its words into the prompt"
            if self.source == "camera_motion"
            else "give its key to create_generation as one of its concepts"
        )
        return [f"{_listed(self.camera_motions, 'camera motion')}.", f"To use one, {use}."]


class Pong(Result):
    """Luma is there and takes the keys."""

    apis: list[ApiName] = Field(description="The APIs whose keys were sent; all of them answer.")
    message: str

    def lines(self) -> list[str]:
        """Say that it works."""
        titles = [api.title for api in APIS if api.name in self.apis]
        return [f"Luma's {title} answers and takes the key." for title in titles]


def _listed(words: list[str], noun: str) -> str:
    number = count(len(words), noun)
    return f"{number}: {', '.join(one_line(word) for word in words)}" if words else number


@tool(title="See the balance", tags={"account"}, annotations=READS)
async def get_credits(caller: Caller) -> Credits:
    """See how much money is left on the caller's Dream Machine account.

    The Agents API (ray-3.2, uni-1, uni-1-max) has an account of its own, whose balance is on
    platform.lumalabs.ai only. Use it before something costly, or after insufficient_credits. The
    answer has US cents, as Luma counts, and dollars.
    """
    cents = (await caller.dream_machine.get_credits()).credit_balance
    return Credits(credit_balance_cents=cents, credit_balance_usd=cents / 100)


@tool(title="List concepts", tags={"account"}, annotations=READS)
async def list_concepts(caller: Caller) -> Concepts:
    """List the camera motions and styles that create_generation takes as concepts.

    Use it before setting `concepts`; the answer holds keys such as dolly_zoom.
    """
    return Concepts(concepts=await caller.dream_machine.list_concepts())


@tool(title="List camera motions", tags={"account"}, annotations=READS)
async def get_camera_motions(caller: Caller) -> CameraMotions:
    """List camera motions that a prompt can name.

    Use it to find one. Where Luma no longer has its list of phrases, the answer
    holds the concepts, which do the same; `source` says which of the two it is.
    """
    motions, source = await caller.dream_machine.list_camera_motions_or_concepts()
    return CameraMotions(camera_motions=motions, source=source)


@tool(title="Check the connection", tags={"account"}, annotations=READS)
async def ping(caller: Caller) -> Pong:
    """Check that Luma answers and takes the caller's keys; costs nothing.

    Use it when other calls fail, to tell a wrong key from a bad moment of Luma. It asks each of
    Luma's two APIs whose key is there.
    """
    credentials = caller.access.credentials
    present = [api for api in APIS if credentials.key_for(api)]
    message = "pong"
    if AGENTS in present:
        await caller.agents.check_key()
    if DREAM_MACHINE in present or not present:
        message = (await caller.dream_machine.ping()).message or ""
    return Pong(apis=[api.name for api in present], message=message)
