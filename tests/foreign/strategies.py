"""Foreign values: what a schema allows, and what nobody should send."""

import json
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]
Value = st.SearchStrategy[Any]

# To be replaced by the ids of things that exist: a clip of either API, a picture and a file.
CLIP, NEWER_CLIP, PICTURE, FILE = "@clip@", "@newer clip@", "@picture@", "@file@"
UNKNOWN_ID = "123e4567-e89b-12d3-a456-426614174000"
IDS = (
    UNKNOWN_ID,
    UNKNOWN_ID.upper(),
    f" {UNKNOWN_ID}\n",
    f"{UNKNOWN_ID}/../../credits",
    "../credits",
    "..%2Fcredits",
    "/etc/passwd",
    "",
    "%00",
    f"{{{UNKNOWN_ID}}}",
    "\u0661\u0662\u0663e4567-e89b-12d3-a456-426614174000",
)
URLS = (
    "https://example.com/boat.jpg",
    "http://127.0.0.1:1/boat.mp4?signature=abc",
    "https://user:secret@example.com/",
    "https://[::1",
    "https://[::1]:99999/",
    "http://\u202eexample.com/",
    "https://ex ample.com/",
    "https://bücher.example/ä?ö#ü",
    "https://xn--/",
    "https://a..b/",
    "https://%/",
    "https://:80",
    "HTTPS://EXAMPLE.COM",
    "//example.com/boat.jpg",
    "file:///etc/passwd",
    "data:text/html,<script>alert(1)</script>",
    "javascript:alert(1)",
    "ftp://example.com/boat.jpg",
    f"https://example.com/{'a' * 4096}",
)
# Texts stand in a message for JSON that Python does not write, or would not write so.
RAW = {
    "@too large@": "1e400",
    "@a hundred digits@": "9" * 100,
    "@five thousand digits@": "9" * 5_000,
    "@nested 100@": "[" * 100 + "]" * 100,
    "@nested 900@": '{"a":' * 900 + "1" + "}" * 900,
    "@nested 5000@": "[" * 5_000 + "]" * 5_000,
    "@twice@": '{"id": 1, "id": 2, "type": "image", "type": "generation"}',
}
_TEXTS = (
    "",
    "  \t\n",
    "null",
    "true",
    "7",
    "7.0",
    "1e3",
    "NaN",
    "{",
    "[[[[",
    '{"frame0": {"type": "image", "url": "https://example.com/boat.jpg"}}',
    '["static"]',
    "\x00\x01\x1b[31m",
    "\u202eabc\u2066\u200b\ufeff",
    "\ud800",
    "\udfff\ud800",
    "\N{PILE OF POO}" * 100,
    "e\u0301" * 2_500,
    "a" * 5_000,
    "a" * 5_001,
    " " * 20_000,
    "https://" * 5_000,
    "bearer " * 5_000,
    "[sandbox:",
    "frame0",
    "1:1",
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**31, 2**63, -(2**63) - 1, 2**64, 10**30, -0.0, 1.0, 1e308])
    | st.floats()
    | st.text(max_size=20)
    | st.text(st.characters(codec="utf-8"), max_size=5_000)
    | st.sampled_from(_TEXTS + URLS + IDS + tuple(RAW))
)
NAMES = st.sampled_from(
    [
        "frame0",
        "type",
        "url",
        "id",
        "weight",
        "identity0",
        "images",
        "key",
        "",
        "__class__",
        "\ud800",
    ]
) | st.text(max_size=5)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=6,
)


def written(value: object) -> bytes:
    """Write a message as it goes over the wire."""
    text = json.dumps(value)
    for name, raw in RAW.items():
        text = text.replace(f'"{name}"', raw)
    return text.encode()


