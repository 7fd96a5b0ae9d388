"""The bounds of every option that goes to a scheduler, a solver or a curve.

diffusers' classes and solvers trust their arguments: num_train_timesteps of 10^8 or a solver_order
of 10^9 fills the memory before anything is computed. So every value is checked here before it is
used, wherever it comes from: Python, a link, a plug-in's options, a model's scheduler_config.json.
Which bounds apply follows from the option's name, else from the value's type.
"""

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from sdlab.errors import shown

MAX_TIMESTEPS = 10_000
MAX_STEPS = MAX_TIMESTEPS
MAX_ORDER = 10
MAX_SEED = 2**63 - 1
LARGEST_WHOLE = 10_000
LARGEST = 1e6
MAX_TEXT = 1000
MAX_ENTRIES = 1000
MAX_DEPTH = 3

# Options that count something, and so decide how much is allocated or how often a loop runs.
COUNTS = {
    "num_steps": (1, MAX_STEPS),
    "num_train_timesteps": (2, MAX_TIMESTEPS),
    "num_inference_steps": (1, MAX_TIMESTEPS),
    "original_inference_steps": (1, MAX_TIMESTEPS),
    "steps_offset": (0, MAX_TIMESTEPS),
}
SHARES = ("beta_start", "beta_end", "eta")
LISTS = {"trained_betas": MAX_TIMESTEPS, "sigmas": MAX_TIMESTEPS + 1}
# Minus infinity is diffusers' word for "no limit" here.
OPEN_BELOW = ("lambda_min_clipped",)
# Options of sdlab's that hold further options.
NESTED = ("solver_options", "curve_options")


def check_config(config: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` if an entry of a scheduler's config is out of its bounds.

    Args:
        config: ``scheduler.config``, or the contents of a scheduler_config.json; entries that
            begin with "_" are diffusers' own bookkeeping.

    Raises:
        ValueError: Naming the entry, its value and what is allowed.
    """
    for name, value in config.items():
        if not name.startswith("_"):
            check(name, value)


def check(name: str, value: Any, of: str = "") -> None:
    """Raise ``ValueError`` if an option's value is out of its bounds.

    Args:
        name: The option's name.
        value: Its value; None stands for its default.
        of: Whose option it is, for the message, such as "DDIMScheduler".

    Raises:
        ValueError: Naming the option, its value and what is allowed.
    """
    what = f"{name} of {of}" if of else name
    limits = whole_limits(name)
    if value is None:
        return
    if limits is not None:
        check_whole(what, value, *limits)
    elif name in SHARES:
        _number(what, value, 0.0, 1.0)
    elif name in LISTS:
        _list(what, value, LISTS[name])
    elif not (name in OPEN_BELOW and value == -math.inf):
        _plain(what, value, options=name in NESTED)


def check_option(name: str, value: Any, default: Any, of: str) -> None:
    """Raise ``ValueError`` if a value is not of its default's type, or out of its bounds.

    Args:
        name: The option's name.
        value: Its value.
        default: Its default: true or false, a number or a text; with any other, no type is checked.
        of: Whose option it is, for the message.

    Raises:
        ValueError: Naming the option, its value and what is allowed.
    """
    kinds: dict[type, tuple[type, str]] = {
        bool: (bool, "True or False"),
        int: (Integral, "a whole number"),
        float: (Real, "a number"),
        str: (str, "text"),
    }
    expected, word = kinds.get(type(default), (object, ""))
    wrong_bool = isinstance(value, bool) and expected in (Integral, Real)
    if value is not None and (wrong_bool or not isinstance(value, expected)):
        raise ValueError(
            f"{name} of {of} must be {word}, got {shown(value)} (default {default!r})."
        )
    check(name, value, of)


def whole_limits(name: str) -> tuple[int, int] | None:
    """Return the least and largest value of an option that counts, or None if it does not."""
    if name in COUNTS:
        return COUNTS[name]
    if name.endswith("seed"):
        return 0, MAX_SEED
    return (1, MAX_ORDER) if name == "order" or name.endswith("_order") else None


def check_steps(num_steps: Any, num_timesteps: int = MAX_STEPS) -> None:
    """Raise ``ValueError`` if the number of steps is below 1 or above the training timesteps."""
    check("num_steps", num_steps)
    if not num_steps <= num_timesteps:
        raise ValueError(
            f"num_steps must be from 1 to {num_timesteps}, the schedule's timesteps, got"
            f" {num_steps}."
        )


def check_whole(what: str, value: Any, least: int, most: int) -> None:
    """Raise ``ValueError`` if a value is no whole number from ``least`` to ``most``."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        raise ValueError(
            f"{what} must be a whole number from {least} to {most}, got {shown(value)}."
        )


def _number(what: str, value: Any, low: float, high: float) -> None:
    real = isinstance(value, Real) and not isinstance(value, bool)
    if not real or not low <= value <= high:
        raise ValueError(f"{what} must be a number from {low:g} to {high:g}, got {shown(value)}.")


def _list(what: str, value: Any, most: int) -> None:
    if hasattr(value, "tolist") and getattr(value, "ndim", 0) == 1:
        value = value[: most + 1].tolist()
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{what} must be a list of numbers, got {shown(value)}.")
    if not 2 <= len(value) <= most:
        raise ValueError(f"{what} must have 2 to {most:,} entries, got {len(value):,}.")
    for item in value:
        _number(what, item, -LARGEST, LARGEST)


def _plain(what: str, value: Any, depth: int = 0, options: bool = False) -> None:
    """Check a value by its type; objects that are not data, such as functions, pass."""
    if isinstance(value, Integral):
        if not abs(int(value)) <= LARGEST_WHOLE:
            _number(what, value, -LARGEST_WHOLE, LARGEST_WHOLE)
    elif isinstance(value, Real):
        _number(what, value, -LARGEST, LARGEST)
    elif isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise ValueError(
                f"{what} must have at most {MAX_TEXT:,} characters, got {len(value):,}."
            )
    elif isinstance(value, (list, tuple)):
        if len(value) > MAX_ENTRIES or depth == MAX_DEPTH:
            raise ValueError(
                f"{what} must have at most {MAX_ENTRIES:,} entries, in lists at most {MAX_DEPTH}"
                f" deep, got {len(value):,} entries: {shown(value)}."
            )
        for item in value:
            _plain(what, item, depth + 1)
    elif isinstance(value, Mapping):
        if not options:
            raise ValueError(
                f"{what} must be a number, a text, true or false, or a list, got {shown(value)}."
            )
        for key, item in value.items():
            if key not in ("sigmas", "points", "formula"):  # their own functions check them
                check(str(key), item, what)
