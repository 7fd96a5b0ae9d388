"""DDIM: the paper's step, in which a share eta of the noise is replaced by fresh noise.

In VP coordinates (Song et al. 2020, arXiv 2010.02502, eq. 12 and 16):

    x_prev = sqrt(a_prev) x0 + sqrt(1 - a_prev - s^2) eps + s n
    s = eta sqrt((1 - a_prev) / (1 - a)) sqrt(1 - a / a_prev)

Divided by sqrt(a_prev), with sigma^2 = (1 - a) / a, this is the step below, where eta_std = s /
sqrt(a_prev) = eta (sigma_prev / sigma) sqrt(sigma^2 - sigma_prev^2). Eta 1 is DDPM's posterior
variance; diffusers ``DDIMScheduler``.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


@solver("ddim", order=1)
def ddim(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Callable[[Tensor], Tensor]",
    *,
    eta: float = 0.0,
) -> "SolverGenerator":
    """Step from x0_pred towards the next level; eta 0 (the default) injects nothing."""
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        eps_pred = (x - x0_pred) / sigma
        eta_std = eta * sigma_next / sigma * math.sqrt(sigma**2 - sigma_next**2)
        x = x0_pred + math.sqrt(sigma_next**2 - eta_std**2) * eps_pred
        if eta_std > 0:
            x = x + eta_std * noise(x)
    return x
