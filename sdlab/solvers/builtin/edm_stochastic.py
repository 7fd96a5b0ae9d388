"""EDM's stochastic sampler: churn noise up a little, then Heun down.

    gamma = min(churn / N, sqrt(2) - 1) if s_min <= sigma <= s_max else 0
    sigma_hat = (1 + gamma) sigma,  x_hat = x + sqrt(sigma_hat^2 - sigma^2) s_noise n

Reference: Karras et al. 2022 (arXiv 2206.00364), algorithm 2; k-diffusion ``sample_heun`` with
``s_churn``. Second order in distribution with s_noise 1. The default's slight surplus of noise
makes up for networks that remove too much, and biases an exact denoiser; hence no declared order.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


@solver("edm_stochastic", stages=2, deterministic=False)
def edm_stochastic(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Callable[[Tensor], Tensor]",
    *,
    churn: float = 40.0,
    s_min: float = 0.05,
    s_max: float = 50.0,
    s_noise: float = 1.003,
) -> "SolverGenerator":
    """Add noise to reach sigma_hat, then take Heun's step from there."""
    if churn < 0:
        raise ValueError(f"churn of solver 'edm_stochastic' must be at least 0, got {churn:g}.")
    num_steps = len(sigmas) - 1
    for sigma, sigma_next in pairwise(sigmas):
        gamma = min(churn / num_steps, math.sqrt(2) - 1) if s_min <= sigma <= s_max else 0.0
        sigma_hat = sigma * (1 + gamma)
        if gamma > 0:
            x = x + math.sqrt(sigma_hat**2 - sigma**2) * s_noise * noise(x)
        d = (x - (yield x, sigma_hat)) / sigma_hat
        x_euler = x + (sigma_next - sigma_hat) * d
        if sigma_next == 0:
            x = x_euler
        else:
            d_next = (x_euler - (yield x_euler, sigma_next)) / sigma_next
            x = x + (sigma_next - sigma_hat) * (d + d_next) / 2
    return x
