"""The command ``sdlab runs``."""

import typer

from sdlab.cli.options import Csv, Root
from sdlab.cli.registry import command
from sdlab.cli.terminal import show
from sdlab.runs import runs_root


@command()
def runs(root: Root = None, csv: Csv = False) -> None:
    """List the stored runs, the newest first."""
    from sdlab.runs.listing import list_runs

    table = list_runs(root)
    if csv:
        show(table, csv)
    elif table.empty:
        typer.echo(f"No runs in {root or runs_root()} yet; `sdlab run PROMPT` makes one.")
    else:
        shown = ["run", "created", "prompt", "solver", "num_steps", "seed", "model", "problem"]
        show(table[shown].assign(created=table["created"].dt.strftime("%Y-%m-%d %H:%M")), csv)
