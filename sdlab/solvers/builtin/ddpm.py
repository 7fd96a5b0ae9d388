"""DDPM's ancestral step: the posterior q(x_prev | x_t, x0) with its own variance.

In VE coordinates (Ho et al. 2020, arXiv 2006.11239, eq. 7, for any pair of noise levels):

    mean = x0 + (sigma_next / sigma)^2 (x - x0)
    var  = sigma_next^2 (1 - (sigma_next / sigma)^2)

That is ``ddim`` with eta 1. diffusers ``DDPMScheduler`` with ``variance_type="fixed_small"``.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


@solver("ddpm", order=1, deterministic=False)
def ddpm(
    x: "Tensor", sigmas: tuple[float, ...], noise: "Callable[[Tensor], Tensor]"
) -> "SolverGenerator":
    """Draw each next point from the posterior given x0_pred."""
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        share = (sigma_next / sigma) ** 2
        x = x0_pred + share * (x - x0_pred)
        if sigma_next > 0:
            x = x + sigma_next * math.sqrt(1 - share) * noise(x)
    return x
