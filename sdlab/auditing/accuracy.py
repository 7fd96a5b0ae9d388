"""Order of convergence, error at equal cost, and floor of a sampler.

Where a run ends by a jump to x0_pred at level 0, its order is measured before that jump: the jump
is one first-order step whatever the sampler, and more steps do not make it smaller. Errors at equal
cost and the floor are those of the whole run, as pictures are made.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from sdlab.auditing.subject import CURVE, SLOW, Subject, tried
from sdlab.bench.cost import steps_within
from sdlab.bench.data import problem
from sdlab.bench.fit import Order, fit
from sdlab.bench.measure import JUMPED, measure
from sdlab.bench.ready_solver import DOUBLE, ReadySolver, SharedNoise

if TYPE_CHECKING:
    from torch import Tensor

STRONG, WEAK = "mixture_2d", "gaussian"
PARTICLES, SAMPLES = 64, 4096
COSTS = (6, 12, 24, 48)
STEPS = (16, 32, 64, 128, 256)
# A spacing of whole training timesteps is even only where the steps divide 1000.
DIVIDING = (20, 40, 50, 100, 125, 200, 250)
LONG = (64, 128)
FEWER, LESS_LONG = (8, 16, 32, 64), (32, 64)
"""Step counts of classes that take milliseconds a step."""
FALLS = 0.3
"""An error whose slope is below this has stopped falling."""


class Accuracy(NamedTuple):
    """What was measured of a sampler on one path.

    Attributes:
        order: Fitted to ``rows``, before a last jump.
        measure: "strong", particle by particle, or "weak", mean and covariance of its samples.
        rows: Of ``sdlab.bench.errors``, over the step counts that the order is fitted to, with
            ``asked_steps``, the last jump among them.
        per_step: Evaluations that one step more takes.
        error: By evaluations: the error of the whole run, NaN where it does not take so few.
        spent: By evaluations: those that it really makes.
        floor: Where the error stops falling, NaN if it falls on.
        chance: What perfect samples would show, where errors are of samples; else 0.
    """

    order: Order
    measure: str
    rows: pd.DataFrame
    per_step: float
    error: dict[int, float]
    spent: dict[int, int]
    floor: float
    chance: float


def accuracy(subject: Subject, path: str, *, quiet: bool = False, seed: int = 0) -> Accuracy:
    """Return how exact a sampler is.

    Args:
        subject: The sampler.
        path: "vp" or "flow".
        quiet: With its noise switched off.
        seed: Of the particles and of the noise.

    Raises:
        ValueError: If it fails.
    """
    weak = subject.draws and not quiet
    runs = Runs(subject, path, quiet, weak, seed)
    rows = runs.table(_counts(subject, path), jump=False)
    cost = {n: runs.evaluations(n) for n in (4, 12)}
    steps = {budget: runs.steps(cost, budget) for budget in COSTS}
    taken = {budget: runs.row(n) for budget, n in steps.items() if n}
    floor, chance = _left(runs, LESS_LONG if subject.name in SLOW else LONG)
    return Accuracy(
        fit(rows, runs.precision),
        "weak" if weak else "strong",
        rows,
        (cost[12] - cost[4]) / 8,
        {n: float(taken[n]["error"]) if n in taken else math.nan for n in COSTS},
        {budget: int(row["nfe"]) for budget, row in taken.items()},
        floor,
        chance,
    )


class Runs:
    """A sampler's runs on one path.

    Args:
        subject: The sampler.
        path: "vp" or "flow".
        quiet: With its noise switched off.
        weak: Whether its samples' moments count, not its particles.
        seed: Of the particles and of the noise.
    """

    def __init__(self, subject: Subject, path: str, quiet: bool, weak: bool, seed: int) -> None:
        self.subject, self.path, self.quiet, self.weak, self.seed = subject, path, quiet, weak, seed
        self.problem = problem(WEAK if weak else STRONG, path)
        self.precision = DOUBLE

    def table(self, counts: Iterable[int], *, jump: bool = True) -> pd.DataFrame:
        """Return a row for each number of steps that the sampler takes.

        Raises:
            ValueError: If it takes none of them.
        """
        rows, refused = [], None
        for count in counts:
            try:
                rows.append(self.row(count, jump=jump))
            except ValueError as error:
                refused = error
        if not rows and refused is not None:
            raise refused
        return pd.DataFrame(rows)

    def row(self, num_steps: int, *, jump: bool = True) -> dict[str, Any]:
        """Return a row of ``sdlab.bench.errors``; without the last jump if asked."""
        end = "zero" if jump else "sigma_min"
        entrant = self.subject.ready(num_steps, end, self.path, self.quiet)
        self.precision = entrant.precision
        if not jump:
            entrant = before_jump(entrant)
        slow = 4 if self.subject.name in SLOW else 1
        particles = SAMPLES // slow if self.weak else PARTICLES
        row = measure(entrant, self.problem, self.weak, particles, self.seed)
        return {"floor": math.nan, "chance": math.nan, "asked_steps": num_steps, **row}

    def evaluations(self, num_steps: int) -> int:
        """Return the evaluations of so many steps."""
        from sdlab.auditing.draws import NoDraws

        return tried(self.subject.ready(num_steps, "zero", self.path, self.quiet), NoDraws())[1]

    def steps(self, cost: Mapping[int, int], budget: int) -> int:
        """Return the most steps that take at most so many evaluations, 0 if none do."""
        count = steps_within(cost, budget)
        while count and self.evaluations(count) > budget:
            count -= 1
        return count


def _counts(subject: Subject, path: str) -> Iterable[int]:
    if subject.name in SLOW:
        return FEWER
    lays_its_own = subject.over is None and (path == "flow" or subject.spacing != CURVE)
    return DIVIDING if lays_its_own and path == "vp" else STEPS


def _left(runs: Runs, counts: Iterable[int]) -> tuple[float, float]:
    """Return where the error has stopped falling, NaN if it has not, and the error of chance."""
    try:
        long = runs.table(counts)
    except ValueError:  # it takes few steps only
        return math.nan, 0.0
    floor = math.nan if falls(long) else float(long["error"].iloc[-1])
    return floor, float(long["chance"].fillna(0.0).iloc[-1])


def falls(rows: pd.DataFrame) -> bool:
    """Return whether an error still falls with more steps, between the last two step counts.

    Args:
        rows: Of ``sdlab.bench.errors``, two step counts or more.
    """
    if len(rows) < 2:
        return True
    line = rows.sort_values("num_steps").tail(2)
    (few, many), (before, last) = line["num_steps"], line["error"]
    if not (before > 0 and last > 0):
        return bool(last == 0)
    return bool(math.log(before / last) > FALLS * math.log(many / few))


def before_jump(entrant: ReadySolver) -> ReadySolver:
    """Return a solver that ends where another makes its last jump, if that ends by one."""
    if entrant.end != 0 or not _jumps(entrant):
        return entrant
    inner = entrant.run

    def run(x: "Tensor", denoise: Any, noise: SharedNoise, watch: Any) -> "tuple[Tensor, int]":
        seen: list[Tensor] = []
        _, made = inner(x, denoise, noise, lambda step, level, at: seen.append(at))
        return seen[-1], made

    return replace(entrant, run=run, end=entrant.last, num_steps=entrant.num_steps - 1)


def _jumps(entrant: ReadySolver) -> bool:
    import torch

    from sdlab.auditing.draws import SameDraws

    last: list[Tensor] = []

    def denoise(x: "Tensor", level: float) -> "Tensor":
        last[:] = [x / (1.0 + level)]
        return last[0]

    x = torch.full((1, 2, 1, 1), entrant.start, dtype=torch.float64)
    end, _ = entrant.run(x, denoise, SameDraws(0), None)
    return float((end - last[0]).abs().max()) < JUMPED * max(1.0, float(end.abs().max()))
