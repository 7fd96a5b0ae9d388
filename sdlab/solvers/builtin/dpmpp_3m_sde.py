"""SDE-DPM-Solver++(3M): the multistep solver on the reverse SDE, with two predictions remembered.

With lambda = -ln sigma, h the step in it, h_1 and h_2 those before, and g = (1 + eta) h
(k-diffusion ``sample_dpmpp_3m_sde``; Lu et al. 2022, arXiv 2211.01095, whose 2M it extends):

    x_next = exp(-g) x + (1 - exp(-g)) x0 + phi_2 D' - phi_3 D''
             + sigma_next sqrt(1 - exp(-2 eta h)) s_noise n(sigma, sigma_next)
    phi_2 = expm1(-g) / g + 1,  phi_3 = phi_2 / g - 1/2

D' and D'' are h and h^2 times the slope and curvature in lambda of the parabola through the last
three x0; the second step has but a line, the first and one to sigma 0 the point alone. n is the
increment of one Brownian path.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.solvers.randomness import Noise
    from sdlab.solvers.registry import SolverGenerator


@solver("dpmpp_3m_sde", order=2, deterministic=False)
def dpmpp_3m_sde(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Noise",
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> "SolverGenerator":
    """Extrapolate x0_pred by a parabola in -ln sigma, and inject the noise of the SDE."""
    before: list[tuple[Tensor, float]] = []  # the last x0_pred and the step taken from each
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        if sigma_next == 0:
            x = x0_pred
            continue
        h = math.log(sigma / sigma_next)
        g = (1 + eta) * h
        phi_2 = math.expm1(-g) / g + 1
        x = math.exp(-g) * x - math.expm1(-g) * x0_pred
        if before:
            x0_1, h_1 = before[0]
            slope = (x0_pred - x0_1) * (h / h_1)
            if len(before) > 1:
                x0_2, h_2 = before[1]
                bend = (slope - (x0_1 - x0_2) * (h / h_2)) * (h / (h_1 + h_2))
                x = x + phi_2 * (slope + bend * (h_1 / h)) - (phi_2 / g - 0.5) * bend
            else:
                x = x + phi_2 * slope
        if eta > 0:
            spread = sigma_next * math.sqrt(-math.expm1(-2 * eta * h))
            x = x + spread * s_noise * noise.between(x, sigma, sigma_next)
        before = [(x0_pred, h), *before[:1]]
    return x
