"""The registry of solvers, and what a solver is.

A solver is a generator function ``solver(x, sigmas, noise, **options)``:

* ``x``: the start point, float tensor [B, C, H, W], in VE coordinates x = x0 + sigma n;
* ``sigmas``: a tuple of floats, strictly descending, usually ending in 0;
* ``noise(x)``: fresh standard normal noise in the shape of ``x``, for stochastic solvers; and
  ``noise.between(x, sigma, sigma_next)``: the same from one Brownian path (see ``randomness``).

It yields ``(x, sigma)`` wherever it needs the prediction x0_pred, receives it as the value of the
``yield``, and returns the final x. Keyword-only arguments are its options.
"""

import inspect
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from sdlab.bounds import check_option
from sdlab.discovery import import_registering
from sdlab.errors import unknown
from sdlab.sampler_names import NAMES
from sdlab.work import drive

if TYPE_CHECKING:
    from torch import Tensor

    SolverGenerator = Generator[tuple[Tensor, float], Tensor, Tensor]
    SolverFunction = Callable[..., SolverGenerator]

# A solver that evaluates more often than this a step is assumed never to end.
MAX_EVALUATIONS_PER_STEP = 64


@dataclass(frozen=True)
class Solver:
    """A registered solver and what it declares.

    Attributes:
        name: Its short name.
        function: The generator function.
        order: Declared order of convergence over a smooth curve, options at their defaults: of the
            ODE's solution, or for stochastic solvers of the distribution (weak order). None if
            not stated.
        stages: Evaluations per full step (Heun: 2); the last step may make fewer.
        deterministic: Whether it never calls ``noise`` when its options are at their defaults.
        warmup: Evaluations that the first step makes on top (PLMS: 1).
        ending: Evaluations of the last steps, where several make fewer than ``stages`` (Heun++: 2
            and 1).
    """

    name: str
    function: "SolverFunction"
    order: int | None = None
    stages: int = 1
    deterministic: bool = True
    warmup: int = 0
    ending: tuple[int, ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """Keyword-only arguments with their defaults."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    def step_of(self, evaluation: int, num_steps: int) -> int:
        """Return the step, from 0, that an evaluation belongs to."""
        step = min(max(0, evaluation - self.warmup) // self.stages, num_steps - 1)
        first = max(0, num_steps - len(self.ending))
        if step < first or not self.ending:
            return step
        past = evaluation - self.warmup - first * self.stages
        ends = accumulate(self.ending[first - num_steps :])
        return first + sum(past >= end for end in list(ends)[:-1])

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Raise ``ValueError`` if an option is not this solver's, or out of its bounds.

        Raises:
            ValueError: Naming the option, the solver's valid options with defaults, and the
                nearest.
        """
        valid = self.options
        for key, value in options.items():
            if key not in valid:
                listed = [f"{name}={default!r}" for name, default in valid.items()]
                raise ValueError(
                    unknown(f"option of solver {self.name!r}", key, valid)
                    + (f" With defaults: {', '.join(listed)}." if listed else "")
                )
            check_option(key, value, valid[key], f"solver {self.name!r}")

    def asked_sigmas(self, sigmas: tuple[float, ...], options: Mapping[str, Any]) -> list[float]:
        """Return the sigma of every evaluation, by a dry run on one number.

        Raises:
            ValueError: If the solver yields anything but ``(x, sigma)``, raises, or does not end;
                or divides by a step of no length, where a sigma stands twice.
        """
        twice = next((sigma for sigma, then in pairwise(sigmas) if sigma == then), None)
        if twice is None:
            return self._dry_run(sigmas, options)[1]
        try:
            end, asked = self._dry_run(sigmas, options)
        except ValueError as error:
            raise ValueError(_stands_twice(self.name, twice)) from error
        if not end.isfinite().all():
            raise ValueError(_stands_twice(self.name, twice))
        return asked

    def _dry_run(
        self, sigmas: tuple[float, ...], options: Mapping[str, Any]
    ) -> "tuple[Tensor, list[float]]":
        import torch

        from sdlab.solvers.randomness import Silence

        zero = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
        return self.solve(zero, sigmas, Silence(), lambda x, sigma: torch.zeros_like(x), options)

    def solve(
        self,
        x: "Tensor",
        sigmas: tuple[float, ...],
        noise: "Callable[[Tensor], Tensor]",
        denoise: "Callable[[Tensor, float], Tensor]",
        options: Mapping[str, Any] | None = None,
    ) -> "tuple[Tensor, list[float]]":
        """Return where the solver ends, and the sigma of every evaluation.

        Args:
            x: The start point, [B, C, H, W], VE coordinates.
            sigmas: The curve.
            noise: What a stochastic solver draws from (``randomness.Noise``).
            denoise: (x, sigma) -> x0_pred, a denoiser.
            options: The solver's keyword arguments.

        Raises:
            ValueError: If the solver yields anything but ``(x, sigma)``, raises, or does not end.
        """
        generator = self.function(x, sigmas, noise, **(options or {}))
        asked: list[float] = []
        limit = MAX_EVALUATIONS_PER_STEP * len(sigmas)

        def answer(request: "tuple[Tensor, float]") -> "Tensor":
            if len(asked) == limit:
                raise ValueError(
                    f"solver {self.name!r} asked for more than {limit} predictions in"
                    f" {len(sigmas) - 1} steps; does its loop end?"
                )
            asked.append(_sigma_of(self.name, request))
            return denoise(request[0], asked[-1])

        try:
            return drive(generator, answer), asked
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(
                f"solver {self.name!r} fails over sigmas from {sigmas[0]:g} to {sigmas[-1]:g}:"
                f" {type(error).__name__}: {error}"
            ) from error


def _stands_twice(name: str, sigma: float) -> str:
    return (
        f"solver {name!r} divides by the length of a step, and sigma {sigma:g} stands twice; leave"
        " one of the two out."
    )


_SOLVERS: dict[str, Solver] = {}
_CAUGHT: ContextVar[dict[str, Solver] | None] = ContextVar("caught", default=None)


def solver(
    name: str,
    *,
    order: int | None = None,
    stages: int = 1,
    deterministic: bool = True,
    warmup: int = 0,
    ending: tuple[int, ...] = (),
) -> "Callable[[SolverFunction], SolverFunction]":
    """Return a decorator that registers a generator function as a solver.

    Args:
        name: Short name, an identifier; registering it again replaces it.
        order: Declared order of convergence.
        stages: Evaluations per full step, at least 1.
        deterministic: False if it calls ``noise`` when its options are at their defaults.
        warmup: Evaluations that the first step makes on top, at least 0.
        ending: Evaluations of the last steps, where several make fewer than ``stages``.

    Raises:
        ValueError: If the name is no identifier or a web UI's, ``stages`` or ``warmup`` is too
            small, or the function is not a generator function.
    """
    if not name.isidentifier():
        raise ValueError(f"a solver's name must be an identifier such as 'mine', got {name!r}.")
    if name in NAMES:
        raise ValueError(
            f"{name!r} is what web UIs call {NAMES[name].solver!r}; choose another name."
        )
    if stages < 1:
        raise ValueError(f"stages must be at least 1, got {stages}.")
    if warmup < 0:
        raise ValueError(f"warmup must be at least 0, got {warmup}.")

    def register(function: "SolverFunction") -> "SolverFunction":
        if not inspect.isgeneratorfunction(function):
            raise ValueError(f"solver {name!r} must be a generator function: it has no yield.")
        caught = _CAUGHT.get()
        registered = _SOLVERS if caught is None else caught
        registered[name] = Solver(name, function, order, stages, deterministic, warmup, ending)
        return function

    return register


def solvers() -> dict[str, Solver]:
    """Return the registered solvers by name; the first call imports built-in ones and plug-ins."""
    from sdlab.solvers import plugins

    import_registering("sdlab.solvers.builtin", "solver")
    plugins.load_once()
    return dict(_SOLVERS)


@contextmanager
def catching() -> Iterator[dict[str, Solver]]:
    """Catch what this thread registers, instead of registering it."""
    caught: dict[str, Solver] = {}
    token = _CAUGHT.set(caught)
    try:
        yield caught
    finally:
        _CAUGHT.reset(token)


def admit(found: Solver) -> None:
    """Register a solver that was caught."""
    _SOLVERS[found.name] = found


def is_own(name: str) -> bool:
    """Return whether a name is that of a solver that comes with sdlab."""
    found = _SOLVERS.get(name)
    return found is not None and found.function.__module__.startswith("sdlab.")


def _sigma_of(name: str, request: object) -> float:
    if not (isinstance(request, tuple) and len(request) == 2):
        raise ValueError(f"solver {name!r} must yield (x, sigma), it yielded {request!r}.")
    return float(request[1])
