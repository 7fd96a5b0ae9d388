"""Comparing: every run and reference of a comparison through one engine, then the summary."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.comparing.comparison import Comparison
from sdlab.comparing.entrant import Entrant
from sdlab.comparing.facts import Facts
from sdlab.comparing.reference import stored
from sdlab.comparing.result import Result
from sdlab.comparing.summary import summarise
from sdlab.comparing.verdict import TARGET, check_target
from sdlab.sampling.engine import Engine
from sdlab.work import Progress, Work, finish

if TYPE_CHECKING:
    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model
    from sdlab.runs.run import Run
    from sdlab.sampling.job import Job


def compare(
    model: "Model",
    comparison: Comparison | None = None,
    *,
    on_progress: Progress | None = None,
    save: str | Path | None = None,
    target: float = TARGET,
    **fields: Any,
) -> Result:
    """Compare samplers on the same pictures and return tables and a verdict.

    A sampler that fails has its error in its rows; the others finish.

    Args:
        model: The loaded model.
        comparison: What to compare; or give its fields by name.
        on_progress: Called with (evaluations done, evaluations in all).
        save: The folder of all runs. Then every run is saved there, and so is the result; what is
            stored there already, made by these weights, is not made again.
        target: The error that the verdict asks for, in standard deviations; above 0.
        fields: Fields of ``Comparison``, on top of ``comparison`` if that is given too. Entrants
            may be names: ``entrants=["heun", "DDIMScheduler"]``.

    Raises:
        ValueError: If a field or ``target`` is not valid, or no run at all can start on this model.
        StoreError: If ``save`` cannot be written to.
    """
    return finish(comparing(model, made(model, comparison, **fields), save, target), on_progress)


def made(model: "Model", comparison: Comparison | None, **fields: Any) -> Comparison:
    """Return the comparison of fields by name; entrants may be names.

    Raises:
        ValueError: If a field is not valid.
    """
    if "entrants" in fields:
        asked = fields["entrants"]
        listed = [asked] if isinstance(asked, (str, Entrant)) else asked
        fields["entrants"] = [Entrant(e) if isinstance(e, str) else e for e in listed]
    if comparison is not None:
        return comparison.with_(**Comparison.known(fields))
    for name in ("entrants", "prompts"):
        if name not in fields:
            raise ValueError(f"{name} must be given: compare(model, {name}=[...], ...).")
    return Comparison.from_dict({"model": model.name, **fields})


def comparing(
    model: "Model",
    comparison: Comparison,
    save: str | Path | None = None,
    target: float = TARGET,
) -> Work[Result]:
    """Do a comparison, yielding (evaluations done, in all); closing it cancels what is under way.

    With ``save`` each run is written as soon as it is done, so cancelling keeps those.

    Args:
        model: The loaded model.
        comparison: What to compare.
        save: The folder of all runs, or None to keep everything in memory.
        target: The error that the verdict asks for, in standard deviations; above 0.

    Raises:
        ValueError: If ``target`` is not above 0, an entrant takes no number of steps that a budget
            pays for, or no run at all can start on this model.
        StoreError: If ``save`` cannot be written to.
    """
    check_target(target)
    facts = Facts.of(model)
    cells = [cell.experiment for cell in comparison.cells(facts.config)]
    references = [x for reference in comparison.references() for x in reference[2:]]
    found: dict[str, Run | Exception] = {}
    for experiment in (*references, *cells) if save is not None else ():
        run = stored(experiment, save, facts.hash)  # type: ignore[arg-type]
        if run is not None:
            found[experiment.id] = run
    wanted = {x.id: x for x in (*cells, *references) if x.id not in found}
    engine = Engine(model)
    jobs = _submit(engine, wanted, found)
    if not jobs and not any(not isinstance(run, Exception) for run in found.values()):
        raise next(error for error in found.values() if isinstance(error, Exception))
    waiting, total = dict(jobs), sum(job.nfe for job in jobs.values())
    try:
        going = bool(jobs)
        while going:
            going = engine.round()
            for key in [key for key, job in waiting.items() if job.over]:
                job = waiting.pop(key)
                outcome = job.result or job.error
                if save is not None and job.result is not None:
                    job.result.save(save)
                if outcome is not None:
                    found[key] = outcome
            yield sum(job.evaluation if not job.over else job.nfe for job in jobs.values()), total
    finally:
        for job in engine.jobs:
            job.stop()
    result = summarise(comparison, found, facts, target=target)
    if save is not None:
        result.save(save)
    return result


def _submit(
    engine: Engine, wanted: "dict[str, Experiment]", found: "dict[str, Run | Exception]"
) -> "dict[str, Job]":
    """Queue what this model can run and return the jobs; why it cannot goes to ``found``."""
    jobs = {}
    for key, experiment in wanted.items():
        try:
            jobs[key] = engine.submit(experiment)
        except Exception as error:
            found[key] = error
    return jobs
