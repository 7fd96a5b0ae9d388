"""The curves that a user defines: a formula, a table of sigmas, or points with lines between."""

from collections.abc import Sequence

import numpy as np

from sdlab.noise.curves.registry import curve
from sdlab.noise.custom import numbers, read_points
from sdlab.noise.formula import evaluate
from sdlab.noise.schedule import Array


@curve(
    "formula",
    "Your own formula for sigma in u from 0 to 1.",
    source="your own",
    example="formula=sigma_max*(sigma_min/sigma_max)**u",
    place=12,
)
def formula(num_steps: int, sigma_min: float, sigma_max: float, formula: str) -> Array:
    """Return the sigmas of a formula at u = 0 ... 1, then 0, float64 [num_steps + 1].

    Args:
        num_steps: Solver steps, at least 1; ``n`` in the formula.
        sigma_min: The model's smallest noise level.
        sigma_max: The model's largest.
        formula: An expression in ``VARIABLES`` and ``FUNCTIONS`` for sigma; u runs evenly from 0
            at the first step to 1 at the last.

    Raises:
        ValueError: If the text is no such expression, or has no finite value at a step.

    Example:
        formula(10, 0.03, 14.6, "sigma_max * (sigma_min / sigma_max) ** u")
    """
    sigmas, problems = evaluate(formula, num_steps, sigma_min, sigma_max)
    if problems:
        raise ValueError(problems[0].sentence)
    return sigmas


@curve(
    "sigmas",
    "Your own table of sigmas.",
    source="your own",
    example="sigmas=[14.6, 6.5, 2.7, 0.4, 0]",
    place=13,
)
def sigmas(num_steps: int, sigmas: Sequence[float]) -> Array:
    """Return a table of sigmas as it is, float64 [num_steps + 1].

    Args:
        num_steps: Must be one less than there are sigmas.
        sigmas: Descending, the last 0.

    Raises:
        ValueError: If it holds anything but numbers, or does not fit ``num_steps``.
    """
    values = numbers("sigmas", sigmas)
    if len(values) != num_steps + 1:
        raise ValueError(
            f"sigmas has {len(values)} values, so it is a curve of {len(values) - 1} steps; got"
            f" num_steps {num_steps}. Set num_steps to {len(values) - 1}."
        )
    return values


@curve(
    "points",
    "Lines in ln sigma through your own points.",
    source="your own",
    example="points=[[0, 14.6], [0.5, 1], [1, 0.03]]",
    place=14,
)
def points(num_steps: int, points: Sequence[Sequence[float]]) -> Array:
    """Return sigmas on lines through points, linear in ln sigma, then 0, [num_steps + 1].

    Args:
        num_steps: Solver steps, at least 1.
        points: (u, sigma) pairs; u rises from 0 to 1, sigma is above 0.

    Raises:
        ValueError: If a point is no such pair, or the first and last are not at u = 0 and 1.
    """
    found = read_points(points)
    u, level = np.array(found).T
    places = np.linspace(0.0, 1.0, num_steps)
    return np.append(np.exp(np.interp(places, u, np.log(level))), 0.0)
