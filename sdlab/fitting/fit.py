"""Fits a schedule to a model, a sampler and a budget: which noise levels few steps should visit.

A few pictures are drawn with many steps. On their courses, known at any level, the cheapest way of
N steps is found for several weights of later steps (``sdlab.fitting.shortest``). Of these and the
curves that it is held against, the one that suits the sampler best on the same seeds is taken, and
its levels are moved where that brings the sampler nearer (``sdlab.fitting.refining``). Whether that
is any good is said by other seeds, which had no part in it: the distance to their converged
pictures, paired with those of other curves.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sdlab.bounds import check_steps
from sdlab.comparing.costs import geometric
from sdlab.comparing.engine_runner import engine_runner
from sdlab.comparing.entrant import Entrant
from sdlab.comparing.fairness import draws_noise
from sdlab.comparing.reference import Trajectory, flat, rms, spread_of
from sdlab.errors import ModelError, check_types
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.record import Record
from sdlab.fitting.fitted import FITTED, Fitted, judged
from sdlab.fitting.refining import SHARES, joined, moves
from sdlab.fitting.shortest import Array, costs, shortest
from sdlab.models.model import Model
from sdlab.noise.curves import find, make
from sdlab.work import Count, Progress, Work, finish

if TYPE_CHECKING:
    from sdlab.runs.run import Run

LEVELS = 80
"""Noise levels among which the schedule's are chosen, even in sigma^(1/7)."""
GAMMAS = (0.85, 1.0, 1.15, 1.3, 1.5)
AGAINST = ("karras", "ays_sd15")
MOST_STEPS = 40
RECORDED = Record(tensors=("x_t", "x0_pred"), statistics=False)
UNRECORDED = Record(tensors=(), statistics=False)


def fit_schedule(
    model: Model,
    experiment: Experiment,
    seeds: Sequence[int] = (0, 1, 2, 3),
    held_out: Sequence[int] = tuple(range(100, 108)),
    against: Sequence[str] = AGAINST,
    teacher_steps: int = 60,
    on_progress: Progress | None = None,
) -> Fitted:
    """Return the schedule that suits a sampler at its number of steps, and what it is worth.

    Args:
        model: The loaded model.
        experiment: Prompt, guidance, sampler and steps; its seed and curve are not used.
        seeds: Of the pictures that the schedule is fitted to.
        held_out: Of the pictures that judge it.
        against: Curves that it is held against, by name.
        teacher_steps: Of the converged pictures, by Heun, which takes two evaluations a step.
        on_progress: Called with (evaluations done, in all).

    Raises:
        ValueError: If the sampler draws noise or follows no curve, steps are not 2 to 40, or seeds
            are few or in both lists.
        ModelError: If the model follows flow matching.
        SdlabError: If memory runs out.
    """
    check_types(fit_schedule, model=(model, Model), experiment=(experiment, Experiment))
    work = fitting(model, experiment, seeds, held_out, against, teacher_steps)
    return finish(work, on_progress)


def fitting(
    model: Model,
    experiment: Experiment,
    seeds: Sequence[int] = (0, 1, 2, 3),
    held_out: Sequence[int] = tuple(range(100, 108)),
    against: Sequence[str] = AGAINST,
    teacher_steps: int = 60,
) -> Work[Fitted]:
    """Return ``fit_schedule`` as a computation that can be watched and cancelled."""
    _check(model, experiment, seeds, held_out)
    check_steps(teacher_steps, model.schedule.num_timesteps)
    curves, left_out = _curves(model, experiment.num_steps, against)
    bench = _Bench(model, experiment, [*seeds, *held_out])
    rounds = len(SHARES) * (2 * (experiment.num_steps - 1) + 1)
    tries = (len(GAMMAS) + len(curves) + rounds) * len(seeds) + (1 + len(curves)) * len(held_out)
    ends = len(bench.seeds) * (2 * teacher_steps - 1)
    count = Count(ends + tries * experiment.num_steps)
    yield from count.of(bench.converge(seeds, teacher_steps), ends)
    grid = make("karras", model.schedule, LEVELS, {})
    cost = np.mean([_costs(bench.ends[seed], grid) for seed in seeds], axis=0)
    ways = [grid[shortest(cost, experiment.num_steps, gamma)] for gamma in GAMMAS]
    ways += [make(name, model.schedule, experiment.num_steps, {}) for name in curves]
    way = yield from _refined(bench, ways, seeds, count)
    entrants = {FITTED: _follow(way), **{name: {"curve": name} for name in curves}}
    size = len(entrants) * len(held_out) * experiment.num_steps
    found = yield from count.of(bench.errors(list(entrants.values()), held_out), size)
    table, pictures = judged(dict(zip(entrants, found, strict=True)), held_out)
    return Fitted(
        experiment.with_(**entrants[FITTED]),
        tuple(way.tolist()),
        tuple(seeds),
        tuple(held_out),
        table,
        pictures,
        left_out,
    )


