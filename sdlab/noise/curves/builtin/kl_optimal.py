"""KL optimal: even in the arctangent of sigma."""

import numpy as np

from sdlab.noise.curves.arguments import check_range
from sdlab.noise.curves.registry import curve
from sdlab.noise.schedule import Array


@curve(
    "kl_optimal",
    "Even in arctan sigma: the least divergence of Gaussian data, long strides at both ends.",
    source="Sabour et al. 2024 (arXiv 2404.14507), theorem 3.1",
    place=11,
)
def kl_optimal(num_steps: int, sigma_min: float, sigma_max: float) -> Array:
    """Return sigmas even in arctan sigma from sigma_max to sigma_min, then 0, [num_steps + 1].

    Raises:
        ValueError: If the range is not 0 < sigma_min < sigma_max.

    Reference: Sabour et al. 2024 (arXiv 2404.14507), theorem 3.1, the closed form for Gaussian
    data of unit variance; ComfyUI's "kl_optimal".
    """
    check_range(num_steps, sigma_min, sigma_max)
    angles = np.linspace(float(np.arctan(sigma_max)), float(np.arctan(sigma_min)), num_steps)
    return np.append(np.tan(angles), 0.0)
