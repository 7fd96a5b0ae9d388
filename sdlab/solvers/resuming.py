"""A solver's generator that can be copied and pickled, also in the middle of a run.

Python cannot copy a generator. A solver is a function of its start, its noise and the answers that
it was given, so a copy starts a new generator and sends it the same answers.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sdlab.solvers.randomness import Noise
from sdlab.solvers.registry import Solver, solvers

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


class RememberedNoise(Noise):
    """Noise whose draws can be repeated; its Brownian paths are the same anyway."""

    def __init__(self) -> None:
        super().__init__()
        self._drawn: list[Tensor] = []
        self._at = 0

    def __call__(self, x: "Tensor") -> "Tensor":
        """Return a fresh draw in the shape of ``x``; after ``rewind``, the earlier ones again."""
        if self._at == len(self._drawn):
            self._drawn.append(super().__call__(x))
        self._at += 1
        return self._drawn[self._at - 1]

    def rewind(self) -> None:
        """Repeat all draws from now on, in the same order."""
        self._at = 0

    def forget(self) -> None:
        """Forget the draws; the Brownian paths stay."""
        self._drawn, self._at = [], 0


class Resumable:
    """A solver in the middle of a run.

    Args:
        solver: A registered solver's name.
        x: The start, [B, C, h, w], VE coordinates.
        sigmas: The curve.
        noise: The noise it is given; nothing else may draw from it.
        options: The solver's keyword arguments.
        form: Makes of the registered solver the one to run; a bound method or a module's function.

    Attributes:
        request: The point (x, sigma) at which it needs a prediction; None at its end.
        result: What it returned; None before its end.
    """

    def __init__(
        self,
        solver: str,
        x: "Tensor",
        sigmas: tuple[float, ...],
        noise: RememberedNoise,
        options: Mapping[str, Any],
        form: "Callable[[Solver], Solver]",
    ) -> None:
        noise.forget()
        self._form = form
        self._solver, self._start = solver, (x, sigmas, noise, dict(options))
        self._told: list[Tensor] = []
        self.request: tuple[Tensor, float] | None = None
        self.result: Tensor | None = None
        self._generator: SolverGenerator | None = self._made()

    def tell(self, x0_pred: "Tensor") -> None:
        """Answer the request, which sets the next ``request``, or at the end ``result``."""
        self._generator = self._generator or self._resumed()
        self._told.append(x0_pred)
        self._send(self._generator, x0_pred)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs: all but the generator."""
        return {**self.__dict__, "_generator": None}

    def _made(self) -> "SolverGenerator":
        x, sigmas, noise, options = self._start
        generator = self._form(solvers()[self._solver]).function(x, sigmas, noise, **options)
        self.request = next(generator)
        return generator

    def _resumed(self) -> "SolverGenerator":
        self._start[2].rewind()
        generator = self._made()
        for x0_pred in self._told:
            self._send(generator, x0_pred)
        return generator

    def _send(self, generator: "SolverGenerator", x0_pred: "Tensor") -> None:
        """Send one answer; ``sdlab.work.drive`` would run to the end."""
        try:
            self.request = generator.send(x0_pred)
        except StopIteration as stop:
            self.request, self.result = None, stop.value
