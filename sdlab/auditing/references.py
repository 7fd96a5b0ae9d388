"""With whom a sampler is compared at equal cost: Euler's method, and sdlab's best solver."""

from functools import cache
from typing import NamedTuple

from sdlab.auditing.accuracy import COSTS, Runs
from sdlab.auditing.subject import Subject, of_solver
from sdlab.solvers.registry import Solver, is_own, solvers

PLAIN = {False: "euler", True: "euler_ancestral"}
"""The simplest sampler without noise, and with it."""


class Reference(NamedTuple):
    """A known sampler's error.

    Attributes:
        name: Its short name.
        error: Of the whole run.
    """

    name: str
    error: float


@cache
def plain(path: str, weak: bool) -> dict[int, Reference]:
    """Return the error of the simplest sampler by evaluations."""
    return {budget: _error(PLAIN[weak], path, weak, budget) for budget in COSTS}


@cache
def best(path: str, weak: bool) -> dict[int, Reference]:
    """Return the best of sdlab's own solvers by evaluations.

    Args:
        path: "vp" or "flow".
        weak: Among those that draw noise, else among those that draw none.
    """
    names = [name for name in solvers() if is_own(name) and _subject(name).draws == weak]
    return {
        budget: min((_error(name, path, weak, budget) for name in names), key=lambda r: r.error)
        for budget in COSTS
    }


def _error(name: str, path: str, weak: bool, budget: int) -> Reference:
    runs = Runs(_subject(name), path, False, weak, 0)
    steps = runs.steps({n: runs.evaluations(n) for n in (4, 12)}, budget)
    error = runs.row(steps)["error"] if steps else float("inf")
    return Reference(name, error if error == error else float("inf"))


def _subject(name: str) -> Subject:
    return _made(solvers()[name])


@cache
def _made(solver: Solver) -> Subject:
    return of_solver(solver, {}, "sdlab")
