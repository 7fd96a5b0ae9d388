"""UniPC: a multistep predictor, corrected by the evaluation that the next step needs anyway.

With lambda = -ln sigma, h the step in it, m_0 the newest x0_pred, r_k = (lambda_k - lambda_0) / h
and D_k = (m_k - m_0) / r_k of the ones before (Zhao et al. 2023, arXiv 2302.04867, eq. 3 and 9 for
data prediction, in VE coordinates, where alpha = 1):

    x_next = (sigma_next / sigma) x - expm1(-h) m_0 - B sum_k rho_k D_k
    sum_k rho_k r_k^(j-1) = j! psi_j / B,   psi_1 = expm1(-h) / -h - 1,
                                            psi_(j+1) = psi_j / -h - 1 / (j+1)!

B is -h (bh1) or expm1(-h) (bh2). The corrector is the same with the point just reached, r = 1, as
one more D; it raises the order by one and takes no evaluation of its own, so NFE = N. As in the
authors' code, rho is 1/2 where it stands alone. diffusers ``UniPCMultistepScheduler``.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from sdlab.errors import unknown
from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator

    Predicted = list[tuple[float, Tensor]]  # (sigma, x0_pred), the newest first

VARIANTS = ("bh1", "bh2")


@solver("unipc", order=3)  # the default's predictor is of order 2, the corrector adds one
def unipc(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Callable[[Tensor], Tensor]",
    *,
    order: int = 2,
    variant: str = "bh2",
) -> "SolverGenerator":
    """Correct each point by the prediction made there, then predict the next."""
    if not 1 <= order <= 3:
        raise ValueError(f"order of solver 'unipc' must be from 1 to 3, got {order}.")
    if variant not in VARIANTS:
        raise ValueError(unknown("variant of solver 'unipc'", variant, VARIANTS))
    before: Predicted = []
    x_before = x
    for i in range(len(sigmas) - 1):
        x0_pred = yield x, sigmas[i]
        if before:
            x = _step(x_before, sigmas[i], before, variant, x0_pred)
        before = [(sigmas[i], x0_pred), *before][:order]
        x_before = x
        x = _step(x, sigmas[i + 1], before, variant) if sigmas[i + 1] > 0 else x0_pred
    return x


def _step(
    x: "Tensor",
    sigma_next: float,
    before: "Predicted",
    variant: str,
    reached: "Tensor | None" = None,
) -> "Tensor":
    """Return x at ``sigma_next`` from ``x`` at the newest prediction; corrected, if ``reached``."""
    sigma, newest = before[0]
    h = math.log(sigma / sigma_next)
    scale = -h if variant == "bh1" else math.expm1(-h)
    ratios = [math.log(sigma / s) / h for s, _ in before[1:]]
    slopes = [(x0 - newest) / r for r, (_, x0) in zip(ratios, before[1:], strict=True)]
    if reached is not None:
        ratios.append(1.0)
        slopes.append(reached - newest)
    x = sigma_next / sigma * x - math.expm1(-h) * newest
    for weight, slope in zip(_weights(ratios, h, scale), slopes, strict=True):
        x = x - scale * weight * slope
    return x


def _weights(ratios: list[float], h: float, scale: float) -> list[float]:
    """Return rho_k for the ratios r_k."""
    if len(ratios) < 2:
        return [0.5] * len(ratios)
    right, psi = [], math.expm1(-h) / -h - 1
    for j in range(1, len(ratios) + 1):
        right.append(math.factorial(j) * psi / scale)
        psi = psi / -h - 1 / math.factorial(j + 1)
    left = np.vander(ratios, increasing=True).T
    weights: list[float] = np.linalg.solve(left, np.array(right)).tolist()
    return weights
