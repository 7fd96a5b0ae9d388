"""Sigma curves: in which strides a sampler goes from pure noise to none.

A curve is a function of ``num_steps`` and of what it needs of ``sigma_min``, ``sigma_max`` and
``schedule``; the rest of its arguments are its options. It returns a strictly descending float64
array [num_steps + 1] that ends in 0. Those given by an equation stand in ``closed_form``, those
chosen in timesteps in ``spacings``, a person's own in ``custom``; here they have their names.
"""

import inspect
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from sdlab.bounds import check, check_steps
from sdlab.errors import unknown
from sdlab.noise import custom, spacings
from sdlab.noise.closed_form import (
    ays_sd15,
    ays_sdxl,
    exponential,
    karras,
    polyexponential,
    vp,
)
from sdlab.noise.schedule import Array, NoiseSchedule
from sdlab.noise.spacings import SPACINGS, spaced_timesteps
from sdlab.plain import plain

__all__ = [
    "CURVES",
    "OWN",
    "SPACINGS",
    "Curve",
    "ays_sd15",
    "ays_sdxl",
    "describe",
    "exponential",
    "fixed_steps",
    "karras",
    "make",
    "names",
    "polyexponential",
    "spaced_timesteps",
    "vp",
]

# What ``make`` hands to a curve that asks for it; all else are the curve's options.
_GIVEN = ("num_steps", "schedule")
_OPEN = inspect.Parameter.empty


class Curve(NamedTuple):
    """A named curve.

    Attributes:
        function: Called with ``num_steps``, what it asks of the schedule, and its options.
        about: What it does, in one sentence.
        source: Where it comes from.
    """

    function: Callable[..., Array]
    about: str
    source: str

    @property
    def options(self) -> dict[str, Any]:
        """Its options with their defaults; the range's, from the model, are None."""
        found = inspect.signature(self.function).parameters.values()
        return {p.name: _default(p) for p in found if p.name not in _GIVEN}


CURVES: dict[str, Curve] = {
    "leading": Curve(
        spacings.leading,
        "Whole strides of timesteps counted from the clean end; starts below full noise.",
        "Lin et al. 2023 (arXiv 2305.08891), table 2; diffusers timestep_spacing",
    ),
    "linspace": Curve(
        spacings.linspace,
        "Even timesteps that include the first and the last.",
        "Lin et al. 2023 (arXiv 2305.08891), table 2; diffusers timestep_spacing",
    ),
    "trailing": Curve(
        spacings.trailing,
        "Whole strides of timesteps counted from full noise; right for very few steps.",
        "Lin et al. 2023 (arXiv 2305.08891), table 2; diffusers timestep_spacing",
    ),
    "sgm_uniform": Curve(
        spacings.sgm_uniform,
        "Even timesteps from full noise that leave the last stride for 0.",
        "Stability AI generative-models; ComfyUI",
    ),
    "beta": Curve(
        spacings.beta,
        "Timesteps at the quantiles of a Beta distribution: many at both ends, few between.",
        "Lee et al. 2024 (arXiv 2407.12173), section 3",
    ),
    "lcm": Curve(
        spacings.lcm,
        "The timesteps that a Latent Consistency Model was distilled on.",
        "Luo et al. 2023 (arXiv 2310.04378), section 4.3",
    ),
    "karras": Curve(
        karras,
        "Even in sigma^(1/rho): short strides at low noise, where the detail is made.",
        "Karras et al. 2022 (arXiv 2206.00364), eq. 5",
    ),
    "exponential": Curve(
        exponential,
        "Even in ln sigma: each step divides the noise by the same factor.",
        "k-diffusion get_sigmas_exponential; Lu et al. 2022 (arXiv 2206.00927), section 3.4",
    ),
    "polyexponential": Curve(
        polyexponential,
        "ln sigma falls as a power of the step: rho above 1 hurries through high noise.",
        "k-diffusion get_sigmas_polyexponential",
    ),
    "vp": Curve(
        vp,
        "Even times of the continuous variance-preserving process.",
        "Song et al. 2021 (arXiv 2011.13456), eq. 32; k-diffusion get_sigmas_vp",
    ),
    "ays_sd15": Curve(
        ays_sd15,
        "Align Your Steps' table for Stable Diffusion 1.5, found by minimising the sampling error.",
        "Sabour et al. 2024 (arXiv 2404.14507), table 3",
    ),
    "ays_sdxl": Curve(
        ays_sdxl,
        "Align Your Steps' table for SDXL, found by minimising the sampling error.",
        "Sabour et al. 2024 (arXiv 2404.14507), table 3",
    ),
    "formula": Curve(custom.formula, "Your own formula for sigma in u from 0 to 1.", "your own"),
    "sigmas": Curve(custom.sigmas, "Your own table of sigmas.", "your own"),
    "points": Curve(custom.points, "Lines in ln sigma through your own points.", "your own"),
}
OWN = ("formula", "sigmas", "points")


