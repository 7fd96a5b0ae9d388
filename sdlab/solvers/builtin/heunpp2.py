"""Heun++ as ComfyUI has it: slopes of one, two and three levels, weighed by the levels themselves.

With x_2 and x_3 Euler's points at the next level and the one after, slopes d, d_2, d_3 there and
w_2 = sigma_next / (3 sigma_0), w_3 = sigma_after / (3 sigma_0), where sigma_0 is the curve's first:

    x_next = x + (sigma_next - sigma) ((1 - w_2 - w_3) d + w_2 d_2 + w_3 d_3)

The step before the last has w_2 = sigma_next / (2 sigma_0) and no d_3, the last is Euler's: 3N - 3
evaluations.

Reference: ComfyUI ``sample_heunpp2``. A second-order step needs w_2 + w_3 (1 + h_next / h) = 1/2,
with h and h_next the two strides. Here that sum is sigma / sigma_0 in the limit: 1/2 at one level
only, and it goes to 0 with sigma. So it is of first order, Euler's steps at three times the price,
and here to give what ComfyUI gives; ``heun`` is the better choice.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


@solver("heunpp2", order=1, stages=3, ending=(2, 1))
def heunpp2(
    x: "Tensor", sigmas: tuple[float, ...], noise: "Callable[[Tensor], Tensor]"
) -> "SolverGenerator":
    """Weigh the slopes at the next two levels by how high these are."""
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        d = slope = (x - (yield x, sigma)) / sigma
        after = sigmas[i + 2 : i + 3]
        if after:
            share = (3 if sigmas[i + 3 :] else 2) * sigmas[0]
            x_2 = x + (sigma_next - sigma) * d
            d_2 = (x_2 - (yield x_2, sigma_next)) / sigma_next
            slope = slope + sigma_next / share * (d_2 - d)
            if sigmas[i + 3 :]:
                x_3 = x_2 + (after[0] - sigma_next) * d_2
                d_3 = (x_3 - (yield x_3, after[0])) / after[0]
                slope = slope + after[0] / share * (d_3 - d)
        x = x + (sigma_next - sigma) * slope
    return x
