"""DPM-Solver-2: the midpoint rule in ln sigma on the probability-flow ODE.

    sigma_mid = sqrt(sigma sigma_next)
    x_mid = x + (sigma_mid - sigma) d(x, sigma)
    x_next = x + (sigma_next - sigma) d(x_mid, sigma_mid)

Reference: Lu et al. 2022 (arXiv 2206.00927), algorithm 1, as in Karras et al. 2022 (arXiv
2206.00364), algorithm 2; k-diffusion ``sample_dpm_2``, diffusers ``KDPM2DiscreteScheduler``.
2N - 1 evaluations: the last step, to sigma 0, is Euler's.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


@solver("dpm_2", order=2, stages=2)
def dpm_2(
    x: "Tensor", sigmas: tuple[float, ...], noise: "Callable[[Tensor], Tensor]"
) -> "SolverGenerator":
    """Use the slope at the geometric middle of each step."""
    for sigma, sigma_next in pairwise(sigmas):
        d = (x - (yield x, sigma)) / sigma
        if sigma_next == 0:
            x = x - sigma * d
            continue
        sigma_mid = math.sqrt(sigma * sigma_next)
        x_mid = x + (sigma_mid - sigma) * d
        d_mid = (x_mid - (yield x_mid, sigma_mid)) / sigma_mid
        x = x + (sigma_next - sigma) * d_mid
    return x
