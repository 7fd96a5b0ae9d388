"""The command ``sdlab runs rm``."""

import typer

from sdlab.cli.options import Ids, Kind, Root
from sdlab.cli.registry import command
from sdlab.runs import find_run, runs_root


@command("runs")
def rm(runs: Ids, of: Kind = "run", root: Root = None) -> None:
    """Move what is stored to the trash, from where `sdlab runs restore` brings it back."""
    from sdlab.runs.trash import RUN, delete

    place = root or runs_root()
    names = [find_run(place, run).name for run in runs] if of == RUN else runs
    for name in names:
        typer.echo(str(delete(place, of, name)))
