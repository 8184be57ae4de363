"""Luma's prices: each kind computes what a job costs and describes itself, or says it cannot."""

from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Protocol

from luma_mcp.wording import count

Given = Mapping[str, object]
"""What a caller gave to a tool, by the tool's names for its parameters."""

DEFAULTS = {"resolution": "720p", "duration": "5s"}  # what is taken where none is given
_FRAMES_PER_SECOND = 24
PIXELS = {
    "540p": 960 * 540,
    "720p": 1280 * 720,
    "1080p": 1920 * 1080,
    "4k": 3840 * 2160,
}


@dataclass(frozen=True)
class Estimate:
    """What a job would cost.

    Attributes:
        usd: In US dollars; None if it cannot be told.
        basis: How it was found, or why it was not.
        assumes: What the figure takes for parameters that were not given; it holds for certain
            only if they are sent.
    """

    usd: float | None
    basis: str
    assumes: Mapping[str, str] = field(default_factory=dict)


class Price(Protocol):
    """What one model asks for one kind of job."""

    def estimate(self, given: Given, /) -> Estimate:
        """Tell what a job with these parameters would cost."""
        ...

    def describe(self) -> dict[str, Any]:
        """Give the price as plain JSON."""
        ...


def _unknown(what: str) -> Estimate:
    return Estimate(None, f"No price of Luma's is known for {what}.")


def _seconds(given: Given) -> float | None:
    """Read how long the source is, as the caller says."""
    seconds = given.get("source_seconds")
    return seconds if isinstance(seconds, int | float) else None


def _resolution(given: Given) -> str:
    return str(given.get("resolution", DEFAULTS["resolution"]))


def _assumed(given: Given, *names: str) -> dict[str, str]:
    """Give what is taken for those of these parameters that were not given."""
    return {name: DEFAULTS[name] for name in names if name not in given}


def _dynamic_range(given: Given) -> str:
    """Name what comes on top of the plain clip; EXR files come only with HDR."""
    if given.get("exr_export"):
        return " HDR+EXR"
    return " HDR" if given.get("hdr") else ""


def _member(of: object, name: str) -> object:
    return of.get(name) if isinstance(of, Mapping) else getattr(of, name, None)


def _extends(given: Given) -> bool:
    """Tell whether the clip goes on from, or leads up to, an earlier one."""
    frames = (_member(given.get("keyframes"), name) for name in ("frame0", "frame1"))
    return any(_member(frame, "type") == "generation" for frame in frames)


@dataclass(frozen=True, kw_only=True)
class PerClip:
    """A table by length and resolution.

    Attributes:
        usd: By what the clip is ("5s", "5s HDR", "5s HDR+EXR") and its resolution.
        ratio: The aspect ratio that the table is for; None if it is for any.
        publishes_defaults: Whether Luma says what a clip without resolution or duration gets.
        remarks: What else is to be said of a figure, by resolution.
    """

    usd: Mapping[str, Mapping[str, float]]
    ratio: str | None = None
    publishes_defaults: bool = True
    remarks: Mapping[str, str] = field(default_factory=dict)

    def estimate(self, given: Given) -> Estimate:
        """Look the clip up; other ratios are taken to cost the same."""
        resolution, duration = (str(given.get(name, one)) for name, one in DEFAULTS.items())
        clip = f"{duration}{_dynamic_range(given)}"
        usd = self.usd.get(clip, {}).get(resolution)
        if usd is None:
            return _unknown(f"a clip of {clip} at {resolution}")
        if _dynamic_range(given) and ("indexed_keyframes" in given or _extends(given)):
            return _unknown("HDR clips that are guided by keyframes or go on from another")
        basis = f"{self._nearness(given)} of a clip of {clip} at {resolution}."
        if resolution in self.remarks:
            basis = f"{basis} {self.remarks[resolution]}"
        return Estimate(usd, basis, _assumed(given, *DEFAULTS))

    def _nearness(self, given: Given) -> str:
        if self.ratio in {None, given.get("aspect_ratio", self.ratio)}:
            return "Luma's list price"
        return f"About Luma's list price, which is for {self.ratio},"

    def describe(self) -> dict[str, Any]:
        """Give the table, and what is taken where nothing is given."""
        kind = "defaults" if self.publishes_defaults else "assumed"
        return {
            "per": "clip",
            "usd": {clip: dict(row) for clip, row in self.usd.items()},
            "ratio": self.ratio,
            kind: dict(DEFAULTS),
            "remarks": dict(self.remarks),
        }


