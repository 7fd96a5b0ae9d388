"""Gradient estimation: Euler's method along a noise prediction that leaves the last one behind.

The sampler is gradient descent on the distance to the data, and the noise prediction its gradient;
two of them estimate it better than one (Permenter & Yuan 2023, arXiv 2306.04848, on gradient
estimation; smalldiffusion's sampler):

    e = gamma eps + (1 - gamma) eps_before
    x_next = x + (sigma_next - sigma) e

gamma 2 is the authors' choice. Equal strides would need 3/2 for second order (``ipndm`` of order
2), so as an ODE solver it is of first order: it goes too far where Euler's method goes too short. A
step to sigma 0 gives x0_pred. ComfyUI's "gradient_estimation".
"""

from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


@solver("gradient_estimation", order=1)
def gradient_estimation(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Callable[[Tensor], Tensor]",
    *,
    gamma: float = 2.0,
) -> "SolverGenerator":
    """Follow gamma times the newest noise prediction less the share of the one before."""
    before = None
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        eps_pred = (x - x0_pred) / sigma
        if sigma_next == 0:
            x = x0_pred
        elif before is None:
            x = x + (sigma_next - sigma) * eps_pred
        else:
            x = x + (sigma_next - sigma) * (gamma * eps_pred + (1 - gamma) * before)
        before = eps_pred
    return x
