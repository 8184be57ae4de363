"""Travel with one of these clients, and print what was seen as one line of JSON."""

import asyncio
import json
import sys
from importlib import import_module

from tests.e2e.clients.journey import Json, travel


async def journey(program: str, endpoint: str, header: str) -> Json:
    """Travel with the client of this name, to this endpoint, with the key in this header."""
    name, _, value = header.partition(": ")
    module = import_module(f"{__package__}.{program}")
    async with module.connect(endpoint, {name: value}) as client:
        return await travel(client)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(journey(*sys.argv[1:]))) + "\n")
