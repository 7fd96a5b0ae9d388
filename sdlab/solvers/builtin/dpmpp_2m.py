"""DPM-Solver++(2M): second order from the x0_pred of the step before, one evaluation a step.

With lambda = -ln sigma and h = lambda_next - lambda (Lu et al. 2022, arXiv 2211.01095, algorithm
2, brought to VE coordinates, where alpha = 1):

    D = (1 + 1 / (2 r)) x0 - 1 / (2 r) x0_before,  r = h_before / h
    x_next = (sigma_next / sigma) x - (exp(-h) - 1) D

The first step, and one to sigma 0, use D = x0. diffusers ``DPMSolverMultistepScheduler``,
k-diffusion ``sample_dpmpp_2m``.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


@solver("dpmpp_2m", order=2)
def dpmpp_2m(
    x: "Tensor", sigmas: tuple[float, ...], noise: "Callable[[Tensor], Tensor]"
) -> "SolverGenerator":
    """Extrapolate x0_pred linearly in -ln sigma."""
    before, h_before = None, 0.0
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        if sigma_next == 0:
            x = x0_pred
            continue
        h = math.log(sigma / sigma_next)
        d = x0_pred
        if before is not None:
            d = x0_pred + (x0_pred - before) * (h / (2 * h_before))
        x = sigma_next / sigma * x - math.expm1(-h) * d
        before, h_before = x0_pred, h
    return x
