"""Search, where a sweep is too much: Optuna proposes which cells of it to make.

Each trial is one combination of the axes' values, made for all seeds and prompts of the sweep, and
judged by the mean of a measure over them. Optuna (https://optuna.org) is asked for a combination
and told what came of it; its own storage, an SQLite file in the sweep's folder, knows all trials,
so a search goes on where it was ended. The default sampler is Optuna's, the tree-structured Parzen
estimator (Bergstra et al. 2011).
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sdlab.errors import SdlabError, unknown
from sdlab.experiment.axis import WORDS, Axis
from sdlab.experiment.sweep import Sweep, SweepCell
from sdlab.sweeping.measures import MEASURES, OF_MANIFEST, Measure
from sdlab.sweeping.result import goal_of, sweep_result

if TYPE_CHECKING:
    from collections.abc import Callable

    import optuna

    from sdlab.work import Work

    Make = Callable[[Sweep], Work[None]]

FILE = "search.db"
AGAIN = 10
"""So often in a row may a combination be proposed that was tried; then one is drawn."""
INSTALL = "Searching needs Optuna: pip install 'sdlab[search]'."


@dataclass(frozen=True)
class Search:
    """What is sought.

    Attributes:
        goal: Such as "minimize: seconds" or "maximize: fidelity".
        trials: How many combinations are tried at most, those of earlier starts among them.

    Raises:
        ValueError: If the goal cannot be read, or there is to be no trial.
    """

    goal: str
    trials: int = 100

    def __post_init__(self) -> None:
        goal_of(self.goal)
        if isinstance(self.trials, bool) or not isinstance(self.trials, int) or self.trials < 1:
            raise ValueError(f"trials must be a whole number from 1, got {self.trials!r}.")

    @property
    def way(self) -> Literal["minimize", "maximize"]:
        """What is to be done with the measure."""
        return "minimize" if goal_of(self.goal)[0] == "minimize" else "maximize"

    @property
    def measure(self) -> str:
        """What is to be least or most."""
        return goal_of(self.goal)[1]

    def with_measure(self, measures: Mapping[str, Measure]) -> dict[str, Measure]:
        """Return measures, that of the goal among them.

        Raises:
            ValueError: If there is no such measure.
        """
        if self.measure in (*measures, *OF_MANIFEST):
            return dict(measures)
        if self.measure not in MEASURES:
            known = (*MEASURES, *OF_MANIFEST, *measures)
            raise ValueError(unknown("measure", self.measure, known))
        return {**measures, self.measure: MEASURES[self.measure]}


@dataclass(frozen=True)
class Space:
    """The combinations of a sweep's values, of which each is made for all its seeds and prompts.

    Attributes:
        sweep: Which.
    """

    sweep: Sweep

    @property
    def over(self) -> tuple[str, ...]:
        """The axes that each combination is averaged over."""
        fields = [axis.field for axis in self.sweep.axes]
        return ("seed",) if WORDS in fields else ("seed", "prompt")

    @property
    def axes(self) -> list[Axis]:
        """The axes that are searched."""
        return [axis for axis in self.sweep.axes if axis.field not in self.over]

    @cached_property
    def first_cells(self) -> dict[tuple[int, ...], SweepCell]:
        """The first cell of each combination, by the numbers of its values."""
        places = [n for n, axis in enumerate(self.sweep.axes) if axis.field not in self.over]
        found: dict[tuple[int, ...], SweepCell] = {}
        for cell in self.sweep.cells:
            found.setdefault(tuple(cell.place[n] for n in places), cell)
        return found

    def part(self, place: tuple[int, ...]) -> Sweep:
        """Return one combination, as the sweep of its seeds and prompts."""
        rest = [axis for axis in self.sweep.axes if axis.field in self.over]
        return Sweep(self.first_cells[place].experiment, rest)

    def distributions(self) -> dict[str, Any]:
        """Return what Optuna chooses from: numbers by their rank, names as names."""
        from optuna.distributions import CategoricalDistribution, IntDistribution

        found: dict[str, Any] = {}
        for axis in self.axes:
            last = len(axis.values) - 1
            numbers = all(type(value) in (int, float) for value in axis.values)
            names = CategoricalDistribution(tuple(range(last + 1)))
            found[axis.field] = IntDistribution(0, last) if numbers else names
        return found

    def place(self, params: Mapping[str, int]) -> tuple[int, ...]:
        """Return the combination that Optuna proposes; numbers are ranked from the least."""
        return tuple(self._ranked(axis)[params[axis.field]] for axis in self.axes)

    def params(self, place: tuple[int, ...]) -> dict[str, int]:
        """Return a combination as Optuna proposes it."""
        pairs = zip(self.axes, place, strict=True)
        return {axis.field: self._ranked(axis).index(at) for axis, at in pairs}

    def _ranked(self, axis: Axis) -> list[int]:
        places = list(range(len(axis.values)))
        numbers = all(type(value) in (int, float) for value in axis.values)
        return sorted(places, key=lambda at: axis.values[at]) if numbers else places


def searching(
    sweep: Sweep,
    search: Search,
    folder: Path,
    root: str | Path,
    measures: Mapping[str, Measure],
    make: "Make",
) -> "Work[None]":
    """Try combinations of a sweep's values, yielding the trials done and in all.

    Args:
        sweep: Whose combinations.
        search: What is sought.
        folder: The sweep's, which keeps the trials.
        root: The folder of all runs.
        measures: Those of ``Search.with_measure``.
        make: Makes what is missing of a sweep.

    Raises:
        SdlabError: If Optuna is not installed.
    """
    space, study = Space(sweep), _study(folder, search)
    known = _known(study, space)
    total = min(search.trials, len(space.first_cells))
    yield len(known), total
    again, distributions = 0, space.distributions()
    while len(known) < total:
        trial = study.ask(distributions)
        place = space.place(trial.params)
        if place in known:
            _tell(study, trial, known[place])
            again += 1
            if again >= AGAIN:
                left = sorted(space.first_cells.keys() - known.keys())
                study.enqueue_trial(space.params(random.Random(len(known)).choice(left)))
            continue
        again, part = 0, space.part(place)
        for _ in make(part):
            yield len(known), total
        known[place] = _value(part, root, search, measures)
        _tell(study, trial, known[place])
        yield len(known), total


def _study(folder: Path, search: Search) -> "optuna.Study":
    """Return Optuna's study of a goal; a trial that a crash cut short comes first again."""
    try:
        import optuna
    except ImportError:
        raise SdlabError(INSTALL) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(f"sqlite:///{(folder / FILE).absolute()}")
    study = optuna.create_study(
        storage=storage,
        study_name=search.goal,
        direction=search.way,
        load_if_exists=True,
    )
    study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.enqueue_trial(trial.params)
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _known(study: "optuna.Study", space: Space) -> dict[tuple[int, ...], float | None]:
    """Return what came of each combination that was tried; None where no run has the measure."""
    from optuna.trial import TrialState

    ended = study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))
    axes = {axis.field for axis in space.axes}
    return {space.place(t.params): t.value for t in ended if t.params.keys() == axes}


def _tell(study: "optuna.Study", trial: "optuna.Trial", value: float | None) -> None:
    from optuna.trial import TrialState

    if value is None:  # failed, and would fail again
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, value)


def _value(
    part: Sweep, root: str | Path, search: Search, measures: Mapping[str, Measure]
) -> float | None:
    needed = {name: m for name, m in measures.items() if name == search.measure}
    values = sweep_result(part, root, needed).table[search.measure].dropna()
    return float(values.astype(float).mean()) if len(values) else None
