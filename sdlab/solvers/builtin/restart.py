"""Restart: Heun's steps down, and in the middle of the way back up by fresh noise to go down again.

Noise forgets the errors made so far, an ODE solver makes few new ones; so noise is put in at once
and not at every step (Xu et al. 2023, arXiv 2306.14878, section 3, algorithm 1):

    x(s_max) = x(s_min) + sqrt(s_max^2 - s_min^2) n,   ``restarts`` times

The evaluations are those of ``heun`` over the same curve: each pass between the two levels takes
its share of the curve's steps there, so that they are wider. s_min and s_max are the curve's levels
nearest to them; with fewer steps between than passes there are as many passes as steps. The paper
sets its levels for each model; the defaults are AUTOMATIC1111's, which takes steps of their own for
the passes. 2N - 1 evaluations.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from sdlab.solvers.builtin.heun import heun
from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


@solver("restart", order=2, stages=2, deterministic=False)
def restart(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Callable[[Tensor], Tensor]",
    *,
    s_min: float = 0.1,
    s_max: float = 2.0,
    restarts: int = 1,
) -> "SolverGenerator":
    """Go down by Heun's method, and between two levels several times."""
    if not 0 < s_min < s_max:
        raise ValueError(
            "s_min of solver 'restart' must be above 0 and below s_max, got"
            f" {s_min:g} and {s_max:g}."
        )
    if restarts < 0:
        raise ValueError(f"restarts of solver 'restart' must be at least 0, got {restarts}.")
    ways = passes(sigmas, s_min, s_max, restarts)
    for i, levels in enumerate(ways):
        if i > 0:
            x = x + math.sqrt(levels[0] ** 2 - ways[i - 1][-1] ** 2) * noise(x)
        x = yield from heun(x, levels, noise)
    return x


def passes(
    sigmas: tuple[float, ...], s_min: float, s_max: float, restarts: int
) -> list[tuple[float, ...]]:
    """Return the levels of every way down, each but the first from where noise is put in."""
    high, low = _nearest(sigmas, s_max), _nearest(sigmas, s_min)
    count = max(1, min(restarts + 1, low - high))
    ways = []
    for k in reversed(range(count)):
        steps = (low - high + k) // count
        ways.append(tuple(sigmas[round(place)] for place in np.linspace(high, low, steps + 1)))
    ways[0] = (*sigmas[:high], *ways[0])
    ways[-1] = (*ways[-1], *sigmas[low + 1 :])
    return ways


def _nearest(sigmas: tuple[float, ...], level: float) -> int:
    """Return the index of the sigma above 0 whose logarithm is nearest to a level's."""
    return min(
        (i for i, sigma in enumerate(sigmas) if sigma > 0),
        key=lambda i: abs(math.log(sigmas[i] / level)),
    )
