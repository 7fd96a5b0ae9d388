"""PLMS: PNDM's pseudo linear multistep, Adams-Bashforth's weights put into DDIM's step.

In VE coordinates DDIM's transfer is x_next = x + (sigma_next - sigma) e, and e is extrapolated from
the last noise predictions (Liu et al. 2022, arXiv 2202.09778, eq. 12 and 13):

    e = (55 e_0 - 59 e_1 + 37 e_2 - 9 e_3) / 24

The weights are those of equal strides in time, whatever the curve; hence "pseudo", and second
order. The first step averages the slopes at both ends, for which it asks twice (N + 1 evaluations
in all); the next two use the weights of two and three predictions. diffusers ``PNDMScheduler``
with ``skip_prk_steps``, and Stable Diffusion's first sampler.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator

WEIGHTS = {
    2: (3 / 2, -1 / 2),
    3: (23 / 12, -16 / 12, 5 / 12),
    4: (55 / 24, -59 / 24, 37 / 24, -9 / 24),
}


@solver("plms", order=2, warmup=1)
def plms(
    x: "Tensor", sigmas: tuple[float, ...], noise: "Callable[[Tensor], Tensor]"
) -> "SolverGenerator":
    """Extrapolate the last four noise predictions with fixed weights."""
    before: list[Tensor] = []
    for sigma, sigma_next in pairwise(sigmas):
        eps_pred = (x - (yield x, sigma)) / sigma
        before = [eps_pred, *before[:3]]
        if len(before) > 1:
            weighted = zip(WEIGHTS[len(before)], before, strict=True)
            eps_pred = sum(weight * eps for weight, eps in weighted)  # type: ignore[assignment]
        elif sigma_next > 0:
            x_euler = x + (sigma_next - sigma) * eps_pred
            eps_pred = (eps_pred + (x_euler - (yield x_euler, sigma_next)) / sigma_next) / 2
        x = x + (sigma_next - sigma) * eps_pred
    return x