def is_plain(value: object) -> bool:
    """Tell whether every reader of JSON reads this value, and reads the same."""
    if isinstance(value, dict):
        return all(is_plain(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return all(is_plain(part) for part in value)
    if isinstance(value, float):
        return value - value == 0
    if isinstance(value, str):
        return value not in RAW and not any("\ud800" <= one <= "\udfff" for one in value)
    return True


def _texts(schema: Json) -> Value:
    if "pattern" not in schema:
        most = schema.get("maxLength", 50)
        return st.text(
            min_size=schema.get("minLength", 0), max_size=min(most, 50)
        ) | st.sampled_from(
            [text for text in ("a paper boat on a quiet lake", "a" * most) if len(text) <= most]
        )
    made = st.from_regex(schema["pattern"]).filter(
        lambda text: len(text) <= schema.get("maxLength", 4096)
    )
    return st.sampled_from(_known(schema["pattern"])) | made


def _known(pattern: str) -> tuple[str, ...]:
    """Name some values of a pattern that mean something."""
    if pattern.startswith("^http"):
        return URLS[:3]
    if "agents:" in pattern:
        return CLIP, CLIP, NEWER_CLIP, PICTURE, UNKNOWN_ID, f"agents:{UNKNOWN_ID}"
    if "0-9a-fA-F" in pattern:
        return FILE, FILE, UNKNOWN_ID
    return "image/png", "video/mp4", "text/html"


def _numbers(schema: Json) -> Value:
    above = "exclusiveMinimum" in schema
    least = schema.get("exclusiveMinimum" if above else "minimum")
    return st.floats(least, schema.get("maximum"), exclude_min=above)


def _objects(schema: Json) -> Value:
    members = {name: allowed_by(one) for name, one in schema.get("properties", {}).items()}
    required = {name: members.pop(name) for name in schema.get("required", ())}
    return st.fixed_dictionaries(required, optional=members)


_KINDS = {
    "string": _texts,
    "object": _objects,
    "boolean": lambda _: st.booleans(),
    "integer": lambda schema: st.integers(schema.get("minimum"), schema.get("maximum")),
    "number": _numbers,
    "array": lambda schema: st.lists(
        allowed_by(schema["items"]),
        min_size=schema.get("minItems", 0),
        max_size=min(schema.get("maxItems", 6), 6),
    ),
}


def allowed_by(schema: Json) -> Value:
    """Draw values that a schema allows, of the few words that the tools' schemas are made of."""
    known = {"title", "description", "default", "enum", "type", "pattern", "properties", "required"}
    known |= {"additionalProperties", "items", "minimum", "maximum", "exclusiveMinimum"}
    known |= {f"{least}{what}" for least in ("min", "max") for what in ("Length", "Items")}
    assert set(schema) <= known, "A word that no value is drawn by would be broken by chance"
    return st.sampled_from(schema["enum"]) if "enum" in schema else _KINDS[schema["type"]](schema)


def _places(value: object) -> list[Any]:
    """Every object and list within a value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [place for part in inner for place in _places(part)]
    return [value, *found] if isinstance(value, dict | list) else found


def _as_text(value: object) -> object:
    return value if isinstance(value, str) else json.dumps(value)


_HOW = st.sampled_from(["drop", "null", "text", "list", "replace", "replace"])


@st.composite
def broken(draw: st.DrawFn, whole: Value, names: tuple[str, ...] = (), most: int = 3) -> Any:  # noqa: ANN401 - any JSON
    """Draw a value with some of its members dropped, added, made null or something else.

    Args:
        draw: Hypothesis's.
        whole: What is broken.
        names: Members that make sense in it.
        most: How many breaks there are at most.
    """
    value = json.loads(json.dumps(draw(whole)))
    for _ in range(draw(st.integers(1, most))):
        places = _places(value)
        place = places[draw(st.integers(0, len(places) - 1))]
        if isinstance(place, list):
            place.insert(draw(st.integers(0, len(place))), draw(ANYTHING))
            continue
        known = [*place, *names]
        number = draw(st.integers(0, len(known)))
        name = known[number] if number < len(known) else draw(NAMES)
        how, old = draw(_HOW), place.pop(name, None)
        changed = {"null": None, "text": _as_text(old), "list": [old]}
        if how != "drop":
            place[name] = changed[how] if how in changed else draw(ANYTHING)
    return value
