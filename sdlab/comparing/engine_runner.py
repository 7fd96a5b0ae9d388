"""Makes the runs of a comparison in one engine, except those that are stored already."""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sdlab.comparing.reference import stored
from sdlab.runs.manifest import is_exact
from sdlab.sampling.engine import Engine
from sdlab.sampling.settling import settling

if TYPE_CHECKING:
    from sdlab.comparing.run import Runner
    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model
    from sdlab.runs.run import Run
    from sdlab.sampling.job import Job
    from sdlab.work import Work

    Runs = dict[str, Run | Exception]


def engine_runner(model: "Model", save: str | Path | None = None, *, mix: bool = True) -> "Runner":
    """Return a runner that makes runs in one engine, yielding the evaluations done and in all.

    A run that fails has its exception in the place of its run.

    Args:
        model: The loaded model.
        save: The folder of all runs: each run is written there as soon as it is done, and what is
            there already, made by these weights, is not made again. None keeps all in memory.
        mix: False gives each run its own network calls (see ``Engine``), and makes what is stored
            from shared ones again.

    Raises:
        ValueError: (While it runs) if no run at all can start on this model.
        StoreError: (While it runs) if ``save`` cannot be written to.
    """
    return partial(_make, model, save, mix)


def _make(
    model: "Model", save: str | Path | None, mix: bool, experiments: "Sequence[Experiment]"
) -> "Work[Runs]":
    runs: Runs = {} if save is None else _stored(experiments, save, model.hash, mix)
    engine = Engine(model, mix=mix, join=not mix)
    engine.long.give_way()
    jobs = _submit(engine, (x for x in experiments if x.id not in runs), runs)
    if not jobs and not any(not isinstance(run, Exception) for run in runs.values()):
        raise next(error for error in runs.values() if isinstance(error, Exception))
    total = sum(job.nfe for job in jobs.values())

    def settle(job: "Job") -> None:
        if save is not None and job.result is not None:
            job.result.save(save)
        outcome = job.result or job.error
        if outcome is not None:
            runs[job.experiment.id] = outcome

    for _ in settling(engine, jobs.values(), settle):
        yield sum(job.evaluation if not job.over else job.nfe for job in jobs.values()), total
    return runs


def _stored(
    experiments: "Iterable[Experiment]", root: str | Path, model_hash: str, mix: bool
) -> "Runs":
    found = ((x.id, stored(x, root, model_hash)) for x in experiments)
    return {key: run for key, run in found if run and (mix or is_exact(run.manifest))}


def _submit(engine: Engine, wanted: "Iterable[Experiment]", runs: "Runs") -> "dict[str, Job]":
    """Queue what this model can run and return the jobs; errors go to ``runs``."""
    jobs = {}
    for experiment in wanted:
        try:
            jobs[experiment.id] = engine.submit(experiment)
        except Exception as error:
            runs[experiment.id] = error
    return jobs
