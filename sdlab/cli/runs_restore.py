"""The command ``sdlab runs restore``."""

import typer

from sdlab.cli.options import Ids, Root
from sdlab.cli.registry import command
from sdlab.runs import TRASH, find_run, runs_root


@command("runs")
def restore(runs: Ids, root: Root = None) -> None:
    """Put runs back from the trash."""
    from sdlab.runs.trash import restore_run

    place = root or runs_root()
    for folder in [find_run(place / TRASH, run) for run in runs]:
        typer.echo(str(restore_run(place, folder.name)))
