"""SEEDS-3: three stages a step on the reverse SDE, its linear part and its noise solved exactly.

With lambda = -ln sigma, h a third of the step in it times 1 + eta, k = exp(-h) and g as in
``res_2s`` (Gonzalez et al. 2023, arXiv 2305.14267, data prediction, in VE coordinates; with eta 0
DPM-Solver++'s method of order 3):

    x_1 = k x + (1 - k) x0 + n_1
    x_2 = k^2 x + (1 - k^2) x0 + 2 g(2 h) (x0(x_1) - x0) + k n_1 + n_2
    x_next = k^3 x + (1 - k^3) x0 + 3/2 g(3 h) (x0(x_2) - x0) + k^2 n_1 + k n_2 + n_3

n_1, n_2 and n_3 are the exact noises of the three thirds (``seeds_2``). A step to sigma 0 gives
x0_pred, so 3N - 2 evaluations. ComfyUI's "seeds_3".
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.builtin.res_2s import slope_weight
from sdlab.solvers.builtin.seeds_2 import exact_noise
from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.solvers.randomness import Noise
    from sdlab.solvers.registry import SolverGenerator


@solver("seeds_3", order=2, stages=3, deterministic=False)
def seeds_3(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Noise",
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> "SolverGenerator":
    """Take x0_pred from the noised thirds of each step, and carry their noise on."""
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        if sigma_next == 0:
            x = x0_pred
            continue
        third = math.log(sigma / sigma_next) / 3
        sigma_1, sigma_2 = sigma * math.exp(-third), sigma * math.exp(-2 * third)
        h = (1 + eta) * third
        k = math.exp(-h)
        added = s_noise * exact_noise(x, sigma, sigma_1, noise, eta)
        change = (yield k * x + (1 - k) * x0_pred + added, sigma_1) - x0_pred
        added = k * added + s_noise * exact_noise(x, sigma_1, sigma_2, noise, eta)
        x_2 = k**2 * x + (1 - k**2) * x0_pred + 2 * slope_weight(2 * h) * change + added
        change = (yield x_2, sigma_2) - x0_pred
        added = k * added + s_noise * exact_noise(x, sigma_2, sigma_next, noise, eta)
        x = k**3 * x + (1 - k**3) * x0_pred + 1.5 * slope_weight(3 * h) * change + added
    return x
