"""Polyexponential: ln sigma falls as a power of the step."""

import numpy as np

from sdlab.noise.curves.arguments import check_positive, check_range
from sdlab.noise.curves.registry import curve
from sdlab.noise.schedule import Array


@curve(
    "polyexponential",
    "ln sigma falls as a power of the step: rho above 1 hurries through high noise.",
    source="k-diffusion get_sigmas_polyexponential",
    place=8,
)
def polyexponential(num_steps: int, sigma_min: float, sigma_max: float, rho: float = 1.0) -> Array:
    """Return sigmas whose logarithm falls as a power of the ramp, [num_steps + 1], ending in 0.

    ln sigma = ln sigma_min + (1 - u)^rho (ln sigma_max - ln sigma_min), u from 0 to 1.

    Args:
        num_steps: Solver steps, at least 1.
        sigma_min: The last sigma above 0.
        sigma_max: The first sigma.
        rho: Power of the ramp, > 0; 1 is the exponential curve, larger falls faster at first.

    Raises:
        ValueError: If rho is not positive or the range is not 0 < sigma_min < sigma_max.

    Reference: k-diffusion ``get_sigmas_polyexponential``.
    """
    check_range(num_steps, sigma_min, sigma_max)
    check_positive("rho", rho)
    ramp = np.linspace(1.0, 0.0, num_steps) ** rho if num_steps > 1 else np.ones(1)
    high, low = np.log(sigma_max), np.log(sigma_min)
    return np.append(np.exp(low + ramp * (high - low)), 0.0)
