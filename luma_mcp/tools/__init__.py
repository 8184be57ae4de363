"""The MCP tools: what a model can call, and what a person reads."""

from luma_mcp.tools.account import get_camera_motions, get_credits, list_concepts, ping
from luma_mcp.tools.definition import LumaTool
from luma_mcp.tools.generations import (
    delete_generation,
    get_generation,
    list_generations,
    wait_for_generation,
)
from luma_mcp.tools.images import generate_image, reframe_image
from luma_mcp.tools.videos import (
    add_audio,
    create_generation,
    modify_video,
    reframe_video,
    upscale_generation,
)

ALL = (
    create_generation,
    modify_video,
    reframe_video,
    upscale_generation,
    add_audio,
    generate_image,
    reframe_image,
    get_generation,
    wait_for_generation,
    list_generations,
    delete_generation,
    get_credits,
    list_concepts,
    get_camera_motions,
    ping,
)


def build_tools() -> dict[str, LumaTool]:
    """Build every tool, by name, in the order in which they are listed."""
    tools = [LumaTool.of(function) for function in ALL]
    return {tool.name: tool for tool in tools}
