"""ER-SDE: the extended reverse-time SDE by a Taylor series of x0_pred, of any amount of noise.

phi says how much noise a level forgets; r = phi(sigma_next) / phi(sigma) (Cui et al. 2023, arXiv
2309.06169, ER-SDE-Solver-3 for VE, data prediction):

    x_next = r x + (1 - r) x0 + (d + phi(sigma_next) I_0) x0' + (d^2 / 2 + phi(sigma_next) I_1) x0''
             + sqrt(sigma_next^2 - r^2 sigma^2) n
    d = sigma_next - sigma,  I_k = integral from sigma_next to sigma of (s - sigma)^k / phi(s) ds

x0' and x0'' are differences over the last two and three levels; the first step has none, the second
no x0''. phi(s) = s is the ODE, s^2 the usual reverse SDE. n is the increment of one Brownian path.
A step to sigma 0 gives x0_pred. ComfyUI's "er_sde", whose integrals are sums of 200 rectangles in
float32; here they are exact by Gauss-Legendre quadrature in ln s.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from sdlab.errors import unknown
from sdlab.solvers.builtin.lms import gauss
from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.randomness import Noise
    from sdlab.solvers.registry import SolverGenerator

SCALES: "dict[str, Callable[[np.ndarray], np.ndarray]]" = {
    "ode": lambda s: s,
    "sde": lambda s: s**2,
    "sde_1": lambda s: s * (np.exp(-1 / s) + 10),
    "sde_2": lambda s: s**1.5,
    "sde_3": lambda s: s**2.5,
    "sde_4": lambda s: s**0.9 * np.log10(1 + 100 * s**1.5),
    "sde_5": lambda s: s * (np.exp(s**0.3) + 10),
}
"""phi by the names of the paper's appendix A.8; the fifth is its choice, and ComfyUI's."""


def forgetting_integrals(scale: str, sigma: float, sigma_next: float) -> tuple[float, float]:
    """Return I_0 and I_1, of which the latter is negative.

    Args:
        scale: One of ``SCALES``.
        sigma: The level that a step comes from.
        sigma_next: The level that it goes to, above 0.
    """
    points, weights = gauss(24)
    width = math.log(sigma / sigma_next) / 2
    levels = sigma_next * np.exp(width * (points + 1))
    density = width * weights * levels / SCALES[scale](levels)
    return float(density.sum()), float(density @ (levels - sigma))


@solver("er_sde", order=2, deterministic=False)
def er_sde(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Noise",
    *,
    scale: str = "sde_5",
    order: int = 3,
    s_noise: float = 1.0,
) -> "SolverGenerator":
    """Extrapolate x0_pred by up to ``order`` - 1 of its derivatives, and inject noise."""
    if scale not in SCALES:
        raise ValueError(unknown("scale of solver 'er_sde'", scale, SCALES))
    if not 1 <= order <= 3:
        raise ValueError(f"order of solver 'er_sde' must be from 1 to 3, got {order}.")
    before: list[tuple[float, Tensor]] = []
    slope_before = None
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        if sigma_next == 0:
            x = x0_pred
            continue
        low, high = (float(SCALES[scale](np.array(s))) for s in (sigma_next, sigma))
        integrals = forgetting_integrals(scale, sigma, sigma_next)
        d, r = sigma_next - sigma, low / high
        x = r * x + (1 - r) * x0_pred
        if before and order > 1:
            slope = (x0_pred - before[0][1]) / (sigma - before[0][0])
            x = x + (d + low * integrals[0]) * slope
            if slope_before is not None and order > 2:
                bend = (slope - slope_before) / ((sigma - before[1][0]) / 2)
                x = x + (d**2 / 2 + low * integrals[1]) * bend
            slope_before = slope
        spread = math.sqrt(max(0.0, sigma_next**2 - (r * sigma) ** 2))
        if scale != "ode":
            x = x + s_noise * spread * noise.between(x, sigma, sigma_next)
        before = [(sigma, x0_pred), *before[:1]]
    return x
