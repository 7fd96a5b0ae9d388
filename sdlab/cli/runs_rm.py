"""The command ``sdlab runs rm``."""

import typer

from sdlab.cli.options import Ids, Root
from sdlab.cli.registry import command
from sdlab.runs import find_run, runs_root


@command("runs")
def rm(runs: Ids, root: Root = None) -> None:
    """Move stored runs to the trash, from where `sdlab runs restore` brings them back."""
    from sdlab.runs.trash import delete_run

    place = root or runs_root()
    for folder in [find_run(place, run) for run in runs]:
        typer.echo(str(delete_run(place, folder.name)))
