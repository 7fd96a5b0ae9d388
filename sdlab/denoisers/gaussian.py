"""The exact denoiser of Gaussian data: what solvers are checked against.

For x0 ~ N(mean, std^2) and x = x0 + sigma n the posterior mean is
(std^2 x + sigma^2 mean) / (std^2 + sigma^2), and the probability-flow ODE has the closed form
x(s) = mean + (x(sigma) - mean) sqrt((std^2 + s^2) / (std^2 + sigma^2)).
"""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


def denoise(x: "Tensor", sigma: float, mean: float, std: float) -> "Tensor":
    """Return the exact x0_pred, in the shape of ``x`` (VE coordinates)."""
    return (std**2 * x + sigma**2 * mean) / (std**2 + sigma**2)


def solution(x: "Tensor", sigma: float, mean: float, std: float) -> "Tensor":
    """Return where the probability-flow ODE takes ``x`` from ``sigma`` to 0."""
    return mean + (x - mean) * std / math.sqrt(std**2 + sigma**2)


def solve(generator: "SolverGenerator", mean: float, std: float) -> "Tensor":
    """Run a solver's generator to its end on this denoiser and return its result."""
    try:
        x, sigma = next(generator)
        while True:
            x, sigma = generator.send(denoise(x, sigma, mean, std))
    except StopIteration as stop:
        return stop.value
