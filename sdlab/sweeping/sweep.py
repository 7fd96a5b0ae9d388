"""Carries out a sweep: makes what is missing and sums up what there is."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import check_types
from sdlab.experiment.sweep import Sweep
from sdlab.runs import runs_root
from sdlab.sweeping.distance import with_references
from sdlab.sweeping.executors.crew import kept
from sdlab.sweeping.executors.local import Local
from sdlab.sweeping.making import NEW, Resuming, make_missing
from sdlab.sweeping.measures import Measure, measures_of, needs_references
from sdlab.sweeping.result import SweepResult, summing_up
from sdlab.sweeping.search import Search, searching
from sdlab.sweeping.sweep_folder import SweepFolder
from sdlab.work import Progress, finish, standing

if TYPE_CHECKING:
    from sdlab.models.model import Model
    from sdlab.sweeping.executors.crew import Executor
    from sdlab.work import Work


def sweep(
    model: "Model",
    spec: Sweep,
    *,
    on_progress: Progress | None = None,
    root: str | Path | None = None,
    alone: bool = False,
    resume_errored: bool = False,
    resume_unfinished: bool = True,
    measures: Sequence[str] | Mapping[str, Measure] = (),
    search: Search | None = None,
    on: "Executor | None" = None,
) -> SweepResult:
    """Make the runs of a sweep that are not stored yet, and return a table of all.

    Each run is stored as soon as its batch is done. Ended at any moment, by an error, Ctrl-C or a
    killed process, the sweep goes on where it was when it is called again: what is stored, made by
    these weights, is not stored again, and the pictures are those that it would have made
    undisturbed. A run that fails has its error in the table; the others go on.

    Args:
        model: The loaded model.
        spec: What to make.
        on_progress: Called with (evaluations done, evaluations in all), of those that were missing.
        root: The folder of all runs; None for ``sdlab.runs.runs_root()``.
        alone: Whether runs share no network call; then each is bit-identical to ``sdlab.run``.
        resume_errored: Whether what failed before is tried again.
        resume_unfinished: Whether what was under way when the process was killed is made again;
            else it counts as failed.
        measures: Further columns: names of ``sdlab.sweeping.measures.MEASURES``, or functions of a
            ``Run`` by a name of their own.
        search: What is sought, where only the most promising combinations are to be made;
            ``on_progress`` then gets the trials done and in all.
        on: Where the runs are made: ``sdlab.sweeping.executors.ray_cluster.Ray``,
            ``sdlab.sweeping.executors.slurm_jobs.Slurm``, or None for this process.

    Raises:
        ValueError: If the model refuses every experiment, or there is no such measure.
        SdlabError: If something is sought and Optuna is not installed; if the executor's workers
            cannot be had, or cannot load the model.
        StoreError: If ``root`` cannot be written, or another process is making this sweep.
        TypeError: If an argument is of another type, as when two are swapped.
    """
    from sdlab.models.model import Model

    check_types(sweep, model=(model, Model), spec=(spec, Sweep))
    resuming = Resuming(resume_errored, resume_unfinished)
    work = sweeping(model, spec, root or runs_root(), not alone, resuming, measures, search, on)
    return finish(work, on_progress)


def sweeping(
    model: "Model",
    spec: Sweep,
    root: str | Path,
    mix: bool = True,
    resuming: Resuming = NEW,
    measures: Any = (),
    search: Search | None = None,
    on: "Executor | None" = None,
) -> "Work[SweepResult]":
    """Do ``sweep`` as a computation that yields the evaluations done and in all, or trials."""
    chosen = measures_of(measures)
    chosen = chosen if search is None else search.with_measure(chosen)
    folder = SweepFolder(root, spec.id)
    with folder.held():
        folder.save(spec)
        folder.note_cells(x.id for x in spec.experiments)
        make = partial(make_missing, model, folder=folder, root=root, mix=mix, resuming=resuming)
        work = _making(model, spec, folder, root, chosen, search, make, on or Local())
        done = 0
        for done, total in work:
            yield done, total
        result = yield from standing(summing_up(spec, root, chosen), done)
        result.save()
    return result


def _making(
    model: "Model",
    spec: Sweep,
    folder: SweepFolder,
    root: str | Path,
    measures: Mapping[str, Measure],
    search: Search | None,
    make: "Callable[..., Work[None]]",
    on: "Executor",
) -> "Work[None]":
    """Make what is missing, or what a search proposes, with one crew; references where needed."""
    with kept(on) as executor:
        making: Callable[..., Work[None]] = partial(make, on=executor)
        if needs_references(measures):
            making = with_references(making, model, root)
        if search is None:
            yield from making(spec.experiments)
        else:  # a trial that the model refuses is kept as failed
            tried = partial(making, keep_refused=True)
            yield from searching(spec, search, folder.path, root, measures, tried, on.at_once)
