"""RES 2S: an exponential Runge-Kutta step of two stages that meets every condition of order 2.

With lambda = -ln sigma, h the step in it, the second stage at lambda + c h and g(z) = 1 + expm1(-z)
/ z, which is z phi_2(-z) (Zhang et al. 2023, arXiv 2308.02157, single-step method of order 2):

    x_mid = (sigma_mid / sigma) x + (1 - sigma_mid / sigma) x0(x, sigma)
    x_next = (sigma_next / sigma) x - expm1(-h) x0 + g(h) / c (x0(x_mid, sigma_mid) - x0)

DPM-Solver++(2S) has -expm1(-h) / 2 in the place of g(h), right only in the limit of small h. A step
to sigma 0 gives x0_pred. RES4LYF's "res_2s" with its c2 1/2.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


def slope_weight(z: float) -> float:
    """Return 1 + expm1(-z) / z: how x0_pred's change over a step of z in -ln sigma weighs in x."""
    return 1.0 + math.expm1(-z) / z


@solver("res_2s", order=2, stages=2)
def res_2s(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Callable[[Tensor], Tensor]",
    *,
    c: float = 0.5,
) -> "SolverGenerator":
    """Integrate the line through x0_pred at the start and at a share ``c`` of each step."""
    if not 0 < c <= 1:
        raise ValueError(f"c of solver 'res_2s' must be above 0 and at most 1, got {c:g}.")
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        if sigma_next == 0:
            x = x0_pred
            continue
        h = math.log(sigma / sigma_next)
        sigma_mid = sigma * math.exp(-c * h) if c < 1 else sigma_next
        x_mid = sigma_mid / sigma * x + (1 - sigma_mid / sigma) * x0_pred
        x0_mid = yield x_mid, sigma_mid
        x = sigma_next / sigma * x - math.expm1(-h) * x0_pred
        x = x + slope_weight(h) / c * (x0_mid - x0_pred)
    return x
