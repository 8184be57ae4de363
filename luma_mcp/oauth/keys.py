"""Whether Luma takes a user's keys."""

import asyncio

from luma_mcp.credentials import Credentials
from luma_mcp.errors import KeyRejected, LumaMcpError
from luma_mcp.luma.apis import AGENTS, APIS, Api, ApiName
from luma_mcp.redaction import hiding
from luma_mcp.services import Access, Caller, Services

# Clients wait some 30 s for a token, and lose the sign-in with an answer that comes later.
PATIENCE_SECONDS = 10.0
Troubles = dict[ApiName, LumaMcpError]


async def ask_luma(services: Services, credentials: Credentials) -> Troubles:
    """Ask each API about the key for it, by something that costs nothing; say where that failed."""
    caller = Caller(services, Access.by(services.settings, credentials))
    asked = [api for api in APIS if credentials.key_for(api)]
    with hiding(*(key.secret for key in credentials.keys)):
        async with asyncio.TaskGroup() as group:
            tasks = {api.name: group.create_task(_trouble_with(caller, api)) for api in asked}
    return {name: trouble for name, task in tasks.items() if (trouble := task.result())}


async def are_rejected(services: Services, credentials: Credentials) -> bool:
    """Tell whether Luma refuses one of the keys; that it cannot be asked is no refusal."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            troubles = await ask_luma(services, credentials)
    except TimeoutError:
        return False
    return any(isinstance(trouble, KeyRejected) for trouble in troubles.values())


async def _trouble_with(caller: Caller, api: Api) -> LumaMcpError | None:
    try:
        if api is AGENTS:
            await caller.agents.list_files(limit=1)
        else:
            await caller.dream_machine.get_credits()
    except LumaMcpError as error:
        return error
    return None
