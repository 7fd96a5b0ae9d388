"""iPNDM: Adams-Bashforth's weights of equal strides, started with lower orders.

In VE coordinates x_next = x + (sigma_next - sigma) e, where e is extrapolated from the last noise
predictions with ``plms``'s weights (Zhang & Chen 2022, arXiv 2204.13902, appendix, which takes
PNDM's without its Runge-Kutta start; Liu et al. 2022, arXiv 2202.09778, eq. 12):

    e = (55 e_0 - 59 e_1 + 37 e_2 - 9 e_3) / 24

The first step is Euler's, the next ones use two and three predictions, and one to sigma 0 gives
x0_pred. The weights ignore that the strides of a curve are unequal: second order, whatever
``order`` says above 2. ComfyUI's and diff-sampler's "ipndm".
"""

from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.builtin.plms import WEIGHTS
from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


@solver("ipndm", order=2)
def ipndm(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Callable[[Tensor], Tensor]",
    *,
    order: int = 4,
) -> "SolverGenerator":
    """Extrapolate the last ``order`` noise predictions with fixed weights."""
    if not 1 <= order <= 4:
        raise ValueError(f"order of solver 'ipndm' must be from 1 to 4, got {order}.")
    before: list[Tensor] = []
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        if sigma_next == 0:
            x = x0_pred
            continue
        before = [(x - x0_pred) / sigma, *before][:order]
        weights = WEIGHTS.get(len(before), (1.0,))
        for weight, eps_pred in zip(weights, before, strict=True):
            x = x + (sigma_next - sigma) * weight * eps_pred
    return x
