"""Sigma curves: the noise levels that a sampler visits on its path from pure noise to none.

A curve is one function in a file of ``sdlab/noise/curves/builtin``, registered by
``@curve("name", ...)`` and found by looking into that folder; ``registry`` says what it takes and
returns. ``make`` returns its sigmas over a model's schedule. A curve's function can also be called
by name: ``curves.karras(10, 0.03, 14.6)``.
"""

from typing import Any

from sdlab.discovery import import_registering
from sdlab.noise.curves.making import check_curve, fixed_steps, make
from sdlab.noise.curves.registry import (
    ALIASES,
    CURVES,
    Curve,
    arrange,
    curve,
    describe,
    find,
    names,
)
from sdlab.noise.spacings import SPACINGS, spaced_timesteps

__all__ = [
    "ALIASES",
    "CURVES",
    "OWN",
    "SPACINGS",
    "Curve",
    "check_curve",
    "curve",
    "describe",
    "find",
    "fixed_steps",
    "make",
    "names",
    "spaced_timesteps",
]

import_registering("sdlab.noise.curves.builtin", "curve")
arrange()
OWN = tuple(name for name, found in CURVES.items() if found.example)
"""The curves that a user defines: each needs the option of the same name."""


def __getattr__(name: str) -> Any:
    if name not in CURVES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return CURVES[name].function
