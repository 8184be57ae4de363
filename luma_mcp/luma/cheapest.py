"""The least that a tool can cost: the cheapest known price of any model and setting."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from luma_mcp.luma.catalogue import Operation, Use, models_for, use_of
from luma_mcp.luma.prices import DEFAULTS

_CHOICES = (*DEFAULTS, "source_resolution")  # the enumerated parameters that prices look at


@dataclass(frozen=True)
class Cheapest:
    """A price, and what it is the price of.

    Attributes:
        usd: In US dollars.
        model: By its name.
        given: The parameters of the tool.
    """

    usd: float
    model: str
    given: Mapping[str, object]

    @property
    def setting(self) -> str:
        """What it is the price of, in a few words."""
        length, size = self._first("duration", "source_seconds"), self._first(*_CHOICES[::2])
        if length is None:
            return self.model
        return f"{self.model}, {str(length).removesuffix('s')} s at {size}"

    def _first(self, *names: str) -> object:
        return next((self.given[name] for name in names if name in self.given), None)


def cheapest(operation: Operation) -> Cheapest | None:
    """Find the cheapest known price; None where no price is known.

    Of a source it is the price of its first second, or of the shortest one with a known price.
    """
    prices = [one for model in models_for(operation) for one in _known(operation, model)]
    return min(prices, key=lambda one: one.usd, default=None)


def _known(operation: Operation, model: str) -> Iterator[Cheapest]:
    use = use_of(operation, model)
    for given in _settings(use):
        usd = use.price.estimate(given).usd
        if usd is not None:
            yield Cheapest(usd, model, given)


def _settings(use: Use) -> Iterator[dict[str, object]]:
    choices: dict[str, tuple[object, ...]] = {
        name: values for name in _CHOICES if (values := use.parameters.get(name))
    }
    if "source_seconds" in use.parameters:
        choices["source_seconds"] = tuple(range(1, use.limits["source_seconds_max"] + 1))
    for values in product(*choices.values()):
        yield dict(zip(choices, values, strict=True))
