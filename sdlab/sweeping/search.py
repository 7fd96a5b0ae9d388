"""Search, where a sweep is too much: Optuna proposes which cells of it to make.

Each trial is one combination of the axes' values, made for all seeds and prompts of the sweep, and
judged by the mean of a measure over them. Optuna (https://optuna.org) is asked for a combination
and told what came of it, or for a round of them where several workers make a sweep; its own
storage, an SQLite file in the sweep's folder, knows all trials, so a search goes on where it was
ended. The default sampler is Optuna's, the tree-structured Parzen estimator (Bergstra et al. 2011);
in a round it takes trials under way for bad ones ("constant liar"), so that it proposes others.
"""

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sdlab.errors import SdlabError, StoreError, unknown
from sdlab.experiment.axis import WORDS, Axis
from sdlab.experiment.sweep import Sweep, SweepCell
from sdlab.runs.reading import check_plain
from sdlab.sweeping.measures import MEASURES, OF_MANIFEST, Measure
from sdlab.sweeping.result import goal_of, sweep_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import optuna

    from sdlab.experiment.experiment import Experiment
    from sdlab.work import Work

    Make = Callable[[Iterable[Experiment]], Work[None]]

FILE = "search.db"
AGAIN = 10
"""So often in a row may a combination be proposed that was tried; then one is drawn."""
Place = tuple[int, ...]
"""A combination, by the numbers of its values."""
Tried = dict[Place, float | None]
INSTALL = "Searching needs Optuna: pip install 'sdlab[search]'."


@dataclass(frozen=True)
class Search:
    """What is sought.

    Attributes:
        goal: Such as "minimize: seconds" or "maximize: fidelity".
        trials: How many combinations are tried at most, those of earlier starts among them.
        at_once: How many are made together, and judged before the next are proposed; None for one,
            or where workers make them as many as there are to be workers.

    Raises:
        ValueError: If the goal cannot be read, or there is to be no trial.
    """

    goal: str
    trials: int = 100
    at_once: int | None = None

    def __post_init__(self) -> None:
        goal_of(self.goal)
        for name, value in (("trials", self.trials), ("at_once", self.at_once)):
            if name == "at_once" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number from 1, got {value!r}.")

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
    at_once: int = 1,
) -> "Work[None]":
    """Try combinations of a sweep's values, yielding the trials done and in all.

    Args:
        sweep: Whose combinations.
        search: What is sought.
        folder: The sweep's, which keeps the trials.
        root: The folder of all runs.
        measures: Those of ``Search.with_measure``.
        make: Makes what is missing of some experiments.
        at_once: Trials that are made together, unless the search says how many.

    Raises:
        SdlabError: If Optuna is not installed.
        StoreError: If the file of trials cannot be written, or is a link.
    """
    try:
        yield from _searching(sweep, search, folder, root, measures, make, at_once)
    except Exception as error:
        if not _is_of_storage(error):
            raise
        reason = str(error.__cause__ or error).splitlines()[0]
        raise StoreError(f"{folder / FILE} cannot be used: {reason}.") from error


def _is_of_storage(error: Exception) -> bool:
    """Return whether Optuna's storage failed, or SQLAlchemy in it; neither may be installed."""
    kind = type(error)
    return kind.__name__ == "StorageInternalError" or kind.__module__.startswith("sqlalchemy.")


def _searching(
    sweep: Sweep,
    search: Search,
    folder: Path,
    root: str | Path,
    measures: Mapping[str, Measure],
    make: "Make",
    at_once: int,
) -> "Work[None]":
    together = search.at_once or at_once
    space, study = Space(sweep), _study(folder, search, together)
    known = _known(study, space)
    total = min(search.trials, len(space.first_cells))
    yield len(known), total
    cut_short = _cut_short(study)
    while len(known) < total:
        count = min(max(together, cut_short), total - len(known))
        asked, cut_short = _asked(study, space, known, count), 0
        parts = {place: space.part(place) for place in asked}
        for _ in make([x for part in parts.values() for x in part.experiments]):
            yield len(known), total
        for place, trials in asked.items():
            known[place] = _value(parts[place], root, search, measures)
            for trial in trials:
                _tell(study, trial, known[place])
        yield len(known), total


def _asked(
    study: "optuna.Study", space: Space, known: Tried, count: int
) -> "dict[Place, list[optuna.Trial]]":
    """Return so many combinations that are new, with the trials that propose each."""
    asked: dict[Place, list[optuna.Trial]] = {}
    again, distributions = 0, space.distributions()
    while len(asked) < count:
        trial = study.ask(distributions)
        place = space.place(trial.params)
        if place in known:
            _tell(study, trial, known[place])
        again = again + 1 if place in known or place in asked else 0
        if place not in known:
            asked.setdefault(place, []).append(trial)
        if again >= AGAIN:
            left = sorted(space.first_cells.keys() - known.keys() - asked.keys())
            drawn = random.Random(len(known) + len(asked)).choice(left)
            study.enqueue_trial(space.params(drawn))
    return asked


def _study(folder: Path, search: Search, together: int) -> "optuna.Study":
    """Return Optuna's study of a goal; trials that a crash cut short come first again."""
    try:
        import optuna
    except ImportError:
        raise SdlabError(INSTALL) from None
    if os.path.lexists(folder / FILE):
        check_plain(folder / FILE)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(f"sqlite:///{(folder / FILE).absolute()}")
    study = optuna.create_study(
        storage=storage,
        study_name=search.goal,
        direction=search.way,
        load_if_exists=True,
    )
    seed = len(study.trials)
    study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=together > 1)
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.enqueue_trial(trial.params)
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _cut_short(study: "optuna.Study") -> int:
    """Return how many trials wait to be made again."""
    from optuna.trial import TrialState

    return len(study.get_trials(states=(TrialState.WAITING,)))


def _known(study: "optuna.Study", space: Space) -> Tried:
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
