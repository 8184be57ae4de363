"""From a tool's parameters to the bodies that Luma takes, where the two differ in shape."""

import mimetypes
from collections.abc import Sequence
from typing import cast
from urllib.parse import urlsplit

from luma_mcp.errors import InvalidRequest
from luma_mcp.luma import agents_models as agents
from luma_mcp.luma import dream_machine_models as luma
from luma_mcp.luma.apis import AGENTS
from luma_mcp.luma.ids import checked_file_id, checked_id
from luma_mcp.tools.parameters import (
    ImageReference,
    IndexedKeyframe,
    Keyframe,
    Keyframes,
    Reference,
)

_TYPES = mimetypes.MimeTypes()  # Python's own table, without that of the machine
# The Agents API wants a prompt with every request (SDK luma-agents 0.5); these ask for no more
# than the operation does by itself.
REFRAME_PROMPT = "Continue the scene naturally into the new area."
LAYERS_PROMPT = "Separate the picture into its natural layers."


def _keyframe_request(name: str, frame: Keyframe | None) -> luma.Keyframe | None:
    if frame is None:
        return None
    _check_keyframe(name, frame)
    if frame.file_id is not None:
        raise InvalidRequest(
            f"keyframes.{name}.file_id is known to ray-3.2 only.",
            advice="Give the picture by its url, or use ray-3.2.",
        )
    if frame.url is not None:
        return luma.ImageKeyframe(url=frame.url)
    return luma.GenerationKeyframe(id=checked_id(frame.id or ""))


def _check_keyframe(name: str, frame: Keyframe) -> None:
    pictures = [frame.url, frame.file_id]
    given = [value for value in (*pictures, frame.id) if value is not None]
    fits = (frame.id is not None) == (frame.type == "generation")
    if len(given) != 1 or not fits:
        raise InvalidRequest(
            f"keyframes.{name} needs exactly one of url, file_id and id, one of its type.",
            advice='Give {"type": "image", "url": …} or {"type": "generation", "id": …}.',
        )


def keyframes_request(keyframes: Keyframes | None) -> luma.Keyframes | None:
    """Build the keyframes of Dream Machine.

    Raises:
        InvalidRequest: A frame has not what its type needs.
    """
    if keyframes is None:
        return None
    return luma.Keyframes(
        frame0=_keyframe_request("frame0", keyframes.frame0),
        frame1=_keyframe_request("frame1", keyframes.frame1),
    )


def anchor_request(name: str, keyframes: Keyframes | None) -> agents.ImageRef | None:
    """Build start_frame or end_frame of the Agents API from frame0 or frame1.

    Raises:
        InvalidRequest: The frame has not what its type needs.
    """
    frame: Keyframe | None = getattr(keyframes, name, None)
    if frame is None:
        return None
    _check_keyframe(name, frame)
    where = f"keyframes.{name}"
    return reference_request(
        where, Reference(url=frame.url, file_id=frame.file_id, generation_id=frame.id)
    )


def reference_request(name: str, reference: Reference) -> agents.ImageRef:
    """Build a reference to a picture.

    Raises:
        InvalidRequest: It names not exactly one thing, or one of Dream Machine's.
    """
    url, generation_id, file_id = reference.url, reference.generation_id, reference.file_id
    _check_one(
        f"{name} needs exactly one of url, generation_id and file_id.", url, generation_id, file_id
    )
    return agents.ImageRef(
        url=url,
        generation_id=checked_id(generation_id, AGENTS) if generation_id else None,
        file_id=checked_file_id(file_id) if file_id else None,
    )


def _check_one(rule: str, *ways: str | None) -> None:
    """See that something is given in one way, and in no other."""
    if sum(way is not None for way in ways) != 1:
        raise InvalidRequest(rule, advice="Keep the one that you mean.")


def references_request(
    name: str, references: Sequence[Reference] | None
) -> list[agents.ImageRef] | None:
    """Build a list of references to pictures; None if there are none.

    Raises:
        InvalidRequest: One names not exactly one thing, or one of Dream Machine's.
    """
    if not references:
        return None
    return [reference_request(f"{name}[{index}]", one) for index, one in enumerate(references)]


def indexes_of(keyframes: Sequence[IndexedKeyframe] | None) -> list[int] | None:
    """Give the frame numbers of pictures, in their order; None if there are none."""
    return [frame.index for frame in keyframes] if keyframes else None


def video_request(
    media_url: str | None, generation_id: str | None, file_id: str | None
) -> agents.ImageRef:
    """Build the source of a job that changes a video.

    Raises:
        InvalidRequest: There is not exactly one source.
    """
    _check_one(
        "The source is exactly one of media_url, generation_id and file_id.",
        media_url,
        generation_id,
        file_id,
    )
    given = Reference(url=media_url, generation_id=generation_id, file_id=file_id)
    reference = reference_request("The source", given)
    if media_url is None:
        return reference
    # Luma chooses by it how to take the file in, before it has fetched anything.
    return reference.model_copy(update={"media_type": _video_type(media_url)})


def _video_type(url: str) -> str:
    guessed, _ = _TYPES.guess_type(urlsplit(url).path)
    return guessed if guessed and guessed.startswith("video/") else "video/mp4"


def media_request(media_url: str | None) -> luma.Media:
    """Build the source of a job of Dream Machine, which takes URLs alone.

    Raises:
        InvalidRequest: There is none.
    """
    if media_url is None:
        raise InvalidRequest(
            "media_url is required.",
            advice="Give the public URL of the source; only ray-3.2 takes others.",
        )
    return luma.Media(url=media_url)


def optional_media(url: str | None) -> luma.Media | None:
    """Build Luma's `{"url": …}`, if there is one."""
    return luma.Media(url=url) if url else None


def weighted_images(
    name: str, references: Sequence[ImageReference] | None
) -> list[luma.WeightedImage] | None:
    """Build the reference pictures of Dream Machine, which takes URLs alone.

    Raises:
        InvalidRequest: One is given by something else.
    """
    if not references:
        return None
    for index, one in enumerate(references):
        if one.url is None or one.generation_id or one.file_id:
            raise InvalidRequest(
                f"{name}[{index}] needs a url: photon models take no ids.",
                advice="Give the public URL of the picture, or use uni-1.",
            )
    return [luma.WeightedImage(url=one.url or "", weight=one.weight) for one in references]


def unweighted(
    name: str, references: Sequence[ImageReference] | None
) -> Sequence[Reference] | None:
    """See that no reference picture has a weight, which the Agents API does not know.

    Raises:
        InvalidRequest: One has.
    """
    for index, one in enumerate(references or ()):
        if one.weight is not None:
            raise InvalidRequest(
                f"{name}[{index}].weight is known to photon models only.",
                advice="Leave it out, and say in the prompt what to take from the picture.",
            )
    return references


def output_format(name: str | None) -> agents.OutputFormat | None:
    """Write a format as the Agents API does."""
    return "jpeg" if name == "jpg" else cast("agents.OutputFormat | None", name)


def image_format(name: str | None) -> luma.ImageFormat | None:
    """Write a format as Dream Machine does."""
    return "jpg" if name == "jpeg" else cast("luma.ImageFormat | None", name)
