"""The least that a tool can cost is what the catalogue says it is."""

from itertools import product
from typing import get_args

import pytest

from luma_mcp.luma.catalogue import MODELS, Operation, estimate
from luma_mcp.luma.cheapest import cheapest
from luma_mcp.luma.model_rules import check_use

OPERATIONS = get_args(Operation)
WITHOUT_PRICE = {"upscale_generation", "add_audio", "extract_layers"}
ANY_LENGTH = range(1, 31)


def prices(operation: Operation) -> list[float]:
    """Ask for the price of every model at every value of every enumerated parameter."""
    found = []
    for model in MODELS.values():
        if operation not in model.uses:
            continue
        parameters = model.uses[operation].parameters
        choices = {name: values for name, values in parameters.items() if values}
        lengths = ANY_LENGTH if "source_seconds" in parameters else [None]
        for length, *values in product(lengths, *choices.values()):
            given = dict(zip(choices, values, strict=True))
            usd = estimate(operation, model.name, {"source_seconds": length, **given}).usd
            found += [usd] if usd is not None else []
    return found


@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - WITHOUT_PRICE))
def test_no_model_at_any_setting_costs_less(operation: Operation) -> None:
    least = cheapest(operation)
    assert least is not None
    assert least.usd == min(prices(operation))


@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - WITHOUT_PRICE))
def test_the_cheapest_setting_can_be_asked_for_and_costs_that(operation: Operation) -> None:
    least = cheapest(operation)
    assert least is not None
    check_use(operation, least.model, least.given)
    assert estimate(operation, least.model, least.given).usd == least.usd


@pytest.mark.parametrize("operation", sorted(WITHOUT_PRICE))
def test_a_tool_without_a_known_price_has_no_cheapest(operation: Operation) -> None:
    assert cheapest(operation) is None
    assert prices(operation) == []


@pytest.mark.parametrize(
    ("operation", "setting"),
    [
        ("create_generation", "ray-flash-2, 5 s at 540p"),
        ("reframe_video", "ray-flash-2, 1 s at 540p"),
        ("generate_image", "photon-flash-1"),
    ],
)
def test_the_cheapest_setting_is_said_in_a_few_words(operation: Operation, setting: str) -> None:
    least = cheapest(operation)
    assert least is not None
    assert least.setting == setting
