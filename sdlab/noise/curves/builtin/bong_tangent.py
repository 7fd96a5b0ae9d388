"""Bong tangent: two arctangents, steep where they meet."""

import numpy as np

from sdlab.noise.curves.arguments import check_positive
from sdlab.noise.curves.registry import curve
from sdlab.noise.schedule import Array


@curve(
    "bong_tangent",
    "Two arctangents that are steep where they meet, half way down: many steps at both ends.",
    source="RES4LYF bong_tangent_scheduler",
    place=11,
)
def bong_tangent(
    num_steps: int,
    sigma_max: float,
    middle: float = 0.5,
    pivot: float = 0.6,
    slope: float = 0.2,
) -> Array:
    """Return sigmas along two arctangents, from sigma_max by a middle to 0, [num_steps + 1].

    Args:
        num_steps: Solver steps; one alone begins at the middle.
        sigma_max: The first sigma.
        middle: Where the two meet, as a share of sigma_max, above 0 and below 1.
        pivot: The share of the steps after which they meet, above 0 and below 1.
        slope: How steep they are there, > 0, for 40 steps; it falls with the number of steps.

    Raises:
        ValueError: If an option is out of its range, or leaves no step to one of the two.

    Reference: RES4LYF's "bong_tangent", made for flow matching, whose highest level is 1.
    """
    for name, value in (("middle", middle), ("pivot", pivot)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must be above 0 and below 1, got {value}.")
    check_positive("slope", slope)
    count = num_steps + 2
    upper = int(count * pivot)
    lower = count - upper
    if upper < 1 or lower < 2:
        raise ValueError(
            f"pivot must leave both arctangents a step of {num_steps}, got {pivot}; take one nearer"
            " to 0.5 or more steps."
        )
    place = slope / (count / 40) * np.arange(upper, -lower, -1, dtype=np.float64)
    first = _stretched(np.arctan(place[:upper]), 1.0, middle)
    second = _stretched(np.arctan(place[upper:]), middle, 0.0)
    sigmas: Array = sigma_max * np.append(first[:-1], second)
    return sigmas


def _stretched(values: Array, high: float, low: float) -> Array:
    """Return falling values, stretched to go from ``high`` to ``low``."""
    span = float(values[0] - values[-1])
    stretched: Array = low + (high - low) * (values - values[-1]) / (span if span > 0 else 1.0)
    return stretched
