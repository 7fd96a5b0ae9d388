"""The command ``sdlab runs restore``."""

import typer

from sdlab.cli.options import Ids, Kind, Root
from sdlab.cli.registry import command
from sdlab.runs import TRASH, find_run, runs_root


@command("runs")
def restore(runs: Ids, of: Kind = "run", root: Root = None) -> None:
    """Put back what lies in the trash."""
    from sdlab.runs import trash

    place = root or runs_root()
    names = [find_run(place / TRASH, run).name for run in runs] if of == trash.RUN else runs
    for name in names:
        typer.echo(str(trash.restore(place, of, name)))
