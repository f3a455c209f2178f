"""Search spaces, and their distributions in Optuna."""

import itertools
from collections.abc import Mapping, Sequence

from lxr.utils.extras import extra

_SCALES = {(): False, ("log",): True}
Space = Mapping[str, Sequence]


def round_to_4_digits(value):
    """A number rounded to four digits, so that records show exactly the values of the trials."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def distributions(space: Space) -> dict:
    """Optuna's distributions of a search space.

    Raises:
        ValueError: no option, or an option with neither choices nor a valid range.
    """
    with extra("tuning"):
        from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

    if not space:
        raise ValueError("space: expected at least one option to tune, found none")
    result: dict[str, BaseDistribution] = {}
    for name, values in space.items():
        try:
            if isinstance(values, list):
                result[name] = CategoricalDistribution(values)
            else:
                low, high, *scale = values
                whole = isinstance(low, int) and isinstance(high, int)
                result[name] = (IntDistribution if whole else FloatDistribution)(low, high, log=_SCALES[tuple(scale)])
        except (ValueError, TypeError, KeyError) as error:
            expected = "a list of choices, (low, high) or (low, high, 'log')"
            raise ValueError(f"space of {name}: expected {expected}, found {values}") from error
    return result


def grid(space: Space) -> list[dict] | None:
    """All points of a search space, or None if it has a range of more than one point."""
    choices = {name: values if isinstance(values, list) else [*set(values[:2])] for name, values in space.items()}
    if any(len(choices[name]) > 1 for name, values in space.items() if not isinstance(values, list)):
        return None
    return [dict(zip(choices, point, strict=True)) for point in itertools.product(*choices.values())]


def points_inside(options: Mapping | None, space: Space) -> dict:
    """Options that are points of a search space; none without options."""

    def inside(value, values: Sequence) -> bool:
        return value in values if isinstance(values, list) else value is not None and values[0] <= value <= values[1]

    given = options or {}
    return {name: given[name] for name, values in space.items() if name in given and inside(given[name], values)}


def drop_fixed(space: Space, fixed: Mapping) -> dict:
    """A search space without the fixed options."""
    return {name: values for name, values in space.items() if name not in fixed}
