"""SEEDS-2: DPM-Solver++(2S) on the reverse SDE, its linear part and its noise solved exactly.

With eta the share of noise and q = sqrt(sigma_next / sigma), the ratio of each half step in -ln
sigma (Gonzalez et al. 2023, arXiv 2305.14267, data prediction, in VE coordinates):

    x_mid = q^(1 + eta) x + (1 - q^(1 + eta)) x0(x, sigma) + n_1
    x_next = q^(2 + 2 eta) x + (1 - q^(2 + 2 eta)) x0(x_mid, sigma_mid) + q^(1 + eta) n_1 + n_2

n_1 and n_2 are the exact noises of the two halves, sigma_mid and sigma_next times sqrt(1 - q^(2
eta)) times a normal, increments of one Brownian path. With eta 1 it is ``dpmpp_sde``, with eta 0
DPM-Solver++(2S). A step to sigma 0 gives x0_pred. ComfyUI's "seeds_2" with its r 1/2.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.solvers.randomness import Noise
    from sdlab.solvers.registry import SolverGenerator


def exact_noise(
    x: "Tensor", sigma: float, sigma_next: float, noise: "Noise", eta: float
) -> "Tensor | float":
    """Return the noise that the reverse SDE adds from one level to the next; 0 with eta 0."""
    if eta == 0:
        return 0.0
    spread = math.sqrt(1 - (sigma_next / sigma) ** (2 * eta))
    return sigma_next * spread * noise.between(x, sigma, sigma_next)


@solver("seeds_2", order=2, stages=2, deterministic=False)
def seeds_2(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Noise",
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> "SolverGenerator":
    """Take x0_pred from the noised middle of each step, and carry that noise on."""
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        if sigma_next == 0:
            x = x0_pred
            continue
        sigma_mid = math.sqrt(sigma * sigma_next)
        keep = (sigma_mid / sigma) ** (1 + eta)
        noise_mid = s_noise * exact_noise(x, sigma, sigma_mid, noise, eta)
        x0_mid = yield keep * x + (1 - keep) * x0_pred + noise_mid, sigma_mid
        noise_end = s_noise * exact_noise(x, sigma_mid, sigma_next, noise, eta)
        x = keep**2 * x + (1 - keep**2) * x0_mid + keep * noise_mid + noise_end
    return x
