"""Rules of models: what one does not know, or does not have, refused before anything is sent."""

from collections.abc import Callable, Mapping, Sized

from luma_mcp.errors import InvalidRequest
from luma_mcp.luma.catalogue import MODELS, Operation, Use, models_for, use_of
from luma_mcp.wording import listed

# What is counted or measured of a parameter: its limit, and how more than that is told.
_COUNTED = {
    "image_ref": ("image_ref_max", "{limit} pictures at most", "Give less"),
    "indexed_keyframes": ("keyframes_max", "{limit} frames at most", "Give less"),
    "source_seconds": ("source_seconds_max", "at most {limit} seconds", "Cut the source"),
}


def check_use(operation: Operation, model: str | None, given: Mapping[str, object]) -> None:
    """Refuse what the model cannot do, and say which models can.

    Args:
        operation: The tool.
        model: None for a tool that takes none.
        given: The tool's parameters that were given, by name.

    Raises:
        InvalidRequest: The model cannot do it at all, does not know a parameter or a value, or
            takes less.
    """
    use = use_of(operation, model)
    whose = model or operation
    unknown = [name for name in given if name not in use.parameters]
    if unknown:
        raise _unknown(operation, whose, unknown)
    for name, value in given.items():
        values = use.parameters[name]
        if values is not None and value not in values:
            raise _no_such_value(operation, whose, name, value, values)
        limit = _limit(use, name)
        if limit is not None and _amount(value) > limit:
            raise _too_much(operation, whose, name, value, limit)


def _those(operation: Operation, fits: Callable[[Use], bool]) -> list[str]:
    """Name the models whose use in this operation fits."""
    return [name for name in models_for(operation) if fits(MODELS[name].uses[operation])]


def _unknown(operation: Operation, whose: str, names: list[str]) -> InvalidRequest:
    sentences = []
    for name in names:
        able = _those(operation, lambda use, name=name: name in use.parameters)
        others = f"; {listed(able)} {'know' if able[1:] else 'knows'} it" if able else ""
        sentences.append(f"{name} is not known to {whose}{others}.")
    able = _those(operation, lambda use: use.parameters.keys() >= set(names))
    return InvalidRequest(" ".join(sentences), advice=f"Leave {listed(names)} out{_or(able)}.")


def _no_such_value(
    operation: Operation, whose: str, name: str, value: object, values: tuple[str, ...]
) -> InvalidRequest:
    able = _those(operation, lambda use: value in (use.parameters.get(name) or ()))
    others = f"; {listed(able)} {'have' if able[1:] else 'has'} it" if able else ""
    # A value that no model has is not repeated: it may be anything.
    said = f"{name} {value}" if able else f"such {name}"
    return InvalidRequest(
        f"{whose} has no {said}{others}.",
        advice=f"Take {listed(values, 'or')}{_or(able)}.",
    )


def _limit(use: Use, name: str) -> int | None:
    return use.limits.get(_COUNTED[name][0]) if name in _COUNTED else None


def _amount(value: object) -> float:
    """Count a list; a number is its own amount."""
    if isinstance(value, Sized):
        return len(value)
    return value if isinstance(value, int | float) else 0


def _too_much(
    operation: Operation, whose: str, name: str, value: object, limit: int
) -> InvalidRequest:
    able = _those(operation, lambda use: _amount(value) <= (_limit(use, name) or 0))
    _, bound, advice = _COUNTED[name]
    return InvalidRequest(
        f"{name} may be {bound.format(limit=limit)} for {whose}; this is {_amount(value):g}.",
        advice=f"{advice}{_or(able)}.",
    )


def _or(able: list[str]) -> str:
    return f", or choose {listed(able, 'or')}" if able else ""
