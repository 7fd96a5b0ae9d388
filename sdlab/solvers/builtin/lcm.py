"""Latent consistency: jump to x0_pred, and noise it to the next level.

Reference: Luo et al. 2023 (arXiv 2310.04378), algorithm 3 (multistep consistency sampling, Song et
al. 2023, arXiv 2303.01469, algorithm 1); k-diffusion style ``sample_lcm``. Meant for networks
distilled to consistency; on others it is blurry, and more steps do not bring it nearer to the data:
x0_pred with new noise spreads less than the data with noise, so no order is declared.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


@solver("lcm", deterministic=False)
def lcm(
    x: "Tensor", sigmas: tuple[float, ...], noise: "Callable[[Tensor], Tensor]"
) -> "SolverGenerator":
    """Replace x by x0_pred with fresh noise of the next level."""
    for sigma, sigma_next in pairwise(sigmas):
        x = yield x, sigma
        if sigma_next > 0:
            x = x + sigma_next * noise(x)
    return x
