"""Comparing: a runner has every run made or finds it, then the runs are summed up to a result."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.comparing.comparison import Comparison
from sdlab.comparing.engine_runner import engine_runner
from sdlab.comparing.entrant import Entrant
from sdlab.comparing.model_facts import ModelFacts
from sdlab.comparing.needed_runs import NeededRuns
from sdlab.comparing.outcomes import Runs
from sdlab.comparing.result import Result
from sdlab.comparing.summary import summarise
from sdlab.comparing.target import TARGET, check_target
from sdlab.errors import check_types
from sdlab.experiment.experiment import Experiment
from sdlab.work import Progress, Work, finish

if TYPE_CHECKING:
    from sdlab.models.model import Model

Runner = Callable[[Sequence[Experiment]], Work[Runs]]
"""Makes or finds the runs of experiments, each of which comes once, and yields (done, in all).

It returns by experiment id each run, ``Cancelled()``, or the exception that the run failed of; what
it knows nothing of is left out. Closing it ends what is under way.
"""


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
        TypeError: If an argument is of another type, as when two are swapped.
    """
    from sdlab.models.model import Model

    check_types(compare, model=(model, Model), comparison=(comparison, (Comparison, type(None))))
    comparison = made(model, comparison, **fields)
    runner = engine_runner(model, save)
    return finish(comparing(comparison, ModelFacts.of(model), runner, save, target), on_progress)


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
    own = {"curve": None} if model.path == "flow" else {}  # the times that it was trained for
    return Comparison.from_dict({"model": model.name, **own, **fields})


def comparing(
    comparison: Comparison,
    model: ModelFacts,
    runner: Runner,
    save: str | Path | None = None,
    target: float = TARGET,
) -> Work[Result]:
    """Do a comparison, yielding what its runner yields; closing it closes the runner.

    Args:
        comparison: What to compare.
        model: What makes the runs.
        runner: Makes the runs, or finds them.
        save: The folder of all runs, to which the result is written; None writes nothing.
        target: The error that the verdict asks for, in standard deviations; above 0.

    Raises:
        ValueError: If ``target`` is not above 0, or an entrant takes no number of steps that a
            budget pays for; and what the runner raises.
        StoreError: If ``save`` cannot be written to.
    """
    check_target(target)
    runs = yield from runner(NeededRuns.of(comparison, model).experiments)
    result = summarise(comparison, runs, model, target=target)
    if save is not None:
        result.save(save)
    return result
