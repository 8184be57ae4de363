"""Plain words: what is wrong with a value, how many there are, foreign text in one line."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

MAX_QUOTE = 300
# Nor what cannot be seen. Half a surrogate pair, which JSON can hold, could not even be written.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    r"\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]+"
)

_WHOLE, _NUMBER, _FLAG = "must be a whole number", "must be a number", "must be true or false"
_TEXT, _LIST, _OBJECT = "must be a text", "must be a list", "must be an object"

# By pydantic's type of error, with the names of its context.
_REASONS = {
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "must be a finite number",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "bool_type": _FLAG,
    "bool_parsing": _FLAG,
    "string_type": _TEXT,
    "string_unicode": _TEXT,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "too_long": "takes {max_length} at most",
    "too_short": "needs {min_length} at least",
    "string_too_long": "may have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "literal_error": "must be one of {expected}",
}


def _plain(value: object) -> object:
    """Write 1.0 as the 1 that was meant."""
    return f"{value:g}" if isinstance(value, float) else value


def reason_of(error: dict[str, Any]) -> str:
    """Say what a value must be by pydantic's error, to follow its name in a sentence.

    The value itself is not repeated: it may be a secret. A validator of our own says it itself,
    in the text of its ValueError.
    """
    context = {name: _plain(value) for name, value in error.get("ctx", {}).items()}
    if error["type"] == "value_error":
        return str(context["error"])
    reason = _REASONS.get(error["type"], "is not valid").format(**context)
    return reason.replace(" or ", ", ") if error["type"] == "literal_error" else reason


def one_line(text: str, length: int = MAX_QUOTE) -> str:
    """Make foreign text one printable line of bounded length; says nothing about secrets."""
    # Most texts have little to fold: their beginning will do.
    line = _folded(text[: length * 2])
    if len(line) <= length < len(text):
        # More than enough is read of it: blanks and unprintable characters fold.
        line = _folded(text[: length * 16])
    return line if len(line) <= length else f"{line[:length].rstrip()}…"


def _folded(text: str) -> str:
    if not text.isprintable():
        text = _UNPRINTABLE.sub(" ", text)
    return " ".join(text.split())


def count(number: int, noun: str) -> str:
    """Write a number with its noun: 1 second, 2 seconds."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def dollars(amount: float) -> str:
    """Write US dollars, with as many decimals as a price of a fraction of a cent needs."""
    cents = f"{amount:,.2f}"
    exact = float(cents.replace(",", "")) == amount
    return f"${cents}" if exact else f"${amount:,.4f}".rstrip("0")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Ask whether a known name was meant, as a sentence to follow another; nothing if none is."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]}?" if close else ""


def listed(names: Iterable[str], word: str = "and") -> str:
    """Write names into a sentence."""
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last


def install_extra(extra: str) -> str:
    """Say how to get an extra of this server, which is installed from its source, not by name."""
    return f'Install the server with its extra "{extra}": pip install ".[{extra}]" in its source.'