@dataclass(frozen=True)
class PerMegapixel:
    """A rate for every million pixels of all frames, as many as the source is said to have."""

    usd: float

    def estimate(self, given: Given) -> Estimate:
        """Count the pixels of the source: Luma says nothing about another size of the result."""
        seconds, resolution = _seconds(given), str(given.get("source_resolution"))
        rate = f"{self.usd} USD a megapixel, {_FRAMES_PER_SECOND} frames a second"
        if seconds is None or resolution not in PIXELS:
            return Estimate(
                None,
                f"It depends on the source, at {rate}; give source_seconds and source_resolution.",
            )
        megapixels = PIXELS[resolution] * _FRAMES_PER_SECOND * seconds / 1_000_000
        basis = f"About, for a source of {seconds:g} s at {resolution}, at {rate}."
        return Estimate(max(round(megapixels * self.usd, 2), 0.01), basis)

    def describe(self) -> dict[str, Any]:
        """Give the rate."""
        return {
            "per": "megapixel of all frames",
            "usd": self.usd,
            "frames_per_second": _FRAMES_PER_SECOND,
        }


@dataclass(frozen=True)
class PerSecond:
    """A rate for every second of the source that has begun, by resolution of the result."""

    usd: Mapping[str, float]

    def estimate(self, given: Given) -> Estimate:
        """Count the seconds that the source is said to have."""
        seconds, resolution = _seconds(given), _resolution(given)
        if resolution not in self.usd:
            return _unknown(f"such a job at {resolution}")
        rate = f"{self.usd[resolution]} USD a started second of the source at {resolution}"
        if seconds is None:
            return Estimate(None, f"It is {rate}; give source_seconds.")
        basis = f"Luma's list price: {rate}, for {seconds:g} s."
        usd = round(ceil(seconds) * self.usd[resolution], 2)
        return Estimate(usd, basis, _assumed(given, "resolution"))

    def describe(self) -> dict[str, Any]:
        """Give the rates."""
        return {
            "per": "started second of the source",
            "usd": dict(self.usd),
            "defaults": {"resolution": DEFAULTS["resolution"]},
        }


@dataclass(frozen=True)
class PerSource:
    """A table by whole seconds of the source and resolution of the result, for some lengths only.

    The figures of the two lengths lie on a line, but that Luma charges what lies on it as well
    would be a guess with other people's money.
    """

    usd: Mapping[int, Mapping[str, float]]

    def estimate(self, given: Given) -> Estimate:
        """Look up the length that the source is said to have."""
        seconds, resolution = _seconds(given), _resolution(given)
        if _dynamic_range(given):
            return _unknown("edits in HDR")
        prices = {length: row[resolution] for length, row in self.usd.items() if resolution in row}
        if not prices:
            return _unknown(f"such a job at {resolution}")
        for length, usd in prices.items():
            if seconds == length:
                basis = f"Luma's list price of a source of {length} s at {resolution}."
                return Estimate(usd, basis, _assumed(given, "resolution"))
        known = ", ".join(f"{length} s ({usd} USD)" for length, usd in prices.items())
        ask = "; give source_seconds" if seconds is None else ""
        return Estimate(
            None, f"Luma's prices at {resolution} are known only for sources of {known}{ask}."
        )

    def describe(self) -> dict[str, Any]:
        """Give the table."""
        return {
            "per": "clip, by the length of its source",
            "usd": {f"{length}s": dict(row) for length, row in self.usd.items()},
            "defaults": {"resolution": DEFAULTS["resolution"]},
        }


@dataclass(frozen=True)
class PerImage:
    """A price for each picture made, and more for each picture in image_ref."""

    usd: float
    usd_per_reference: float = 0.0

    def estimate(self, given: Given) -> Estimate:
        """Count the references."""
        references = given.get("image_ref")
        number = len(references) if isinstance(references, Sized) else 0
        usd = round(self.usd + number * self.usd_per_reference, 4)
        if given.get("web_search"):
            return _unknown(f"web_search; without it: {usd} USD")
        return Estimate(usd, f"Luma's list price of a picture with {count(number, 'reference')}.")

    def describe(self) -> dict[str, Any]:
        """Give both figures."""
        return {
            "per": "picture",
            "usd": self.usd,
            "usd_per_reference": self.usd_per_reference,
        }


@dataclass(frozen=True)
class UnknownPrice:
    """What Luma asks for `what` is not known."""

    what: str

    def estimate(self, _given: Given) -> Estimate:
        """Say so."""
        return _unknown(self.what)

    def describe(self) -> dict[str, Any]:
        """Say so."""
        return {"per": None, "usd": None, "reason": _unknown(self.what).basis}
