"""Drafts of Dream Machine: its requests, checked and priced, before they become jobs."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Protocol

from luma_mcp.sandbox import dream_machine_prices as prices
from luma_mcp.sandbox import dream_machine_rules as rules
from luma_mcp.sandbox.dream_machine_bodies import (
    AudioBody,
    Body,
    GenerationKeyframe,
    ImageBody,
    ModifyVideoBody,
    ReframeImageBody,
    ReframeVideoBody,
    UpscaleBody,
    VideoBody,
)
from luma_mcp.sandbox.faults import DREAM_MACHINE_FAILURES, UNREACHABLE, Failure
from luma_mcp.sandbox.jobs import Draft
from luma_mcp.sandbox.scenes import Scene


class Archive(Protocol):
    """Where a draft looks up what its request refers to."""

    def get_clip(self, generation_id: str) -> Scene:
        """The scene of a completed clip of the same account, or an HTTPException."""
        ...

    def get_media(self, url: str) -> Scene | None:
        """The scene behind a link of this sandbox; None for any other address."""
        ...


Drafter = Callable[[Any, Archive], Draft]
Changer = Callable[[Any, Scene], Draft]


def draft_video(body: VideoBody, archive: Archive) -> Draft:
    """A clip from words, pictures and earlier clips.

    An extension is a clip of its own length: what Luma returns for one is not published.
    """
    rules.check_video(body)
    _check_references(body, archive)
    resolution = _spell_out(body.resolution) or prices.DEFAULT_RESOLUTION
    seconds = int(body.duration.removesuffix("s")) if body.duration else prices.DEFAULT_SECONDS
    scene = Scene(
        title=body.prompt or "From keyframes",
        model=body.model,
        format="mp4",
        aspect_ratio=body.aspect_ratio,
        resolution=resolution,
        seconds=seconds,
        loop=bool(body.loop),
    )
    cents = prices.price_video(body.model, resolution, seconds)
    return _draft(body, scene, cents, body.prompt)


def draft_image(body: ImageBody, _: Archive) -> Draft:
    """A picture from words and references."""
    rules.check_prompt(body.prompt, required=True)
    scene = Scene(
        title=body.prompt or "",
        model=body.model,
        format=body.format,
        aspect_ratio=body.aspect_ratio,
    )
    draft = _draft(body, scene, prices.price_image(body.model), body.prompt)
    return replace(draft, wait_seconds=body.sync_timeout if body.sync else 0)


def draft_image_reframe(body: ReframeImageBody, archive: Archive) -> Draft:
    """A picture in another ratio."""
    rules.check_prompt(body.prompt, required=False)
    source = archive.get_media(body.media.url)
    scene = Scene(
        title=body.prompt or (source.title if source else "Reframed"),
        model=body.model,
        format=body.format,
        aspect_ratio=body.aspect_ratio,
    )
    cents = prices.price_image(body.model)
    return _draft(body, scene, cents, body.prompt)


def draft_video_reframe(body: ReframeVideoBody, archive: Archive) -> Draft:
    """A clip in another ratio, as long as its source if that is a clip of this sandbox."""
    rules.check_prompt(body.prompt, required=False)
    scene = replace(
        _imagine_source(archive, body.media.url, body.prompt or "Reframed"),
        model=body.model,
        aspect_ratio=body.aspect_ratio,
    )
    cents = prices.price_video(body.model, scene.resolution, scene.seconds)
    return _draft(body, scene, cents, body.prompt)


def draft_modification(body: ModifyVideoBody, archive: Archive) -> Draft:
    """A clip in another style, with ratio and length of a source that is a clip of this sandbox."""
    rules.check_prompt(body.prompt, required=False)
    prompt = body.prompt or ""
    scene = replace(
        _imagine_source(archive, body.media.url, prompt or f"Modified, {body.mode}"),
        model=body.model,
    )
    cents = prices.price_modification(body.model, scene.resolution, scene.seconds)
    return _draft(body, scene, cents, prompt)


def draft_upscale(body: UpscaleBody, clip: Scene) -> Draft:
    """A completed clip at a larger resolution; the next one if none is named."""
    larger = list(prices.PIXELS)[list(prices.PIXELS).index(clip.resolution) + 1 :]
    resolution = _spell_out(body.resolution) or next(iter(larger), clip.resolution)
    if resolution not in larger:
        rules.refuse(f"Resolution must be larger than {clip.resolution}")
    scene = replace(clip, resolution=resolution)
    cents = prices.price_upscale(resolution, clip.seconds)
    return _draft(body, scene, cents)


def draft_audio(body: AudioBody, clip: Scene) -> Draft:
    """A completed clip with sound."""
    rules.check_prompt(body.prompt, required=False)
    return _draft(body, replace(clip, sound=True), prices.price_audio(), body.prompt)


def _draft(body: Body, scene: Scene, cents: float, prompt: str | None = None) -> Draft:
    request = body.model_dump()
    return Draft(
        kind="video" if scene.format == "mp4" else "image",
        type=request["generation_type"],
        model=scene.model,
        prompt=prompt or "",
        scenes=(scene,),
        cents=cents,
        request=request,
        failure=_foresee_failure(request),
    )


def _foresee_failure(request: dict[str, Any]) -> Failure | None:
    unreachable = any(UNREACHABLE in url for url in _list_sources(request))
    return DREAM_MACHINE_FAILURES["frames"] if unreachable else None


def _list_sources(part: object) -> Iterator[str]:
    """Every address in a body that Luma would fetch."""
    if isinstance(part, dict):
        yield from (part[key] for key in ("url",) if part.get(key))
        yield from part.get("images", ())
        for value in part.values():
            yield from _list_sources(value)
    elif isinstance(part, list):
        for value in part:
            yield from _list_sources(value)


def _check_references(body: VideoBody, archive: Archive) -> None:
    if body.keyframes is None:
        return
    for frame in (body.keyframes.frame0, body.keyframes.frame1):
        if isinstance(frame, GenerationKeyframe):
            archive.get_clip(frame.id)


def _imagine_source(archive: Archive, url: str, title: str) -> Scene:
    source = archive.get_media(url)
    if source is None or source.format != "mp4":
        return Scene(title=title, model="", format="mp4")
    return replace(source, title=title)


def _spell_out(resolution: str | None) -> str | None:
    """The name of a resolution that was written without its p."""
    return f"{resolution}p" if resolution and resolution.isdigit() else resolution
