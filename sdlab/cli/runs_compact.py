"""The command ``sdlab runs compact``."""

import typer

from sdlab.cli.options import Root
from sdlab.cli.registry import command
from sdlab.cli.terminal import progress
from sdlab.runs import runs_root


@command("runs")
def compact(root: Root = None) -> None:
    """Put the tables of many runs into few files; each run is found and opened as before."""
    from sdlab.runs.compact import compact_runs

    with progress(of="runs") as advance:
        done = compact_runs(root or runs_root(), advance)
    typer.echo(
        f"{done.runs:,} runs' tables moved, {done.files:,} files fewer; {done.shards:,} shards."
    )
