"""The stylesheet: small, readable in light and dark, made for every hand and eye."""

import re

import pytest

from luma_mcp.pages import STYLE

CSS = STYLE.content.decode()
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): #([0-9a-f]+)", block))
    for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
)
SCHEMES = {"light": LIGHT, "dark": {**LIGHT, **DARK}}
TEXT = [
    ("ink", "paper"),
    ("ink", "field"),
    ("ink", "tint"),
    ("soft", "paper"),
    ("soft", "field"),
    ("soft", "tint"),
    ("accent", "paper"),
    ("accent", "tint"),
    ("on-accent", "accent"),
    ("bad", "paper"),
    ("good", "paper"),
]
BORDERS = [("edge", "paper"), ("bad", "paper"), ("accent", "paper")]


def _luminance(colour: str) -> float:
    """Source: WCAG 2.2, "relative luminance"."""
    if len(colour) == 3:
        colour = "".join(2 * digit for digit in colour)
    channels = (int(colour[start : start + 2], 16) / 255 for start in (0, 2, 4))
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_the_guidelines_do() -> None:
    assert contrast("fff", "000000") == pytest.approx(21)
    assert contrast("767676", "ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("text", "ground"), TEXT)
def test_text_can_be_read(scheme: str, text: str, ground: str) -> None:
    colours = SCHEMES[scheme]
    assert contrast(colours[text], colours[ground]) >= 4.5


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("border", "ground"), BORDERS)
def test_the_borders_of_inputs_can_be_seen(scheme: str, border: str, ground: str) -> None:
    colours = SCHEMES[scheme]
    assert contrast(colours[border], colours[ground]) >= 3


def test_every_colour_is_one_of_those() -> None:
    rules = re.sub(r":root \{.*?\}", "", CSS, flags=re.DOTALL)
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", rules) == []
    assert set(re.findall(r"var\(--([\w-]+)\)", rules)) <= LIGHT.keys()
    assert DARK.keys() == LIGHT.keys()


def test_the_stylesheet_is_small() -> None:
    assert len(STYLE.content) < 7_000


def test_things_move_only_for_those_who_do_not_mind() -> None:
    calm, _, lively = CSS.partition("@media (prefers-reduced-motion: no-preference)")
    assert "transition" not in calm
    assert "animation" not in calm
    assert "transition" in lively
