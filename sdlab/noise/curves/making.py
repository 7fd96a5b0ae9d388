"""Makes the sigmas of a curve from its name, its options and a model's schedule."""

import inspect
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from sdlab.bounds import check, check_steps
from sdlab.errors import unknown
from sdlab.noise import custom
from sdlab.noise.curves.registry import GIVEN, Curve, find
from sdlab.noise.formula import parse
from sdlab.noise.schedule import Array, FlowTimes, NoiseSchedule
from sdlab.plain import plain


def fixed_steps(name: str | None, options: Mapping[str, Any]) -> int | None:
    """Return the only number of steps that a curve can have, or None if any will do."""
    values = options.get("sigmas") if name == "sigmas" else None
    return len(values) - 1 if isinstance(values, (list, tuple, np.ndarray)) else None


def check_curve(name: str | None, schedule: NoiseSchedule, options: Mapping[str, Any]) -> None:
    """Refuse a curve that is wrong in any number of steps.

    A formula may have ``n``, so its values are judged by ``make``, of as many steps as are asked.

    Raises:
        ValueError: As ``make``.
    """
    if name != "formula":
        fixed = fixed_steps(name, options)
        make(name, schedule, fixed or 2, options, None if fixed else _of_any_number)
        return
    _check_options(name, find(name), options)
    parse(options[name])


def _of_any_number(index: int) -> str:
    """Return what a step of two is in a curve of any number of steps: its ends stay its ends."""
    return ("the first step", "the last step", "the end")[index]


def make(
    name: str | None,
    schedule: NoiseSchedule,
    num_steps: int,
    options: Mapping[str, Any],
    where: Callable[[int], str] | None = None,
) -> Array:
    """Return the sigmas of a named curve over a model's schedule, float64 [num_steps + 1].

    Args:
        name: One of ``CURVES``, or None for the schedule's own spacing.
        schedule: Gives the range of sigma, and the timesteps of the spacings.
        num_steps: Solver steps.
        options: Arguments of the curve; ``sigma_min`` and ``sigma_max`` replace the range.
        where: Names a step in a message; by default "step 3 of 10".

    Raises:
        ValueError: If the name, an option or the number of steps is not valid, or the curve is not
            finite, strictly descending and, if it is a user's own, within the model's range.
    """
    name = name or schedule.timestep_spacing
    curve = find(name)
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
    if curve.example:
        problems = custom.check(sigmas.tolist(), schedule, where)
        if problems:
            raise ValueError(f"curve {name!r}: {problems[0].sentence}")
    elif isinstance(schedule, FlowTimes) and sigmas[0] > 1:
        raise ValueError(
            f"curve {name!r} begins at {sigmas[0]:g}: it is one of sigma, and flow matching's times"
            " end at 1."
        )
    elif not (np.isfinite(sigmas).all() and (np.diff(sigmas) < 0).all()):
        shown = ", ".join(
            f"{k}={v:g}" if isinstance(v, Real) else f"{k}={v}"
            for k, v in arguments.items()
            if k not in GIVEN
        )
        raise ValueError(
            f"curve {name!r} with {shown or 'no options'} does not fall strictly from sigma_max to"
            f" 0 in {num_steps} steps; choose milder options or fewer steps."
        )
    return sigmas


def _check_options(name: str, curve: Curve, options: Mapping[str, Any]) -> None:
    allowed = curve.options
    if options and not allowed:
        raise ValueError(f"curve {name!r} takes no options, got {sorted(options)}.")
    for key, value in options.items():
        if key not in allowed:
            raise ValueError(unknown(f"option of curve {name!r}", key, allowed))
        if key == name and curve.example:  # their own function checks them
            continue
        if isinstance(allowed[key], str):
            if not isinstance(value, str):
                raise ValueError(f"{key} of curve {name!r} must be text, got {value!r}.")
        elif isinstance(value, bool) or not isinstance(value, Real):
            raise ValueError(f"{key} of curve {name!r} must be a number, got {value!r}.")
        elif isinstance(allowed[key], int) and not isinstance(value, Integral):
            raise ValueError(f"{key} of curve {name!r} must be a whole number, got {value!r}.")
        check(key, value, f"curve {name!r}")
    if curve.example and name not in options:
        raise ValueError(f"curve {name!r} needs the option {name!r}, for example {curve.example}.")
