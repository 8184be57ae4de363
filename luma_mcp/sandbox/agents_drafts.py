"""Drafts of the Agents API: its requests, checked and priced, before they become jobs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from luma_mcp.sandbox import agents_prices as prices
from luma_mcp.sandbox import agents_rules as rules
from luma_mcp.sandbox.agents_bodies import (
    Edit,
    GenerationBody,
    ImageRef,
    Layering,
    VideoOptions,
)
from luma_mcp.sandbox.agents_references import References
from luma_mcp.sandbox.jobs import Draft
from luma_mcp.sandbox.scenes import Layer, Scene

_EXTENSION_SECONDS = 5
# Luma makes one to ten layers; here it is always these.
_LAYERS = (
    Layer(index=0, label="Words", description="The words in front", alpha_hint="hard"),
    Layer(index=1, label="Lights", description="Soft lights", alpha_hint="soft"),
    Layer(index=2, label="Background", description="A gradient", alpha_hint="none"),
)


def draft(body: GenerationBody, references: References) -> Draft:
    """Check and price a request.

    Raises:
        HTTPException: If it is against a rule, or refers to nothing that there is.
    """
    rules.check(body)
    return _DRAFTERS[body.type](body, references)


def _draft_image(body: GenerationBody, references: References) -> Draft:
    references.resolve_all("image_ref", body.image_ref)
    # Luma's model chooses a ratio by the prompt.
    ratio = body.aspect_ratio or ("2:3" if body.style == "manga" else "1:1")
    return _build(body, [_picture(body, ratio)], _price_picture(body))


def _draft_image_edit(body: GenerationBody, references: References) -> Draft:
    source = references.resolve("source", _get_source(body), "image")
    references.resolve_all("image_ref", body.image_ref)
    return _build(body, [_picture(body, source.aspect_ratio)], _price_picture(body))


def _draft_layering(body: GenerationBody, references: References) -> Draft:
    source = references.resolve("source", _get_source(body), "image")
    resolution = (body.layering or Layering()).resolution
    whole = replace(
        _picture(body, source.aspect_ratio),
        title=body.prompt or source.title or "Layers",
        format="png",
        resolution=resolution,
    )
    scenes = [replace(whole, layer=layer) for layer in _LAYERS]
    return _build(body, scenes, prices.price_layers(resolution, len(scenes)))


def _draft_video(body: GenerationBody, references: References) -> Draft:
    video = _get_options(body)
    extended = _resolve_frames(video, references)
    references.resolve_all("video.keyframes", video.keyframes or [])
    scene = replace(_clip(body), aspect_ratio=body.aspect_ratio or "16:9", seconds=video.seconds)
    if extended:
        if extended.hdr:  # videos: extensions are SDR only
            rules.refuse("Extensions are SDR only")
        seconds = extended.seconds + _EXTENSION_SECONDS
        scene = replace(scene, aspect_ratio=extended.aspect_ratio, seconds=seconds)
    cents = prices.price_video(video.resolution, video.seconds, _get_light(video))
    return _build(body, _with_exr(scene, video), cents)


def _draft_video_edit(body: GenerationBody, references: References) -> Draft:
    video, source = _get_options(body), references.resolve("source", _get_source(body), "video")
    rules.check_length(source.seconds, rules.MAX_EDIT_SECONDS)
    edit = video.edit or Edit()
    rules.check_indexes("video.edit", edit.keyframe_indexes, source.seconds)
    references.resolve_all("video.edit.keyframes", edit.keyframes or [])
    _resolve_frames(video, references)
    scene = replace(_clip(body), aspect_ratio=source.aspect_ratio, seconds=source.seconds)
    cents = prices.price_edit(video.resolution, source.seconds, _get_light(video))
    return _build(body, _with_exr(scene, video), cents)


def _draft_video_reframe(body: GenerationBody, references: References) -> Draft:
    source = references.resolve("source", _get_source(body), "video")
    rules.check_length(source.seconds, rules.MAX_REFRAME_SECONDS)
    if source.hdr:  # videos
        rules.refuse("source: video_reframe is SDR only")
    scene = replace(
        _clip(body),
        aspect_ratio=body.aspect_ratio or source.aspect_ratio,
        seconds=source.seconds,
    )
    cents = prices.price_reframe(_get_options(body).resolution, source.seconds)
    return _build(body, [scene], cents)


_DRAFTERS: dict[str, Callable[[GenerationBody, References], Draft]] = {
    "image": _draft_image,
    "image_edit": _draft_image_edit,
    "layering": _draft_layering,
    "video": _draft_video,
    "video_edit": _draft_video_edit,
    "video_reframe": _draft_video_reframe,
}


def _build(body: GenerationBody, scenes: list[Scene], cents: float) -> Draft:
    return Draft(
        kind="video" if body.model == "ray-3.2" else "image",
        type=body.type,
        model=body.model,
        prompt=body.prompt,
        scenes=tuple(scenes),
        cents=cents,
    )


def _picture(body: GenerationBody, ratio: str) -> Scene:
    extension: Literal["jpg", "png"] = "jpg" if body.output_format == "jpeg" else "png"
    return Scene(title=body.prompt, model=body.model, format=extension, aspect_ratio=ratio)


def _price_picture(body: GenerationBody) -> float:
    return prices.price_image(body.model, len(body.image_ref) + bool(body.source))


def _clip(body: GenerationBody) -> Scene:
    video = _get_options(body)
    return Scene(
        title=body.prompt,
        model=body.model,
        format="mp4",
        resolution=video.resolution,
        loop=video.loop,
        hdr=video.hdr,
    )


def _with_exr(scene: Scene, video: VideoOptions) -> list[Scene]:
    return [scene, replace(scene, format="exr")] if video.exr_export else [scene]


def _resolve_frames(video: VideoOptions, references: References) -> Scene | None:
    """Check the frames at both ends; gives the clip that is extended, if one is."""
    extended = None
    for name in ("start_frame", "end_frame"):
        frame: ImageRef | None = getattr(video, name)
        if frame is None:
            continue
        is_clip = frame.generation_id is not None
        scene = references.resolve(f"video.{name}", frame, "video" if is_clip else "image")
        extended = scene if is_clip else extended
    return extended


def _get_light(video: VideoOptions) -> int:
    if video.exr_export:
        return prices.FACTOR_EXR
    return prices.FACTOR_HDR if video.hdr else 1


def _get_options(body: GenerationBody) -> VideoOptions:
    return body.video or VideoOptions()


def _get_source(body: GenerationBody) -> ImageRef:
    return body.source or ImageRef()
