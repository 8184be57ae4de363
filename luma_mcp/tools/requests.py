"""From a tool's parameters to the bodies that Luma takes, where the two differ in shape."""

from luma_mcp.errors import InvalidRequest
from luma_mcp.luma import dream_machine_models as luma
from luma_mcp.tools.parameters import Keyframe, Keyframes


def _keyframe_request(name: str, frame: Keyframe | None) -> luma.Keyframe | None:
    if frame is None:
        return None
    if frame.type == "image" and frame.url is not None and frame.id is None:
        return luma.ImageKeyframe(url=frame.url)
    if frame.type == "generation" and frame.id is not None and frame.url is None:
        return luma.GenerationKeyframe(id=frame.id)
    raise InvalidRequest(
        f"keyframes.{name} needs exactly one of url and id, the one of its type.",
        advice='Give {"type": "image", "url": …} or {"type": "generation", "id": …}.',
    )


def keyframes_request(keyframes: Keyframes | None) -> luma.Keyframes | None:
    """Build Luma's keyframes.

    Raises:
        InvalidRequest: A frame has not what its type needs.
    """
    if keyframes is None:
        return None
    return luma.Keyframes(
        frame0=_keyframe_request("frame0", keyframes.frame0),
        frame1=_keyframe_request("frame1", keyframes.frame1),
    )


def optional_media(url: str | None) -> luma.Media | None:
    """Build Luma's `{"url": …}`, if there is one."""
    return luma.Media(url=url) if url else None
