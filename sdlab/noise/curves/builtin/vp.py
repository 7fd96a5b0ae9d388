"""VP: even times of the continuous variance-preserving process."""

import numpy as np

from sdlab.noise.curves.arguments import check_range
from sdlab.noise.curves.registry import curve
from sdlab.noise.schedule import Array


@curve(
    "vp",
    "Even times of the continuous variance-preserving process.",
    source="Song et al. 2021 (arXiv 2011.13456), eq. 32; k-diffusion get_sigmas_vp",
    place=9,
)
def vp(
    num_steps: int,
    sigma_min: float,
    sigma_max: float,
    beta_d: float | None = None,
    beta_min: float | None = None,
    eps_s: float = 1e-3,
) -> Array:
    """Return the sigmas of the continuous VP process at even times, [num_steps + 1], ending in 0.

    sigma(t) = sqrt(exp(beta_d t^2 / 2 + beta_min t) - 1), t from 1 to eps_s.

    Args:
        num_steps: Solver steps, at least 1.
        sigma_min: The sigma at t = eps_s, if the betas are not given.
        sigma_max: The sigma at t = 1, if the betas are not given.
        beta_d: Growth of beta, > 0; 19.9 in Song et al. (there sigma starts at 152). None, both of
            the betas, solves for the range.
        beta_min: beta at t = 0, >= 0; 0.1 in Song et al.
        eps_s: The last time, in (0, 1).

    Raises:
        ValueError: If a parameter is out of range, or one beta is given without the other.

    Reference: Song et al. 2021 (arXiv 2011.13456), eq. 32; Karras et al. 2022 (arXiv 2206.00364),
    table 1; k-diffusion ``get_sigmas_vp``.
    """
    check_range(num_steps, sigma_min, sigma_max)
    if not 0 < eps_s < 1:
        raise ValueError(f"eps_s must be between 0 and 1, got {eps_s}.")
    if (beta_d is None) != (beta_min is None):
        raise ValueError("beta_d and beta_min go together: give both, or neither.")
    if beta_d is None or beta_min is None:
        # Two equations: the exponent is ln(1 + sigma^2) at t = 1 and at t = eps_s.
        low, high = np.log1p(sigma_min**2), np.log1p(sigma_max**2)
        beta_d = float(2 * (high - low / eps_s) / (1 - eps_s))
        beta_min = float(high - beta_d / 2)
    elif not (beta_d > 0 and beta_min >= 0):
        raise ValueError(
            f"beta_d must be above 0 and beta_min at least 0, got {beta_d:g} and {beta_min:g}."
        )
    t = np.linspace(1.0, eps_s, num_steps)
    return np.append(np.sqrt(np.expm1(beta_d * t**2 / 2 + beta_min * t)), 0.0)
