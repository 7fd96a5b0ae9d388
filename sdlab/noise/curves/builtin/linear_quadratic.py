"""Linear-quadratic: many short steps at full noise, then a parabola to none."""

import numpy as np

from sdlab.noise.curves.registry import curve
from sdlab.noise.schedule import Array


@curve(
    "linear_quadratic",
    "Half of the steps fall by a small share, the rest by a parabola; made for times, not sigma.",
    source="Genmo 2024, Mochi 1, linear_quadratic_schedule",
    place=11,
)
def linear_quadratic(num_steps: int, sigma_max: float, threshold: float = 0.025) -> Array:
    """Return sigmas that fall linearly by a small share, then as a square to 0, [num_steps + 1].

    Of the n steps the first n // 2 fall together by ``threshold`` of the highest level; a parabola
    that goes on with the same slope brings the rest to 0.

    Args:
        num_steps: n, at least 1.
        sigma_max: The highest level.
        threshold: The share, above 0 and below 1.

    Raises:
        ValueError: If the share is not between 0 and 1.

    Reference: Genmo's Mochi, ``linear_quadratic_schedule``; ComfyUI's "linear_quadratic".
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must be above 0 and below 1, got {threshold}.")
    if num_steps == 1:
        return np.array([sigma_max, 0.0])
    linear = num_steps // 2
    rest = num_steps - linear
    slope = threshold / linear
    step = np.arange(num_steps + 1, dtype=float)
    past = np.maximum(step - linear, 0.0)
    fallen = slope * step + (1.0 - slope * num_steps) * (past / rest) ** 2
    sigmas: Array = sigma_max * (1.0 - fallen)
    sigmas[-1] = 0.0
    return sigmas
