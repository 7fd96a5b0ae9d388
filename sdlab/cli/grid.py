"""The command ``sdlab grid``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sdlab.cli.options import Fields, Loading, Root
from sdlab.cli.registry import command
from sdlab.cli.terminal import Prompted, progress
from sdlab.experiment.experiment import Experiment
from sdlab.runs import runs_root

Vary = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD=VALUES",
        help='An axis: "cfg=2, 4, 8", "steps=10-30 (+10)", "solver=ddim, heun". Again for another.',
    ),
]


@command(cls=Prompted)
def grid(
    *,
    spec: Annotated[dict[str, Any], Fields(Experiment)],
    vary: Vary = None,
    seeds: Annotated[str | None, typer.Option(help="Such as 1-4 or 1, 5, 7: a last axis.")] = None,
    shared: Annotated[
        bool,
        typer.Option(
            "--shared/--alone",
            help="Share network calls, which is quicker; alone each has the bits of `sdlab run`.",
        ),
    ] = False,
    sheet: Annotated[
        Path | None, typer.Option(help="File of the contact sheet; else grid-ID.png.")
    ] = None,
    table: Annotated[Path | None, typer.Option(help="File for a CSV of all pictures.")] = None,
    loading: Annotated[dict[str, Any], Fields(Loading)],
    root: Root = None,
) -> None:
    """Vary an experiment along one to three axes; write a labelled contact sheet."""
    import sdlab
    from sdlab.comparing.engine_runner import engine_runner
    from sdlab.experiment.grid import Grid
    from sdlab.runs.atomic import write_file
    from sdlab.runs.contact_sheet import stored_sheet
    from sdlab.runs.export import csv_bytes
    from sdlab.runs.grids import grid_table, save_grid
    from sdlab.work import finish

    asked = Grid(Experiment(**spec), _axes(vary, seeds))
    place = root or runs_root()
    with progress(lines=True) as advance:
        loaded = sdlab.load(asked.base.model, **loading)
        for experiment in asked.experiments:  # what this model refuses is said before the first run
            sdlab.plan(loaded, experiment)
        runs = finish(engine_runner(loaded, place, mix=shared)(asked.experiments), advance)
    errors = {run: str(found) for run, found in runs.items() if isinstance(found, Exception)}
    for run, error in errors.items():
        typer.echo(f"sdlab: warning: run {run} failed: {error}", err=True)
    save_grid(asked, place)
    png, manifests = stored_sheet(place, asked, errors)
    target = sheet or Path(f"grid-{asked.id}.png")
    typer.echo(str(write_file(target, lambda stream: stream.write(png))))
    if table is not None:
        data = csv_bytes(grid_table(asked, manifests, errors))
        typer.echo(str(write_file(table, lambda stream: stream.write(data))))


def _axes(vary: list[str] | None, seeds: str | None) -> list[tuple[str, str]]:
    axes = []
    for text in vary or []:
        field, equals, values = text.partition("=")
        if not equals:
            raise ValueError(f'--vary must be FIELD=VALUES, such as "cfg=2, 4, 8"; got {text!r}.')
        axes.append((field.strip(), values))
    if seeds is not None:
        axes.append(("seed", seeds))
    if not axes:
        raise ValueError('Name an axis, such as --vary "cfg=2, 4, 8", or --seeds 1-4.')
    return axes
