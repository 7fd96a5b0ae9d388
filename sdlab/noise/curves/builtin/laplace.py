"""Laplace: ln sigma at the quantiles of a Laplace distribution."""

import numpy as np

from sdlab.noise.curves.arguments import check_positive, check_range
from sdlab.noise.curves.registry import curve
from sdlab.noise.schedule import Array

OPEN = 1e-5
"""Keeps the quantiles of 0 and 1 finite; ComfyUI's."""


@curve(
    "laplace",
    "ln sigma at the quantiles of a Laplace distribution: most steps around sigma 1.",
    source="Hang et al. 2024 (arXiv 2407.03297); ComfyUI LaplaceScheduler",
    place=11,
)
def laplace(
    num_steps: int,
    sigma_min: float,
    sigma_max: float,
    mu: float | None = None,
    beta: float = 0.5,
) -> Array:
    """Return sigmas whose logarithms are quantiles of a Laplace distribution, [num_steps + 1].

    ln sigma = mu - beta sign(1/2 - u) ln(1 - |1 - 2u|), u from 0 to 1, cut to the range; then 0.

    Args:
        num_steps: Solver steps, at least 1; many more than 400 repeat the range's ends.
        sigma_min: The last sigma above 0.
        sigma_max: The first sigma.
        mu: ln sigma around which the steps crowd; None for 0, or where the range ends at 1 or below
            (flow matching's times), for its middle.
        beta: How widely they spread, > 0.

    Raises:
        ValueError: If beta is not positive or the range is not 0 < sigma_min < sigma_max.

    Reference: Hang et al. 2024 (arXiv 2407.03297), the Laplace schedule; ComfyUI's
    ``LaplaceScheduler``, which leaves the last 0 out.
    """
    check_range(num_steps, sigma_min, sigma_max)
    check_positive("beta", beta)
    if mu is None:
        mu = 0.0 if sigma_max > 1 else float(np.log(sigma_min * sigma_max)) / 2
    off = 0.5 - np.linspace(0.0, 1.0, num_steps)
    logs = mu - beta * np.sign(off) * np.log(1.0 - 2.0 * np.abs(off) + OPEN)
    return np.append(np.clip(np.exp(logs), sigma_min, sigma_max), 0.0)