def names() -> list[str]:
    """Return the curves that need no options, as an experiment names them: spacings first."""
    return [name for name in CURVES if name not in OWN]


def describe(name: str) -> str:
    """Return what a curve does, in one sentence.

    Raises:
        ValueError: If there is no such curve.
    """
    return _curve(name).about


def fixed_steps(name: str | None, options: Mapping[str, Any]) -> int | None:
    """Return the only number of steps that a curve can have, or None if any will do."""
    values = options.get("sigmas") if name == "sigmas" else None
    return len(values) - 1 if isinstance(values, (list, tuple, np.ndarray)) else None


def make(
    name: str | None, schedule: NoiseSchedule, num_steps: int, options: Mapping[str, Any]
) -> Array:
    """Return the sigmas of a named curve over a model's schedule, float64 [num_steps + 1].

    Args:
        name: One of ``CURVES``, or None for the schedule's own spacing.
        schedule: Gives the range of sigma, and the timesteps of the spacings.
        num_steps: Solver steps.
        options: Arguments of the curve; ``sigma_min`` and ``sigma_max`` replace the range.

    Raises:
        ValueError: If the name, an option or the number of steps is not valid, or the curve is not
            finite, strictly descending and, if it is a person's own, within the model's range.
    """
    name = name or schedule.timestep_spacing
    curve = _curve(name)
    options = {key: plain(value) for key, value in options.items()}
    _check_options(name, curve, options)
    check_steps(num_steps, schedule.num_timesteps)
    given = {
        "num_steps": num_steps,
        "schedule": schedule,
        "sigma_min": schedule.sigma_min,
        "sigma_max": schedule.sigma_max,
    }
    taken = inspect.signature(curve.function).parameters
    arguments = {**{key: given[key] for key in given if key in taken}, **options}
    try:
        with np.errstate(all="ignore"):
            sigmas = curve.function(**arguments)
    except OverflowError:
        sigmas = np.full(num_steps + 1, np.nan)
    if name in OWN:
        problems = custom.check(sigmas.tolist(), schedule)
        if problems:
            raise ValueError(f"curve {name!r}: {problems[0].sentence}")
    elif not (np.isfinite(sigmas).all() and (np.diff(sigmas) < 0).all()):
        shown = ", ".join(
            f"{k}={v:g}" if isinstance(v, Real) else f"{k}={v}"
            for k, v in arguments.items()
            if k not in _GIVEN
        )
        raise ValueError(
            f"curve {name!r} with {shown or 'no options'} does not fall strictly from sigma_max to"
            f" 0 in {num_steps} steps; choose milder options or fewer steps."
        )
    return sigmas


def _curve(name: str) -> Curve:
    if name not in CURVES:
        raise ValueError(unknown("curve", name, CURVES))
    return CURVES[name]


def _default(parameter: inspect.Parameter) -> Any:
    return None if parameter.default is _OPEN else parameter.default


def _check_options(name: str, curve: Curve, options: Mapping[str, Any]) -> None:
    allowed = curve.options
    if options and not allowed:
        raise ValueError(f"curve {name!r} takes no options, got {sorted(options)}.")
    for key, value in options.items():
        if key not in allowed:
            raise ValueError(unknown(f"option of curve {name!r}", key, allowed))
        if key == name and name in OWN:  # their own function judges them
            continue
        if isinstance(allowed[key], str):
            if not isinstance(value, str):
                raise ValueError(f"{key} of curve {name!r} must be text, got {value!r}.")
        elif isinstance(value, bool) or not isinstance(value, Real):
            raise ValueError(f"{key} of curve {name!r} must be a number, got {value!r}.")
        elif isinstance(allowed[key], int) and not isinstance(value, Integral):
            raise ValueError(f"{key} of curve {name!r} must be a whole number, got {value!r}.")
        check(key, value, f"curve {name!r}")
    if name in OWN and name not in options:
        raise ValueError(
            f"curve {name!r} needs the option {name!r}, for example {_EXAMPLES[name]}."
        )


_EXAMPLES = {
    "formula": "formula=sigma_max*(sigma_min/sigma_max)**u",
    "sigmas": "sigmas=[14.6, 6.5, 2.7, 0.4, 0]",
    "points": "points=[[0, 14.6], [0.5, 1], [1, 0.03]]",
}
