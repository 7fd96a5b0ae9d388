"""Finds the evaluations that a solver will make over a curve, by dry runs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from sdlab.solvers.randomness import Noise
from sdlab.solvers.registry import Solver

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """Where a solver evaluates, and whether it remembers earlier steps.

    Attributes:
        name: The solver's.
        curve: Descending sigmas.
        asked: The sigma of every evaluation.
        starts: The evaluations that begin a step.
        begins: Those at which it can begin without the ones before.
        memoryless: Whether its steps give the same one by one as in one run.
    """

    name: str
    curve: tuple[float, ...]
    asked: tuple[float, ...]
    starts: tuple[int, ...]
    begins: tuple[int, ...]
    memoryless: bool

    @classmethod
    def of(cls, solver: Solver, curve: tuple[float, ...], options: Mapping[str, Any]) -> "Layout":
        """Return the layout of a solver over a curve.

        Raises:
            ValueError: If the solver does not ask at its start point first, or fails.
        """
        asked = solver.asked_sigmas(curve, options)
        if asked[0] != curve[0]:
            raise ValueError(
                f"solver {solver.name!r} moves x before its first evaluation, which a"
                " pipeline cannot follow; run it with sdlab.run."
            )
        each = [solver.asked_sigmas(step, options) for step in pairwise(curve)]
        memoryless = [s for step in each for s in step] == asked and _same(solver, curve, options)
        if memoryless:
            starts = (0, *accumulate(map(len, each)))[:-1]
            return cls(solver.name, curve, tuple(asked), starts, starts, True)
        steps = [solver.step_of(evaluation, len(curve) - 1) for evaluation in range(len(asked))]
        starts = tuple(steps.index(step) for step in range(steps[-1] + 1) if step in steps)
        begins = tuple(
            first
            for first in starts
            if solver.asked_sigmas(curve[steps[first] :], options) == asked[first:]
        )
        return cls(solver.name, curve, tuple(asked), starts, begins, False)

    def level(self, evaluation: int) -> float:
        """Return the sigma of an evaluation; past the last one, that of the end."""
        return self.asked[evaluation] if evaluation < len(self.asked) else self.curve[-1]

    def scale(self, evaluation: int) -> float:
        """Return sqrt(1 + sigma^2), the ratio of VE to VP coordinates."""
        return math.sqrt(1.0 + self.level(evaluation) ** 2)

    def stretch(self, first: int) -> tuple[float, ...]:
        """Return the curve to run from an evaluation: one step, or all the rest if it remembers."""
        step = self.starts.index(first)
        return self.curve[step : step + 2] if self.memoryless else self.curve[step:]

    def check_begin(self, evaluation: int) -> None:
        """Raise ``ValueError`` if the solver cannot begin at an evaluation.

        Raises:
            ValueError: Naming the solver, the evaluation and the reason.
        """
        if evaluation in self.begins:
            return
        reason = (
            "from there it would go another way than in a whole run; choose another solver for"
            " img2img"
            if evaluation in self.starts
            else f"it lies inside a step; steps begin at {_some(self.begins)}"
        )
        raise ValueError(f"solver {self.name!r} cannot begin at evaluation {evaluation}: {reason}.")


def _same(solver: Solver, curve: tuple[float, ...], options: Mapping[str, Any]) -> bool:
    """Return whether steps made one by one end where one run ends, tried on one number."""
    import torch

    def denoise(x: "Tensor", sigma: float) -> "Tensor":
        return torch.sin(3.0 * x / (1.0 + sigma)) + 0.1 * sigma / (1.0 + sigma)

    def noise() -> Noise:
        return Noise(torch.Generator().manual_seed(0))

    start = torch.full((1, 1, 1, 1), 0.7 * (1.0 + curve[0]), dtype=torch.float64)
    whole, _ = solver.solve(start, curve, noise(), denoise, options)
    x, drawn = start, noise()
    for step in pairwise(curve):
        x, _ = solver.solve(x, step, drawn, denoise, options)
    # They differ by rounding only; a solver that remembers earlier steps is off by much more.
    return bool(torch.allclose(whole, x, rtol=1e-9, atol=1e-9))


def _some(numbers: tuple[int, ...]) -> str:
    first = ", ".join(map(str, numbers[:4]))
    return first + (", ..." if len(numbers) > 4 else "")
