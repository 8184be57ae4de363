"""The MCP resources: what a client can read without calling a tool."""

import json

from fastmcp.resources import resource

from luma_mcp.luma import catalogue


@resource(
    "luma://models",
    name="models",
    title="Luma's models",
    mime_type="application/json",
)
async def models() -> str:
    """What each model can do: its tools, their parameters and values, its limits and prices.

    Prices are Luma's list prices in US dollars, null where none is known. Reading this costs
    nothing and asks nobody.
    """
    return json.dumps(catalogue.describe(), ensure_ascii=False)


ALL = (models,)
