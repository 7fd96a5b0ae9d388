"""The command ``sdlab golden``."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdlab.cli.options import Csv, Fields, Loading
from sdlab.cli.registry import command
from sdlab.cli.terminal import progress, show
from sdlab.shipped import EMBEDDED

if TYPE_CHECKING:
    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model
    from sdlab.reproducing.golden import Checked

TOLERANCE = 0.01


class Action(StrEnum):
    """What is done with golden runs."""

    RECORD = "record"
    CHECK = "check"


@command()
def golden(
    *,
    action: Annotated[Action, typer.Argument(help="record or check.")],
    file: Annotated[Path, typer.Argument(help="File of the golden runs, *.safetensors.")],
    model: Annotated[
        str | None,
        typer.Option(help="embedded, a folder, a file, a hub id; to check, that of then."),
    ] = None,
    experiments: Annotated[
        Path | None,
        typer.Option(help="To record: file of experiments as JSON, one a line; else 11 samplers."),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="To check: difference allowed, as a share of the own error.")
    ] = TOLERANCE,
    csv: Csv = False,
    loading: Annotated[dict[str, Any], Fields(Loading)],
) -> None:
    """Record what experiments give, evaluation by evaluation; check it elsewhere.

    A check ends with exit code 1 if a run differs by more than is tolerated: a share of what the
    sampler itself is off by, or for those that draw noise, of the picture's own spread.
    """
    import sdlab
    from sdlab.reproducing import golden as runs
    from sdlab.work import finish

    before = runs.open_golden(file) if action is Action.CHECK else None
    name = model or (before.facts["model"]["name"] if before else EMBEDDED)
    loaded = sdlab.load(None if name == EMBEDDED else name, **loading)
    with progress(lines=True) as advance:
        if before is None:
            made = finish(runs.record(loaded, _experiments(experiments, loaded)), advance)
            typer.echo(str(made.save(file)))
            return
        checked = finish(runs.check(loaded, before), advance)
    _print(checked, csv)
    for difference in runs.changed(before, loaded):
        typer.echo(str(difference), err=csv)
    if any(c.measured > tolerance for c in checked):
        raise typer.Exit(1)


def _experiments(path: Path | None, model: "Model") -> "list[Experiment]":
    from sdlab.experiment.experiment import Experiment
    from sdlab.noise.exchange import read_object
    from sdlab.reproducing.golden import usual_experiments

    if path is None:
        return usual_experiments(model)
    lines = path.read_text(encoding="utf-8").splitlines()
    objects = [read_object(line, "experiment") for line in lines if line.strip()]
    return [Experiment.from_dict(values) for values in objects]


def _print(checked: "list[Checked]", csv: bool) -> None:
    import pandas as pd

    rows = [
        {
            "solver": one.experiment.solver,
            "num_steps": one.experiment.num_steps,
            "seed": one.experiment.seed,
            "evaluations": one.evaluations,
            "first_different": one.first,
            "sigma": one.sigma,
            "difference": one.distance,
            "at_the_end": one.end,
            "own_error": one.own_error,
            "share_of_own_error": one.share,
        }
        for one in checked
    ]
    table = pd.DataFrame(rows)
    table["first_different"] = table["first_different"].astype("Int64")
    numbers = table.select_dtypes("float").columns
    if not csv:
        table[numbers] = table[numbers].map(lambda value: f"{value:.3g}" if value == value else "")
    show(table, csv)
