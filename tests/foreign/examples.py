"""How many examples a test tries: few and always the same, or many and new ones by hand.

pytest tests/foreign --hypothesis-profile=long
"""

from hypothesis import HealthCheck, settings

_USUAL = 100  # what Hypothesis has by default, and so every profile but ours
LONG = "long"

settings.register_profile(LONG, max_examples=20 * _USUAL)


def examples(number: int) -> settings:
    """Try so many examples; with the profile `long` twenty times as many, by chance.

    The door is made once for all examples of a test, which is what the health check fears: it
    keeps nothing from one call to the next, and that it does not is part of what is tested.
    """
    factor = settings.default.max_examples // _USUAL
    return settings(
        max_examples=number * factor,
        derandomize=factor == 1,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
