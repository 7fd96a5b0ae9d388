"""The true solution of the probability-flow ODE, with which every solver's end is compared.

In closed form if there is one. Else dx/dt = x - x0_pred, t = ln sigma, is integrated by a method
that no solver here uses: the modified midpoint rule, extrapolated to zero step (Gragg,
Bulirsch and Stoer; Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, section
II.9). Each interval is refined until its last two extrapolations agree to ``TOLERANCE``. Below
``BOTTOM`` times the data's spread nothing but the last jump to x0_pred is left.

All solvers get the same particles: these start as true draws at the top of the schedule and follow
the true ODE to where a solver begins; the solver's error is the distance from them where it ends. A
wrong scale of the start noise is not the solver's fault, and not measured here.

On flow matching's path (``Problem.path``) the levels are the times t, the positions x_t, and the
same equation holds with t in the place of sigma; the particles start as noise alone, at t = 1.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from sdlab.bench.data import Problem

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 1e-11
BOTTOM = 1e-6
_DIVISIONS = (2, 4, 6, 8, 10, 12, 14, 16)


@dataclass(eq=False)
class ParticleTruth:
    """The true positions of a set of particles at any noise level.

    Attributes:
        problem: Whose ODE they follow.
        top: The level at which they are drawn.
        known: Their positions by level, float64 [B, C, H, W].
        error: Sum of the intervals' error estimates so far, largest entry of any particle.
    """

    problem: Problem
    top: float
    known: "dict[float, Tensor]" = field(repr=False)
    error: float = 0.0

    def at(self, sigma: float) -> "Tensor":
        """Return the particles at a level between the top and 0.

        Raises:
            ValueError: If the level lies above the top.
        """
        found = self.known.get(sigma)
        if found is not None:
            return found
        if not 0 <= sigma <= self.top:
            raise ValueError(f"sigma must be from 0 to {self.top:g}, got {sigma:g}.")
        above = min(level for level in list(self.known) if level > sigma)
        self.known[sigma] = self._between(self.known[above], above, sigma)
        return self.known[sigma]

    def prepare(self, levels: Iterable[float]) -> None:
        """Find the particles at many levels, from above, each from the one before."""
        for sigma in sorted(set(levels), reverse=True):
            self.at(sigma)

    def _between(self, x: "Tensor", sigma: float, sigma_end: float) -> "Tensor":
        denoiser = self.problem.denoiser
        if hasattr(denoiser, "flow"):
            flowed: Tensor = denoiser.flow(x, sigma, sigma_end)
            return flowed
        bottom = BOTTOM * self.problem.spread
        if sigma <= bottom:
            return denoiser.denoise(x, sigma)

        def slope(x: "Tensor", t: float) -> "Tensor":
            return x - denoiser.denoise(x, math.exp(t))

        low = max(sigma_end, bottom)
        x, error = extrapolated(slope, x, math.log(sigma), math.log(low))
        self.error += error
        return denoiser.denoise(x, low) if sigma_end < bottom else x


@lru_cache(maxsize=12)
def truth(problem: Problem, top: float, count: int, seed: int) -> ParticleTruth:
    """Return the truth of ``count`` particles drawn at level ``top``."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    clean = problem.denoiser.sample(count, generator)
    noise = torch.randn(clean.shape, generator=generator, dtype=torch.float64)
    return ParticleTruth(problem, top, {top: problem.noised(clean, noise, top)})


def extrapolated(
    slope: "Callable[[Tensor, float], Tensor]", x: "Tensor", start: float, end: float
) -> "tuple[Tensor, float]":
    """Return the solution of dx/dt = slope(x, t) at ``end`` and the sum of error estimates."""
    t, h, total = start, min(0.5, abs(end - start)), 0.0
    direction = math.copysign(1.0, end - start)
    while abs(end - t) > 1e-14:
        h = min(h, abs(end - t))
        stepped = _step(slope, x, t, direction * h)
        if stepped is None:
            h /= 2.0
            if h < 1e-9:
                raise ArithmeticError(f"the reference does not converge at t = {t:g}.")
            continue
        x, error, refinements = stepped
        total += error
        t = end if h >= abs(end - t) else t + direction * h
        if refinements <= 5:
            h *= 1.5
    return x, total


def _step(
    slope: "Callable[[Tensor, float], Tensor]", x: "Tensor", t: float, h: float
) -> "tuple[Tensor, float, int] | None":
    """Return the point after one interval, its error and the refinements made, or None."""
    first = slope(x, t)
    before: list[Tensor] = []
    for row, n in enumerate(_DIVISIONS):
        line = [_midpoint(slope, x, first, t, h, n)]
        for k, coarser in enumerate(before):
            line.append(line[k] + (line[k] - coarser) / ((n / _DIVISIONS[row - k - 1]) ** 2 - 1.0))
        if before:
            error = float((line[-1] - line[-2]).abs().max())
            if error < TOLERANCE * max(1.0, float(x.abs().max())):
                return line[-1], error, row + 1
        before = line
    return None


def _midpoint(
    slope: "Callable[[Tensor, float], Tensor]",
    x: "Tensor",
    first: "Tensor",
    t: float,
    h: float,
    n: int,
) -> "Tensor":
    """Return Gragg's modified midpoint rule with n divisions, smoothed at its end."""
    part = h / n
    behind, here = x, x + part * first
    for i in range(1, n):
        behind, here = here, behind + 2.0 * part * slope(here, t + i * part)
    return 0.5 * (behind + here + part * slope(here, t + h))
