"""RES 3S: an exponential Runge-Kutta step of three stages and order 3.

With lambda = -ln sigma, h the step in it, stages at h / 2 and h and g as in ``res_2s`` (Zhang et
al. 2023, arXiv 2308.02157, single-step method of order 3; Hochbruck & Ostermann 2005, SIAM J.
Numer. Anal. 43, eq. 5.8, with c_2 1/2, c_3 1 and therefore gamma 4):

    x_2 = (sigma_2 / sigma) x + (1 - sigma_2 / sigma) x0_1,   sigma_2 = sqrt(sigma sigma_next)
    x_3 = (sigma_next / sigma) x - expm1(-h) x0_1 + (4 g(h / 2) + 2 g(h)) (x0_2 - x0_1)
    x_next = (sigma_next / sigma) x - expm1(-h) x0_1
             + g(h) (4 (x0_2 - x0_1) + (x0_3 - x0_1)) / 3

A step to sigma 0 gives x0_pred, so 3N - 2 evaluations. RES4LYF's "res_3s".
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.builtin.res_2s import slope_weight
from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


@solver("res_3s", order=3, stages=3)
def res_3s(
    x: "Tensor", sigmas: tuple[float, ...], noise: "Callable[[Tensor], Tensor]"
) -> "SolverGenerator":
    """Weigh x0_pred at the start, the middle and the end of each step."""
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        if sigma_next == 0:
            x = x0_pred
            continue
        h, sigma_mid = math.log(sigma / sigma_next), math.sqrt(sigma * sigma_next)
        g, first = slope_weight(h), sigma_next / sigma * x - math.expm1(-h) * x0_pred
        x_mid = sigma_mid / sigma * x + (1 - sigma_mid / sigma) * x0_pred
        change_mid = (yield x_mid, sigma_mid) - x0_pred
        x_end = first + (4 * slope_weight(h / 2) + 2 * g) * change_mid
        change_end = (yield x_end, sigma_next) - x0_pred
        x = first + g * (4 * change_mid + change_end) / 3
    return x
