"""The exact mean and variance of where a stochastic solver ends, without drawing samples.

On Gaussian data the exact denoiser is affine, and so is a solver: its end is a x_start + c plus
sum_k b_k n_k over the independent normals n_k that it drew. One run on a row of numbers, each with
one of these set to 1 and all else 0, gives every coefficient, and so mean and variance of the end
up to rounding. This measures the weak order, for which a Monte Carlo estimate would need 10^8
draws.

Brownian increments may overlap: they are split into the cells between all levels asked for, which
are independent.
"""

import math
from typing import TYPE_CHECKING

from sdlab.denoisers.gaussian import denoise
from sdlab.solvers.randomness import Noise

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from torch import Tensor

    from sdlab.solvers.registry import Solver


class _Listener(Noise):
    """Returns no noise, and notes each request: an interval, or None for fresh noise."""

    def __init__(self) -> None:
        super().__init__()
        self.intervals: list[tuple[float, float] | None] = []

    def __call__(self, x: "Tensor") -> "Tensor":
        self.intervals.append(None)
        return x * 0

    def between(self, x: "Tensor", sigma: float, sigma_next: float) -> "Tensor":
        self.intervals.append((sigma, sigma_next))
        return x * 0


class _Basis(Noise):
    """Returns noise in which each number of the row has one independent normal set to 1."""

    def __init__(self, intervals: list[tuple[float, float] | None]) -> None:
        super().__init__()
        levels = sorted({level for pair in intervals if pair for level in pair}, reverse=True)
        self._cells = list(zip(levels, levels[1:], strict=False))
        self._fresh = len(self._cells)
        self.size = len(self._cells) + intervals.count(None)

    def __call__(self, x: "Tensor") -> "Tensor":
        out = x * 0
        out[..., 1 + self._fresh] = 1.0
        self._fresh += 1
        return out

    def between(self, x: "Tensor", sigma: float, sigma_next: float) -> "Tensor":
        out = x * 0
        for i, (high, low) in enumerate(self._cells):
            if sigma_next <= low and high <= sigma:
                share = (low**-2 - high**-2) / (sigma_next**-2 - sigma**-2)
                out[..., 1 + i] = math.sqrt(share)
        return out


def law(
    solver: "Solver",
    sigmas: tuple[float, ...],
    *,
    mean: float,
    std: float,
    options: "Mapping[str, Any] | None" = None,
) -> tuple[float, float]:
    """Return mean and variance of where a solver ends, started from the exact law.

    Args:
        solver: Stochastic or not; it must be affine in x, as every solver of fixed steps is.
        sigmas: The curve.
        mean: Of the data, each number N(mean, std^2).
        std: Of the data, at least 0.
        options: The solver's keyword arguments.

    Raises:
        ValueError: If the solver does not run.
    """
    import torch

    def answer(x: "Tensor", sigma: float) -> "Tensor":
        return denoise(x, sigma, mean, std)

    listener = _Listener()
    zero = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
    offset, _ = solver.solve(zero, sigmas, listener, answer, options)
    basis = _Basis(listener.intervals)
    x = torch.zeros(1, 1, 1, 1 + basis.size, dtype=torch.float64)
    x[..., 0] = 1.0
    end, _ = solver.solve(x, sigmas, basis, answer, options)
    gain, *weights = (end - offset).flatten().tolist()
    variance = gain**2 * (std**2 + sigmas[0] ** 2) + math.fsum(w**2 for w in weights)
    return float(offset) + gain * mean, variance
