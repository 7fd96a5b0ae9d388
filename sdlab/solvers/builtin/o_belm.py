"""O-BELM: second order from two points and one noise prediction, and exactly invertible.

With the strides h = sigma - sigma_next and h_before, r = h / h_before and e the noise prediction at
x (Wang et al. 2024, arXiv 2410.07273, O-BELM, in VE coordinates):

    x_next = r^2 x_before + (1 - r^2) x - h (1 + r) e(x)

It solves for x_before as well as for x_next, so who keeps the last two points goes back the way it
came, up to rounding. The first step is Euler's. What is wrong in one step comes back in the next
times -r^2: where strides shrink, as on every usual curve of sigma, that dies out; where they grow,
as over flow matching's times with a shift, it grows as (h_last / h_first)^2.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


@solver("o_belm", order=2)
def o_belm(
    x: "Tensor", sigmas: tuple[float, ...], noise: "Callable[[Tensor], Tensor]"
) -> "SolverGenerator":
    """Step from the point before the last, by the noise prediction at the last."""
    x_before, h_before = x, 0.0
    for sigma, sigma_next in pairwise(sigmas):
        h, eps_pred = sigma - sigma_next, (x - (yield x, sigma)) / sigma
        if h_before == 0:
            x_before, x = x, x - h * eps_pred
        else:
            r = h / h_before
            x_next = r**2 * x_before + (1 - r**2) * x - h * (1 + r) * eps_pred
            x_before, x = x, x_next
        h_before = h
    return x
