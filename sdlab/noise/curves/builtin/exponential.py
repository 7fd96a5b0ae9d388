"""Exponential: even in ln sigma."""

from sdlab.noise.curves.builtin.polyexponential import polyexponential
from sdlab.noise.curves.registry import curve
from sdlab.noise.schedule import Array


@curve(
    "exponential",
    "Even in ln sigma: each step divides the noise by the same factor.",
    source="k-diffusion get_sigmas_exponential; Lu et al. 2022 (arXiv 2206.00927), section 3.4",
    place=7,
)
def exponential(num_steps: int, sigma_min: float, sigma_max: float) -> Array:
    """Return sigmas evenly spaced in ln sigma, [num_steps + 1], ending in 0.

    Reference: k-diffusion ``get_sigmas_exponential``; the log-SNR-uniform steps of Lu et al. 2022
    (arXiv 2206.00927), section 3.4.

    Raises:
        ValueError: If the range is not 0 < sigma_min < sigma_max.
    """
    return polyexponential(num_steps, sigma_min, sigma_max, rho=1.0)
