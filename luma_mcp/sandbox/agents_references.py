"""What a request of the Agents API refers to: pictures and clips by link, data or id.

Addresses of other hosts are imagined, not fetched; data is counted, not looked at.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from luma_mcp.sandbox.agents_accounts import AgentsAccount
from luma_mcp.sandbox.agents_bodies import ImageRef
from luma_mcp.sandbox.agents_rules import refuse
from luma_mcp.sandbox.behaviour import Behaviour, Kind
from luma_mcp.sandbox.faults import UNREACHABLE
from luma_mcp.sandbox.files import Finding
from luma_mcp.sandbox.gallery import Gallery
from luma_mcp.sandbox.presigning import LinkRefused
from luma_mcp.sandbox.reading import parse_web_address
from luma_mcp.sandbox.scenes import Scene, find_nearest_ratio

_WAYS = ("url", "data", "generation_id", "file_id")
_A = {"image": "an image", "video": "a video"}


@dataclass(frozen=True)
class References:
    """What one account may refer to at one moment."""

    behaviour: Behaviour
    account: AgentsAccount
    gallery: Gallery
    public_url: str
    now: datetime

    def resolve_all(self, place: str, references: Iterable[ImageRef]) -> None:
        """Check a list of pictures.

        Raises:
            HTTPException: As `resolve` does.
        """
        for number, reference in enumerate(references):
            self.resolve(f"{place}[{number}]", reference, "image")

    def resolve(self, place: str, reference: ImageRef, kind: Kind) -> Scene:
        """What a reference shows.

        Args:
            place: Where it stands in the body, for what is said about it.
            reference: It.
            kind: What it has to be.

        Raises:
            HTTPException: 400 if it is not written as it should be, 413 if it is too large, 422 if
                it does not lead to such a thing.
        """
        ways = [way for way in _WAYS if getattr(reference, way) is not None]
        if ways == ["url", "data"]:
            refuse(f"{place}: provide either 'url' or 'data', not both", 400)
        if not ways:
            refuse(f"{place}: provide either 'url' or 'data', not neither", 400)
        if len(ways) > 1:
            names = ", ".join(f"'{way}'" for way in _WAYS)
            refuse(f"{place}: provide exactly one of {names}", 400)
        value = getattr(reference, ways[0])
        finders = {
            "url": self._find_by_url,
            "data": self._find_in_data,
            "generation_id": self._find_generation,
            "file_id": self._find_file,
        }
        media_type = reference.media_type or ""
        return finders[ways[0]](place, value, media_type, kind)

    def _find_by_url(self, place: str, url: str, media_type: str, kind: Kind) -> Scene:
        if kind == "video" and not media_type:
            # SDK: required with source.url so that the route is known before bytes are fetched.
            refuse(f"{place}: 'media_type' is required with a video 'url'", 400)
        if media_type and not media_type.startswith(f"{kind}/"):
            refuse(f"{place}: content-type is not {_A[kind]}")
        scene = self._fetch(place, url)
        if scene is not None:
            _check_kind(place, scene, kind)
        return scene or _imagine(kind)

    def _fetch(self, place: str, url: str) -> Scene | None:
        """What a link of this sandbox shows; None stands for any other file in the world."""
        try:
            address = parse_web_address(url)
        except ValueError:
            refuse(f"{place}: failed to fetch URL")
        try:
            scene = self.gallery.find(url)
        except LinkRefused as refusal:
            refuse(f"{place}: failed to fetch URL (HTTP {refusal.status})")
        if scene is not None:
            return scene
        if url.startswith(f"{self.public_url}/"):
            refuse(f"{place}: failed to fetch URL (HTTP 404)")
        # The FAQ allows nothing but https; how that is said is not published.
        if address.scheme != "https" or UNREACHABLE in url:
            refuse(f"{place}: failed to fetch URL")
        return None

    def _find_in_data(self, place: str, data: str, media_type: str, kind: Kind) -> Scene:
        if not media_type:
            refuse(f"{place}: 'media_type' is required with 'data'", 400)
        if not media_type.startswith(f"{kind}/"):
            refuse(f"{place}: content-type is not {_A[kind]}")
        try:
            content = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            content = b""
        if not content:
            refuse(f"{place}: invalid base64 data")
        limit = self.behaviour.max_image_bytes
        # A clip may have 200 MB, which the limit of the whole body does not let through.
        if kind == "image" and len(content) > limit:
            refuse(f"{place}: image exceeds {limit // 1024**2} MB limit", 413)
        return _imagine(kind)

    def _find_generation(self, place: str, job_id: str, _: str, kind: Kind) -> Scene:
        """How Luma refuses an id is not published."""
        job = self.account.jobs.get(job_id)
        if job is None:
            refuse(f"{place}: generation not found")
        if job.draft.kind != kind:
            refuse(f"{place}: generation is not {_A[kind]}")
        if not job.is_completed(self.now):
            refuse(f"{place}: generation is not completed")
        return job.draft.scenes[0]

    def _find_file(self, place: str, file_id: str, _: str, kind: Kind) -> Scene:
        """How Luma refuses an id is not published."""
        file = self.account.files.get(file_id)
        if file is None:
            refuse(f"{place}: file not found")
        state = file.get_state(self.now)
        if state != "ready":
            refuse(f"{place}: file is {state}, not ready")
        scene = _show(file.finding or Finding())
        _check_kind(place, scene, kind)
        return scene


def _check_kind(place: str, scene: Scene, kind: Kind) -> None:
    if (scene.format == "mp4") != (kind == "video"):
        refuse(f"{place}: content-type is not {_A[kind]}")


def _imagine(kind: Kind) -> Scene:
    if kind == "video":
        return Scene(title="", model="", format="mp4")
    return Scene(title="", model="", format="png", aspect_ratio="1:1")


def _show(finding: Finding) -> Scene:
    return Scene(
        title="",
        model="",
        format="mp4" if finding.kind == "video" else "png",
        aspect_ratio=find_nearest_ratio(*finding.size),
        seconds=finding.seconds,
    )
