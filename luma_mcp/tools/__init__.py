"""The MCP tools: what a model can call, and what a person reads."""

from luma_mcp.tools.account import get_camera_motions, get_credits, list_concepts, ping
from luma_mcp.tools.definition import LumaTool
from luma_mcp.tools.estimates import estimate_cost
from luma_mcp.tools.files import delete_file, list_files, upload_file
from luma_mcp.tools.generations import (
    delete_generation,
    get_generation,
    list_generations,
    refresh_generation,
    wait_for_generation,
)
from luma_mcp.tools.images import (
    edit_image,
    extract_layers,
    generate_image,
    reframe_image,
)
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
    edit_image,
    extract_layers,
    get_generation,
    wait_for_generation,
    list_generations,
    delete_generation,
    refresh_generation,
    upload_file,
    list_files,
    delete_file,
    estimate_cost,
    get_credits,
    list_concepts,
    get_camera_motions,
    ping,
)


def build_tools() -> dict[str, LumaTool]:
    """Build every tool, by name, in the order in which they are listed."""
    tools = [LumaTool.of(function) for function in ALL]
    return {tool.name: tool for tool in tools}
