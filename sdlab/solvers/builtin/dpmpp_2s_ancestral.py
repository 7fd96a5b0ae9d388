"""DPM-Solver++(2S) with ancestral noise: second order in one step, without memory.

With t = -ln sigma, h = t_down - t and the midpoint s = t + h / 2 (Lu et al. 2022, arXiv
2211.01095, algorithm 1, r = 1/2, in VE coordinates):

    x_mid = (sigma_mid / sigma) x - expm1(-h / 2) x0(x, sigma)
    x_down = (sigma_down / sigma) x - expm1(-h) x0(x_mid, sigma_mid)

Reference: k-diffusion ``sample_dpmpp_2s_ancestral``.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.builtin.euler_ancestral import ancestral_sigmas
from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


@solver("dpmpp_2s_ancestral", order=2, stages=2, deterministic=False)
def dpmpp_2s_ancestral(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Callable[[Tensor], Tensor]",
    *,
    eta: float = 1.0,
) -> "SolverGenerator":
    """Step down with x0_pred from the middle, and come back up by fresh noise."""
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        down, up = ancestral_sigmas(sigma, sigma_next, eta)
        if down == 0:
            x = x0_pred
        else:
            sigma_mid = math.sqrt(sigma * down)
            x_mid = sigma_mid / sigma * x + (1 - sigma_mid / sigma) * x0_pred
            x0_mid = yield x_mid, sigma_mid
            x = down / sigma * x + (1 - down / sigma) * x0_mid
        if up > 0:
            x = x + up * noise(x)
    return x