class _Bench:
    """The pictures of one experiment, by seed, and how far others of it are from them."""

    def __init__(self, model: Model, experiment: Experiment, seeds: list[int]) -> None:
        self._model = model
        self._plain = experiment.with_(record=UNRECORDED, curve_options={})
        self.seeds = seeds
        self.lowest = model.schedule.sigma_min
        self.ends: dict[int, Run] = {}

    def converge(self, recorded: Sequence[int], steps: int) -> Work[None]:
        """Draw the converged picture of every seed, with its course where it is recorded."""
        heun = self._plain.with_(
            solver="heun", solver_options={}, eta=None, curve="karras", num_steps=steps
        )
        wanted = [
            heun.with_(seed=seed, record=RECORDED if seed in recorded else UNRECORDED)
            for seed in self.seeds
        ]
        made = yield from self._runs(wanted)
        self.ends = dict(zip(self.seeds, made, strict=True))

    def errors(self, ways: list[dict[str, Any]], seeds: Sequence[int]) -> Work[list[list[float]]]:
        """Return the distance to the converged picture, for each way of going and each seed."""
        wanted = [self._plain.with_(seed=seed, **way) for way in ways for seed in seeds]
        made = yield from self._runs(wanted)
        found = [_apart(run, self.ends[run.experiment.seed]) for run in made]
        return [found[i : i + len(seeds)] for i in range(0, len(found), len(seeds))]

    def _runs(self, experiments: list[Experiment]) -> "Work[list[Run]]":
        each_once = list({experiment.id: experiment for experiment in experiments}.values())
        made = yield from engine_runner(self._model)(each_once)
        runs = [made[experiment.id] for experiment in experiments]
        for run in runs:
            if isinstance(run, Exception):
                raise run
        return [run for run in runs if not isinstance(run, Exception)]


def _refined(bench: _Bench, ways: list[Array], seeds: Sequence[int], count: Count) -> Work[Array]:
    """Return the best of some schedules, its levels moved where that brings it nearer."""

    def means(tried: list[Array]) -> Work[list[float]]:
        size = len(tried) * len(seeds) * (len(tried[0]) - 1)
        work = bench.errors([_follow(way) for way in tried], seeds)
        found = yield from count.of(work, size)
        return [geometric(errors)[0] for errors in found]

    errors = yield from means(ways)
    own, way = min(zip(errors, ways, strict=True), key=lambda pair: pair[0])
    for share in SHARES:
        tried = moves(way, share, bench.lowest)
        errors = yield from means(tried)
        both = joined(way, tried, errors, own)
        errors += yield from means([both])
        own, way = min(
            [(own, way), *zip(errors, [*tried, both], strict=True)], key=lambda pair: pair[0]
        )
    return way


def _costs(run: "Run", grid: Array) -> Array:
    """Return the costs of all steps between levels on the course of a converged run."""
    course, scale = Trajectory.of(run), np.sqrt(1.0 + grid[:-1] ** 2)[:, None]
    x = np.concatenate((course.x_t(grid[:-1]) * scale, flat(run.latents)))
    return costs(grid, x, course.x0_pred(grid[:-1]), spread_of(run))


def _apart(run: "Run", end: "Run") -> float:
    """Return how far a run ends from the converged one, over its spread."""
    return float(rms(flat(run.latents) - flat(end.latents))[0]) / spread_of(end)


def _follow(sigmas: Array) -> dict[str, Any]:
    """Return the fields of an experiment that follows a schedule."""
    return {"curve": "sigmas", "curve_options": {"sigmas": tuple(sigmas.tolist())}}


def _curves(
    model: Model, num_steps: int, against: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    """Return the curves that have so many steps, and why others have not.

    Raises:
        ValueError: If a name is not known.
    """
    found, left_out = [], {}
    for name in dict.fromkeys(against):
        if find(name).example:
            raise ValueError(f"against must name curves that need no options, got {name!r}.")
        try:
            make(name, model.schedule, num_steps, {})
        except ValueError as error:
            left_out[name] = str(error)
        else:
            found.append(name)
    return found, left_out


def _check(
    model: Model, experiment: Experiment, seeds: Sequence[int], held_out: Sequence[int]
) -> None:
    if model.path != "vp":
        raise ModelError(
            f"{model.name} does not add noise as Stable Diffusion does; only such fit."
        )
    if not 2 <= experiment.num_steps <= MOST_STEPS:
        raise ValueError(
            f"num_steps must be from 2 to {MOST_STEPS}, got {experiment.num_steps}; with more,"
            " any curve will do."
        )
    for name, given, least in (("seeds", seeds, 1), ("held_out", held_out, 2)):
        if len(given) < least or len(set(given)) < len(given):
            raise ValueError(f"{name} must be at least {least}, each once, got {list(given)}.")
    if both := sorted(set(seeds) & set(held_out)):
        raise ValueError(f"held_out must be other seeds than those of the fit, got {both} in both.")
    eta, options = experiment.eta, experiment.solver_options
    if draws_noise(Entrant(experiment.solver, solver_options=options, eta=eta)):
        raise ValueError(
            f"{experiment.solver} draws noise on the way, so it has no converged picture to come"
            " near; take one that does not, such as dpmpp_2m or ddim."
        )
