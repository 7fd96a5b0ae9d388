"""RES multistep: x0_pred extrapolated linearly in ln sigma and integrated exactly, one call a step.

With lambda = -ln sigma and h the step in it (Zhang et al. 2023, arXiv 2308.02157, the multistep
method; the exponential Adams-Bashforth method of order 2)

    x_next = (sigma_next / sigma) x - expm1(-h) x0 + (1 + expm1(-h) / h) D
    D = (h / h_before) (x0 - x0_before)

D is the change of x0_pred over the step. ``dpmpp_2m`` has -expm1(-h) / 2 as its weight, which is
the same up to h^2. The first step has no D; one to sigma 0 gives x0_pred. ComfyUI's
"res_multistep", and with the noise off its "dpmpp_2m_sde_heun".
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


@solver("res_multistep", order=2)
def res_multistep(
    x: "Tensor", sigmas: tuple[float, ...], noise: "Callable[[Tensor], Tensor]"
) -> "SolverGenerator":
    """Integrate the line through the last two x0_pred over each step."""
    before, h_before = None, 0.0
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        if sigma_next == 0:
            x = x0_pred
            continue
        h = math.log(sigma / sigma_next)
        x = sigma_next / sigma * x - math.expm1(-h) * x0_pred
        if before is not None:
            x = x + (1 + math.expm1(-h) / h) * (h / h_before) * (x0_pred - before)
        before, h_before = x0_pred, h
    return x
