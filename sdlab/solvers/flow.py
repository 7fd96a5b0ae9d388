"""Solvers on flow matching's path, x_t = (1 - t) x0 + t n.

The network predicts the velocity v = n - x0, so along the path dx/dt = v = (x - x0_pred) / t: the
equation dx/dsigma = (x - x0_pred) / sigma with t in the place of sigma. A deterministic solver
therefore runs over t as it is.

A stochastic one adds noise in VE coordinates, x0 + sigma n, where the signal keeps its size. On
this path the signal shrinks as noise comes in, so such a solver runs over sigma = t / (1 - t) on
x_t / (1 - t), the same picture seen in its own coordinates. At t = 1 sigma is infinite and x_t is
noise alone; from there a step over t leads to the next level, and the solver goes on: Euler's, or
for a solver of two or three evaluations a step Heun's or RES's, so that every step has as many.

Reference: Lipman et al. 2023 (arXiv 2210.02747), eq. 22; Albergo et al. 2023 (arXiv 2303.08797),
on the same path under other noise.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sdlab.solvers.builtin.euler import euler
from sdlab.solvers.builtin.heun import heun
from sdlab.solvers.builtin.res_3s import res_3s
from sdlab.solvers.registry import Solver

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.solvers.randomness import Noise
    from sdlab.solvers.registry import SolverFunction, SolverGenerator


def draws_noise(solver: Solver, options: Mapping[str, Any]) -> bool:
    """Return whether a solver draws noise with these options."""
    eta = {**solver.options, **options}.get("eta")
    return not solver.deterministic or bool(eta)


def flow_form(solver: Solver, options: Mapping[str, Any]) -> Solver:
    """Return a solver for x_t = (1 - t) x0 + t n, whose "sigmas" are the times t.

    Args:
        solver: A registered solver.
        options: Its keyword arguments, which decide whether it draws noise.

    Returns:
        The same solver if it draws none; else one that asks at (x_t, t) like any other.
    """
    if not draws_noise(solver, options):
        return solver

    return replace(solver, function=partial(over_time, solver.function, first_step(solver)))


def first_step(solver: Solver) -> "SolverFunction":
    """Return the solver that leads a stochastic one from t = 1 to the next time."""
    return {2: heun, 3: res_3s}.get(solver.stages, euler)


def over_time(
    function: "SolverFunction",
    first: "SolverFunction",
    x: "Tensor",
    times: tuple[float, ...],
    noise: "Noise",
    **options: Any,
) -> "SolverGenerator":
    """Run a solver that draws noise over times t, asking at (x_t, t).

    Args:
        function: The solver's.
        first: What leads from t = 1 to the next time.
        x: The start, x_t at the first time.
        times: Descending.
        noise: What the solver draws from.
        options: Its keyword arguments.
    """
    if times[0] == 1.0:
        x = yield from first(x, times[:2], noise)
        times = times[1:]
    if len(times) == 1:
        return x
    time_of = {time / (1.0 - time): time for time in times}
    generator = function(x / (1.0 - times[0]), tuple(time_of), noise, **options)
    try:
        x, sigma = next(generator)
        while True:
            time = time_of.get(sigma, sigma / (1.0 + sigma))
            x, sigma = generator.send((yield x * (1.0 - time), time))
    except StopIteration as stop:
        end: Tensor = stop.value
        return end * (1.0 - times[-1])
    finally:
        generator.close()
