"""Karras: even in sigma^(1/rho)."""

import numpy as np

from sdlab.noise.curves.arguments import check_positive, check_range
from sdlab.noise.curves.registry import curve
from sdlab.noise.schedule import Array


@curve(
    "karras",
    "Even in sigma^(1/rho): short strides at low noise, where the detail is made.",
    source="Karras et al. 2022 (arXiv 2206.00364), eq. 5",
    place=6,
)
def karras(num_steps: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Array:
    """Return sigmas evenly spaced in sigma^(1/rho), [num_steps + 1], ending in 0.

    Args:
        num_steps: Solver steps, at least 1.
        sigma_min: The last sigma above 0.
        sigma_max: The first sigma.
        rho: Curvature, > 0; 7 in the paper, larger puts more steps at low noise.

    Raises:
        ValueError: If rho is not positive or the range is not 0 < sigma_min < sigma_max.

    Reference: Karras et al. 2022 (arXiv 2206.00364), eq. 5.
    """
    check_range(num_steps, sigma_min, sigma_max)
    check_positive("rho", rho)
    ramp = np.linspace(0.0, 1.0, num_steps)
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return np.append((high + ramp * (low - high)) ** rho, 0.0)
