"""The command ``sdlab report``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdlab.cli.options import Root
from sdlab.cli.registry import command
from sdlab.errors import StoreError
from sdlab.runs import find_run, runs_root
from sdlab.shipped import SHIPPED

if TYPE_CHECKING:
    from sdlab.models.model import Model


@command()
def report(
    ids: Annotated[
        list[str],
        typer.Argument(help="Id of a run, comparison, sweep, grid, or how it begins; or of runs."),
    ],
    out: Annotated[Path, typer.Option(help="The HTML file.")] = Path("report.html"),
    frames: Annotated[
        bool | None,
        typer.Option(
            help="Whether the report of one run has frames and a script of diffusers, for which its"
            " model is loaded. By default if that is one that comes with the package."
        ),
    ] = None,
    root: Root = None,
) -> None:
    """Write a report as one HTML file that opens without a network; print its path."""
    import sdlab

    model = None if frames is False or len(ids) > 1 else _model(root, ids[0], bool(frames))
    typer.echo(str(sdlab.report(ids, out, root=root, model=model)))


def _model(root: Path | None, run: str, wanted: bool) -> "Model | None":
    """Return the model of a run; None if the id is not a run's, or it is not to be loaded."""
    import sdlab
    from sdlab.reproducing.rerun import model_of

    try:
        stored = sdlab.open_run(find_run(root or runs_root(), run))
    except StoreError:
        return None
    if not wanted and stored.experiment.model not in SHIPPED:
        return None
    model = model_of(stored)
    if model.hash == stored.manifest["model"]["hash"]:
        return model
    typer.echo(
        f"The report has no frames: {model.name} has other weights now than when the run was made.",
        err=True,
    )
    return None
