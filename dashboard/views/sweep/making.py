"""A sweep as a task of the worker: it takes its turns between other people's runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard.shell.lab import lab
from dashboard.worker.snapshots import Snapshot
from dashboard.worker.stored_runs import stored_facts
from sdlab.comparing.converged import converged
from sdlab.errors import ModelError
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.sweep import Sweep
from sdlab.runs.manifest import is_exact
from sdlab.sweeping.sweep_folder import SweepFolder

if TYPE_CHECKING:
    from sdlab.models.model import Model
    from sdlab.sweeping.result import SweepResult
    from sdlab.sweeping.search import Search
    from sdlab.work import Work


@dataclass(frozen=True)
class Way:
    """How a sweep is made.

    Attributes:
        mix: Whether its runs may share network calls; else each is exact. None goes on as the
            stored ones were made.
        errored: Whether what failed is tried again.
        measures: Names of what its pictures are measured by.
        search: What is sought, if not all is to be made.
    """

    mix: bool | None = None
    errored: bool = False
    measures: tuple[str, ...] = ()
    search: "Search | None" = None


def task_of(sweep: str) -> str:
    """Return the id of the task that makes a sweep."""
    return f"sweep-{sweep}"


def task(sweep: str) -> Snapshot | None:
    """Return the task that makes a sweep, or that ended without being done; else None."""
    return lab().get(task_of(sweep))


def begin(sweep: Sweep, way: Way, session: str, owner: str = "") -> None:
    """Have what is missing of a sweep made by the model in memory; one that is made is joined.

    Args:
        sweep: Which.
        way: How it is made.
        session: Which asks.
        owner: Whose it is.

    Raises:
        ModelError: If another model is in memory by now, or none.
        LimitError: If it, or its runs, are more than somebody may have.
        NotYoursError: If somebody else's run, made by other weights, would be lost.
        StoreError: If the disk cannot be written.
    """
    model = lab().status().model
    if model is None or model.name != sweep.base.model:
        held = "no model" if model is None else model.name
        raise ModelError(f"This sweep is of {sweep.base.model}, and {held} is in memory by now.")
    lab().limits.check_study(task_of(sweep.id), owner, session)
    lab().asked_runs.claim(runs_of(sweep, way.measures, model.path), owner, session, queued=False)
    lab().owned.own_asked("sweep", [sweep.id], owner)
    SweepFolder(lab().runs, sweep.id).save(sweep)  # so that the page finds it at once
    make = partial(_sweeping, sweep, lab().runs, way)
    lab().study(task_of(sweep.id), make, model.hash, session, stored=True, owner=owner)


@lru_cache(maxsize=16)
def runs_of(sweep: Sweep, measures: tuple[str, ...], path: str) -> tuple[Experiment, ...]:
    """Return the runs that a sweep makes: its own, and those that they are measured against.

    Args:
        sweep: Which.
        measures: Names of what its pictures are measured by.
        path: The model's, "flow" or another.
    """
    from sdlab.sweeping.measures import measures_of, needs_references

    if not needs_references(measures_of(measures)):
        return tuple(sweep.experiments)
    behind = (converged(one, path == "flow") for one in sweep.experiments)
    return tuple({one.id: one for one in (*sweep.experiments, *behind)}.values())


def measures_for(model: str) -> Sequence[str]:
    """Return what a model's pictures are measured by unless others are chosen."""
    from sdlab.shipped import SHIPPED

    return ("fidelity",) if model in SHIPPED else ()


def _sweeping(sweep: Sweep, runs: Path, way: Way, model: "Model") -> "Work[SweepResult]":
    from sdlab.sweeping.making import Resuming
    from sdlab.sweeping.sweep import sweeping

    resuming, mix = Resuming(errored=way.errored), way.mix
    if mix is None:
        stored = (stored_facts(runs, experiment.id) for experiment in sweep.experiments)
        mix = any(not is_exact(facts) for facts in stored if facts)
    return sweeping(model, sweep, runs, mix, resuming, way.measures, way.search)
