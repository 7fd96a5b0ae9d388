"""Heun's second-order method on the probability-flow ODE dx/dsigma = (x - x0_pred) / sigma.

Reference: Karras et al. 2022 (arXiv 2206.00364), algorithm 1; diffusers
``HeunDiscreteScheduler``. 2N - 1 evaluations: the last step, to sigma 0, is Euler's.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


@solver("heun", order=2, stages=2)
def heun(
    x: "Tensor", sigmas: tuple[float, ...], noise: "Callable[[Tensor], Tensor]"
) -> "SolverGenerator":
    """Average the slopes at both ends of each step."""
    for sigma, sigma_next in pairwise(sigmas):
        d = (x - (yield x, sigma)) / sigma
        x_euler = x + (sigma_next - sigma) * d
        if sigma_next == 0:
            x = x_euler
        else:
            d_next = (x_euler - (yield x_euler, sigma_next)) / sigma_next
            x = x + (sigma_next - sigma) * (d + d_next) / 2
    return x
