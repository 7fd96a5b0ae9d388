"""Makes the runs of a sweep that are missing, in this process, one batch after another."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdlab.errors import StoreError
from sdlab.experiment.experiment import Experiment
from sdlab.runs import RUN_ID, run_path
from sdlab.runs.atomic import recover_all
from sdlab.runs.manifest import was_shared
from sdlab.runs.run_folder import read_manifest, save_runs
from sdlab.sampling.engine import Engine
from sdlab.sampling.settling import settling
from sdlab.sweeping.batches import Planned, batches, planned

if TYPE_CHECKING:
    from sdlab.experiment.sweep import Sweep
    from sdlab.models.model import Model
    from sdlab.runs.run import Run
    from sdlab.sampling.job import Job
    from sdlab.sweeping.sweep_folder import SweepFolder
    from sdlab.work import Work

BROKEN_OFF = "It was under way when the sweep was broken off; resume_errored makes it again."


@dataclass(frozen=True)
class Resuming:
    """What is made when a sweep is started again.

    Attributes:
        errored: Whether what failed is tried again.
        unfinished: Whether what was under way when the sweep was killed is made again; else it
            counts as failed. Of use where a run ends the process itself.
    """

    errored: bool = False
    unfinished: bool = True


NEW = Resuming()
"""What a sweep makes unless told otherwise."""


def stored_runs(
    root: str | Path, experiments: "Iterable[Experiment]", model_hash: str, mix: bool = True
) -> set[str]:
    """Return the ids of the runs that are stored already, made by these weights.

    Args:
        root: The folder of all runs.
        experiments: Those asked for.
        model_hash: Of the weights.
        mix: Whether runs that shared network calls count.
    """
    folder = Path(root).expanduser()
    recover_all(folder)
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    wanted = [x.id for x in experiments if x.id in names and RUN_ID.fullmatch(x.id)]
    return {run for run in wanted if _is_made(folder, run, model_hash, mix)}


def make_missing(
    model: "Model",
    sweep: "Sweep",
    folder: "SweepFolder",
    root: str | Path,
    mix: bool = True,
    resuming: Resuming = NEW,
) -> "Work[None]":
    """Make the runs of a sweep that are missing, yielding the evaluations done and in all.

    A run that fails has its error noted in ``folder``, and the rest go on. Closing it, or killing
    the process, loses no more than the batch under way.

    Raises:
        ValueError: If this model refuses every run; nothing is noted then.
        StoreError: If ``root`` cannot be written.
    """
    every = {x.id: x for x in sweep.experiments}
    made = stored_runs(root, every.values(), model.hash, mix)
    broken = [run for run in folder.under_way() if run in every]
    if not resuming.unfinished:
        for run in set(broken) - made:
            folder.fail(run, BROKEN_OFF)
        broken = []
    failed = {} if resuming.errored else folder.errors()
    wanted = [x for x in every.values() if x.id not in made and x.id not in failed]
    runs = _possible(model, wanted, folder, bool(made))
    missing = {one.experiment.id for one in runs}
    total, before = sum(one.plan.nfe for one in runs), 0
    for batch in _in_order(model, runs, [every[run] for run in broken], mix):
        folder.begin(one.experiment.id for one in batch)
        for done in _make(model, batch, missing, folder, root, mix):
            yield before + done, total
        before += sum(one.plan.nfe for one in batch if one.experiment.id in missing)
    folder.begin([])


def _is_made(root: Path, run: str, model_hash: str, mix: bool) -> bool:
    try:
        facts = read_manifest(run_path(root, run))
    except (OSError, StoreError):
        return False
    model = facts["model"]
    made = isinstance(model, Mapping) and model.get("hash") == model_hash
    return made and (mix or not was_shared(facts))


def _possible(
    model: "Model", wanted: "list[Experiment]", folder: "SweepFolder", some_made: bool
) -> list[Planned]:
    """Return what this model can run and note why it refuses the rest; raise if that is all."""
    refused: dict[str, Exception] = {}
    runs = planned(model, wanted, lambda x, error: refused.update({x.id: error}))
    if refused and not runs and not some_made:
        raise next(iter(refused.values()))
    for run, error in refused.items():
        folder.fail(run, error)
    return runs


def _in_order(
    model: "Model", runs: list[Planned], broken: "list[Experiment]", mix: bool
) -> "Iterable[list[Planned]]":
    """Yield the batches, first the one that was broken off, as it was."""
    again = {x.id for x in broken}
    if any(one.experiment.id in again for one in runs):
        yield planned(model, broken, lambda *_: None)
        runs = [one for one in runs if one.experiment.id not in again]
    yield from batches(model, runs, mix)


def _make(
    model: "Model",
    batch: list[Planned],
    missing: set[str],
    folder: "SweepFolder",
    root: str | Path,
    mix: bool,
) -> "Iterable[int]":
    """Make a batch, save those of its runs that are missing, and yield their evaluations done."""
    engine = Engine(model, mix=mix)
    jobs: list[Job] = []
    made: list[Run] = []
    for one in batch:
        try:
            jobs.append(engine.submit(one.experiment))
        except Exception as error:
            folder.fail(one.experiment.id, error)

    def settle(job: "Job") -> None:
        run = job.experiment.id
        if run in missing and job.result is not None:
            made.append(job.result)
        elif run in missing and job.error is not None:
            folder.fail(run, job.error)

    counted = [job for job in jobs if job.experiment.id in missing]
    for _ in settling(engine, jobs, settle):
        yield sum(job.nfe if job.over else job.evaluation for job in counted)
    save_runs(made, root)
