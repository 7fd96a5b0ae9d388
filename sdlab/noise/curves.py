"""Sigma curves: in which strides a sampler goes from pure noise to none.

A curve is a function ``(num_steps, sigma_min, sigma_max, **options)`` that returns a strictly
descending float64 array [num_steps + 1] that ends in 0. The schedule's own spacings ("leading",
"linspace", "trailing") are chosen in timesteps instead, and stand here beside the others.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sdlab.errors import unknown
from sdlab.noise.schedule import Array, NoiseSchedule

SPACINGS = ("leading", "linspace", "trailing")


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
    if not rho > 0:
        raise ValueError(f"rho must be above 0, got {rho}.")
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
    _check(num_steps, sigma_min, sigma_max)
    return np.append(np.exp(np.linspace(np.log(sigma_max), np.log(sigma_min), num_steps)), 0.0)


CURVES: dict[str, Callable[..., Array]] = {"karras": karras, "exponential": exponential}


def names() -> list[str]:
    """Return every curve name that an experiment takes: spacings first."""
    return [*SPACINGS, *CURVES]


def spaced_timesteps(spacing: str, num_steps: int, num_timesteps: int, offset: int = 0) -> Array:
    """Return the timesteps that a spacing visits, descending, float64 [num_steps].

    Args:
        spacing: "leading", "linspace" or "trailing".
        num_steps: At least 1, at most ``num_timesteps``.
        num_timesteps: Training timesteps T.
        offset: Added to the leading ones (``steps_offset``).

    Raises:
        ValueError: If the spacing is unknown or there are more steps than timesteps.

    Reference: Lin et al. 2023 (arXiv 2305.08891), table 2. One step of "linspace" starts at
    T - 1, where diffusers' starts at 0 and so removes no noise.
    """
    if not 1 <= num_steps <= num_timesteps:
        raise ValueError(
            f"num_steps must be from 1 to {num_timesteps}, the schedule's timesteps, got"
            f" {num_steps}."
        )
    if spacing == "linspace":
        return np.linspace(num_timesteps - 1, 0, num_steps)
    if spacing == "leading":
        steps = np.arange(num_steps)[::-1] * (num_timesteps // num_steps) + offset
        if steps[0] >= num_timesteps:
            raise ValueError(
                f"num_steps={num_steps} with leading spacing and an offset of {offset} asks for"
                f" timestep {steps[0]}, beyond the schedule's last, {num_timesteps - 1}; take fewer"
                " steps or another spacing."
            )
        return steps.astype(np.float64)
    if spacing == "trailing":
        return np.round(np.arange(num_timesteps, 0, -num_timesteps / num_steps))[:num_steps] - 1.0
    raise ValueError(unknown("timestep spacing", spacing, SPACINGS))


def make(
    name: str | None, schedule: NoiseSchedule, num_steps: int, options: Mapping[str, Any]
) -> Array:
    """Return the sigmas of a named curve over a model's schedule, float64 [num_steps + 1].

    Args:
        name: One of ``names()``, or None for the schedule's own spacing.
        schedule: Gives the range of sigma, and the timesteps of the spacings.
        num_steps: Solver steps.
        options: Arguments of the curve; ``sigma_min`` and ``sigma_max`` replace the range.

    Raises:
        ValueError: If the name, an option or the number of steps is not valid.
    """
    name = name or schedule.timestep_spacing
    if name in SPACINGS:
        if options:
            raise ValueError(f"curve {name!r} takes no options, got {sorted(options)}.")
        steps = spaced_timesteps(name, num_steps, schedule.num_timesteps, schedule.steps_offset)
        return np.append(schedule.timestep_to_sigma(steps), 0.0)
    if name not in CURVES:
        raise ValueError(unknown("curve", name, names()))
    allowed = list(inspect.signature(CURVES[name]).parameters)[1:]
    for key, value in options.items():
        if key not in allowed:
            raise ValueError(unknown(f"option of curve {name!r}", key, allowed))
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{key} of curve {name!r} must be a number, got {value!r}.")
    if num_steps > schedule.num_timesteps:
        raise ValueError(
            f"num_steps must be from 1 to {schedule.num_timesteps}, the schedule's timesteps,"
            f" got {num_steps}."
        )
    ends = {"sigma_min": schedule.sigma_min, "sigma_max": schedule.sigma_max}
    arguments = {**ends, **options}
    try:
        with np.errstate(all="ignore"):
            sigmas = CURVES[name](num_steps, **arguments)
    except OverflowError:
        sigmas = np.full(num_steps + 1, np.nan)
    if not (np.isfinite(sigmas).all() and (np.diff(sigmas) < 0).all()):
        given = ", ".join(f"{key}={value:g}" for key, value in arguments.items())
        raise ValueError(
            f"curve {name!r} with {given} does not fall strictly from sigma_max to 0 in"
            f" {num_steps} steps; choose milder options."
        )
    return sigmas


def _check(num_steps: int, sigma_min: float, sigma_max: float) -> None:
    if num_steps < 1:
        raise ValueError(f"num_steps must be at least 1, got {num_steps}.")
    if not 0 < sigma_min < sigma_max < np.inf:
        raise ValueError(
            f"a curve needs 0 < sigma_min < sigma_max, got sigma_min {sigma_min} and"
            f" sigma_max {sigma_max}."
        )
