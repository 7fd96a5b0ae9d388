"""DPM-Solver-2 with ancestral noise: a midpoint step to sigma_down, then sigma_up of noise.

Reference: k-diffusion ``sample_dpm_2_ancestral``; diffusers ``KDPM2AncestralDiscreteScheduler``.
The split into sigma_down and sigma_up is ``euler_ancestral``'s.
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


@solver("dpm_2_ancestral", order=2, stages=2, deterministic=False)
def dpm_2_ancestral(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Callable[[Tensor], Tensor]",
    *,
    eta: float = 1.0,
) -> "SolverGenerator":
    """Step down past the next level by the midpoint rule, and come back up by fresh noise."""
    for sigma, sigma_next in pairwise(sigmas):
        d = (x - (yield x, sigma)) / sigma
        down, up = ancestral_sigmas(sigma, sigma_next, eta)
        if down == 0:
            x = x - sigma * d
        else:
            sigma_mid = math.sqrt(sigma * down)
            x_mid = x + (sigma_mid - sigma) * d
            d_mid = (x_mid - (yield x_mid, sigma_mid)) / sigma_mid
            x = x + (down - sigma) * d_mid
        if up > 0:
            x = x + up * noise(x)
    return x
