"""Euler's method on the probability-flow ODE dx/dsigma = (x - x0_pred) / sigma.

Reference: Karras et al. 2022 (arXiv 2206.00364), algorithm 1 without the correction; diffusers
``EulerDiscreteScheduler``. In exact arithmetic it takes the same steps as DDIM with eta 0.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


@solver("euler", order=1)
def euler(
    x: "Tensor", sigmas: tuple[float, ...], noise: "Callable[[Tensor], Tensor]"
) -> "SolverGenerator":
    """Follow the slope at the start of each step."""
    for sigma, sigma_next in pairwise(sigmas):
        d = (x - (yield x, sigma)) / sigma
        x = x + (sigma_next - sigma) * d
    return x
