"""Ancestral Euler: each step goes down to sigma_down without noise, then adds sigma_up of it.

    sigma_up = eta sqrt(sigma_next^2 (sigma^2 - sigma_next^2) / sigma^2), at most sigma_next
    sigma_down = sqrt(sigma_next^2 - sigma_up^2)

Reference: k-diffusion ``sample_euler_ancestral``; diffusers ``EulerAncestralDiscreteScheduler``.
With eta 1 the variances are DDPM's (Song et al. 2020, arXiv 2010.02502, eq. 16).
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


def ancestral_sigmas(sigma: float, sigma_next: float, eta: float) -> tuple[float, float]:
    """Return (sigma_down, sigma_up) of one ancestral step."""
    up = eta * math.sqrt(sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2)
    up = min(sigma_next, up)
    return math.sqrt(sigma_next**2 - up**2), up


@solver("euler_ancestral", order=1, deterministic=False)
def euler_ancestral(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Callable[[Tensor], Tensor]",
    *,
    eta: float = 1.0,
) -> "SolverGenerator":
    """Step down past the next level, and come back up by fresh noise."""
    for sigma, sigma_next in pairwise(sigmas):
        d = (x - (yield x, sigma)) / sigma
        down, up = ancestral_sigmas(sigma, sigma_next, eta)
        x = x + (down - sigma) * d
        if up > 0:
            x = x + up * noise(x)
    return x
