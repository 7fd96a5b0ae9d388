"""Carries out a sweep: makes what is missing and sums up what there is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import check_types
from sdlab.experiment.sweep import Sweep
from sdlab.runs import runs_root
from sdlab.sweeping.local import NEW, Resuming, make_missing
from sdlab.sweeping.measures import Measure, measures_of
from sdlab.sweeping.result import SweepResult, sweep_result
from sdlab.sweeping.sweep_folder import SweepFolder
from sdlab.work import Progress, finish

if TYPE_CHECKING:
    from sdlab.models.model import Model
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
) -> SweepResult:
    """Make the runs of a sweep that are not stored yet, and return a table of all.

    Each run is stored as soon as it is done. Ended at any moment, by an error, Ctrl-C or a killed
    process, the sweep goes on where it was when it is called again: what is stored, made by these
    weights, is not stored again, and the pictures are those that it would have made undisturbed. A
    run that fails has its error in the table; the others go on.

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

    Raises:
        ValueError: If the model refuses every experiment, or there is no such measure.
        StoreError: If ``root`` cannot be written, or another process is making this sweep.
        TypeError: If an argument is of another type, as when two are swapped.
    """
    from sdlab.models.model import Model

    check_types(sweep, model=(model, Model), spec=(spec, Sweep))
    resuming = Resuming(resume_errored, resume_unfinished)
    work = sweeping(model, spec, root or runs_root(), not alone, resuming, measures)
    return finish(work, on_progress)


def sweeping(
    model: "Model",
    spec: Sweep,
    root: str | Path,
    mix: bool = True,
    resuming: Resuming = NEW,
    measures: Any = (),
) -> "Work[SweepResult]":
    """Do ``sweep`` as a computation that yields the evaluations done and in all."""
    chosen = measures_of(measures)
    folder = SweepFolder(root, spec.id)
    with folder.held():
        folder.save(spec)
        yield from make_missing(model, spec, folder, root, mix, resuming)
        result = sweep_result(spec, root, chosen)
        result.save()
    return result
