"""SDE-DPM-Solver++(2M): the multistep solver on the reverse SDE.

With lambda = -ln sigma, h the step in it and eta the share of noise (Lu et al. 2022, arXiv
2211.01095, appendix on SDE-DPM-Solver++(2M); k-diffusion ``sample_dpmpp_2m_sde``, midpoint form):

    x_next = (sigma_next / sigma) exp(-eta h) x + (1 - exp(-h - eta h)) D
             + sigma_next sqrt(1 - exp(-2 eta h)) s_noise n(sigma, sigma_next)
    D = x0 + (h / (2 h_before)) (x0 - x0_before)

n is the increment of one Brownian path, so that the picture converges as steps are refined.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.solvers.randomness import Noise
    from sdlab.solvers.registry import SolverGenerator


@solver("dpmpp_2m_sde", order=2, deterministic=False)
def dpmpp_2m_sde(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Noise",
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> "SolverGenerator":
    """Extrapolate x0_pred linearly in -ln sigma, and inject the noise of the SDE."""
    before, h_before = None, 0.0
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        if sigma_next == 0:
            x = x0_pred
            continue
        h = math.log(sigma / sigma_next)
        d = x0_pred
        if before is not None:
            d = x0_pred + h / (2 * h_before) * (x0_pred - before)
        x = sigma_next / sigma * math.exp(-eta * h) * x - math.expm1(-h - eta * h) * d
        if eta > 0:
            spread = sigma_next * math.sqrt(-math.expm1(-2 * eta * h))
            x = x + spread * s_noise * noise.between(x, sigma, sigma_next)
        before, h_before = x0_pred, h
    return x
