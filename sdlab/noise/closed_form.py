"""Curves given by an equation in sigma, or by a published table of sigmas.

Each is a function ``(num_steps, sigma_min, sigma_max, **options)`` that returns a strictly
descending float64 array [num_steps + 1], from sigma_max over sigma_min to a last 0. The two Align
Your Steps tables bring their own range.
"""

import numpy as np

from sdlab.noise.schedule import Array

# Sabour et al. 2024 (arXiv 2404.14507), table 3: the noise levels of ten steps; the last of the
# eleven, where the paper stops, becomes 0, as in diffusers' ``AysSchedules``.
AYS_SD15 = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029)
AYS_SDXL = (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029)


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
    _check(num_steps, sigma_min, sigma_max)
    _positive("rho", rho)
    ramp = np.linspace(0.0, 1.0, num_steps)
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return np.append((high + ramp * (low - high)) ** rho, 0.0)


def exponential(num_steps: int, sigma_min: float, sigma_max: float) -> Array:
    """Return sigmas evenly spaced in ln sigma, [num_steps + 1], ending in 0.

    Reference: k-diffusion ``get_sigmas_exponential``; the log-SNR-uniform steps of Lu et al. 2022
    (arXiv 2206.00927), section 3.4.

    Raises:
        ValueError: If the range is not 0 < sigma_min < sigma_max.
    """
    return polyexponential(num_steps, sigma_min, sigma_max, rho=1.0)


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
    _check(num_steps, sigma_min, sigma_max)
    _positive("rho", rho)
    ramp = np.linspace(1.0, 0.0, num_steps) ** rho if num_steps > 1 else np.ones(1)
    high, low = np.log(sigma_max), np.log(sigma_min)
    return np.append(np.exp(low + ramp * (high - low)), 0.0)


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
    _check(num_steps, sigma_min, sigma_max)
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


def ays_sd15(num_steps: int) -> Array:
    """Return Align Your Steps' table for Stable Diffusion 1.5, [num_steps + 1], ending in 0.

    Other step counts than ten are interpolated linearly in ln sigma, as the authors advise.

    Reference: Sabour et al. 2024 (arXiv 2404.14507), table 3.
    """
    return _from_table(num_steps, AYS_SD15)


def ays_sdxl(num_steps: int) -> Array:
    """Return Align Your Steps' table for SDXL, [num_steps + 1], ending in 0; as ``ays_sd15``.

    Reference: Sabour et al. 2024 (arXiv 2404.14507), table 3.
    """
    return _from_table(num_steps, AYS_SDXL)


def _from_table(num_steps: int, table: tuple[float, ...]) -> Array:
    places = np.linspace(0.0, 1.0, num_steps + 1)
    levels = np.exp(np.interp(places, np.linspace(0.0, 1.0, len(table)), np.log(table)))
    levels[-1] = 0.0
    return levels


def _check(num_steps: int, sigma_min: float, sigma_max: float) -> None:
    if num_steps < 1:
        raise ValueError(f"num_steps must be at least 1, got {num_steps}.")
    if not 0 < sigma_min < sigma_max < np.inf:
        raise ValueError(
            f"a curve needs 0 < sigma_min < sigma_max, got sigma_min {sigma_min} and"
            f" sigma_max {sigma_max}."
        )


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be above 0, got {value}.")
