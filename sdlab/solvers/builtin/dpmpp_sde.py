"""DPM-Solver++ on the reverse SDE in two stages: DPM-Solver++(2S) with noise, a midpoint rule.

With lambda = -ln sigma, h the step in it, the midpoint sigma_mid = sqrt(sigma sigma_next) and
``euler_ancestral``'s split of a level into (down, up) (Lu et al. 2022, arXiv 2211.01095, section
5; k-diffusion ``sample_dpmpp_sde`` with r = 1/2):

    x_mid  = (down_mid / sigma) x + (1 - down_mid / sigma) x0(x, sigma) + up_mid n(sigma, sigma_mid)
    x_next = (down / sigma) x + (1 - down / sigma) x0(x_mid, sigma_mid) + up n(sigma, sigma_next)

n(a, b) is the increment of one Brownian path between two noise levels, so the two noises of a step
belong together. diffusers ``DPMSolverSDEScheduler``. 2N - 1 evaluations.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.builtin.euler_ancestral import ancestral_sigmas
from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.solvers.randomness import Noise
    from sdlab.solvers.registry import SolverGenerator


@solver("dpmpp_sde", order=2, stages=2, deterministic=False)
def dpmpp_sde(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Noise",
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> "SolverGenerator":
    """Take x0_pred from the noised middle of each step."""
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        if sigma_next == 0:
            x = x0_pred
            continue
        sigma_mid = math.sqrt(sigma * sigma_next)
        down, up = ancestral_sigmas(sigma, sigma_mid, eta)
        x_mid = down / sigma * x + (1 - down / sigma) * x0_pred
        if up > 0:
            x_mid = x_mid + up * s_noise * noise.between(x, sigma, sigma_mid)
        x0_mid = yield x_mid, sigma_mid
        down, up = ancestral_sigmas(sigma, sigma_next, eta)
        x = down / sigma * x + (1 - down / sigma) * x0_mid
        if up > 0:
            x = x + up * s_noise * noise.between(x, sigma, sigma_next)
    return x
