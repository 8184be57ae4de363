"""The widgets by hand: starts the server, its sandbox and a host, and prints addresses to open.

`python -m tests.e2e.widgets [tool [arguments [wishes]]]`, the last two as JSON; what may be
wished is in host.ts. For example:

    python -m tests.e2e.widgets
    python -m tests.e2e.widgets generate_image '{"prompt": "A paper boat", "wait_seconds": 0}' \
        '{"width": 320, "context": {"theme": "dark"}}'

Each opening of an address calls the tool anew. More can be done at the browser's console, where
`host` is: `await host.open("list_generations", {})`, `host.cards[0].asked`.
"""

import asyncio
import json
import sys
from urllib.parse import urlencode

from tests.e2e.widgets.theatre import host_app, new_keys
from tests.servers import application_and_url, serving

USUAL = (
    ("create_generation", '{"prompt": "A paper boat on a quiet lake at dawn"}', "{}"),
    ("list_generations", "{}", "{}"),
)


async def show(*asked: str) -> None:
    """Serve until interrupted."""
    async with (
        serving(host_app()) as host,
        application_and_url(allowed_origins=(host,)) as (_, server),
    ):
        calls = [(*asked, "{}", "{}")[:3]] if asked else USUAL
        keys = new_keys()
        for tool, arguments, wishes in calls:
            query = {
                "server": f"{server}/mcp",
                "keys": json.dumps(keys),
                "tool": tool,
                "arguments": arguments,
                "wishes": wishes,
            }
            print(f"{host}/?{urlencode(query)}", flush=True)  # noqa: T201 - what it is for
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(show(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(0)
