"""The command ``sdlab runs table``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sdlab.cli.options import FILTERS, Fields, Names, Root, Words, asked
from sdlab.cli.registry import command
from sdlab.runs.search import Search


@command("runs")
def table(
    *,
    name: Annotated[
        str, typer.Argument(help="runs, steps, channels, tokens, timings or attention.")
    ],
    words: Words = None,
    filters: Annotated[dict[str, Any], Fields(Search, FILTERS)],
    run: Annotated[
        Names, typer.Option(help="Only this run, or those that begin so. Again for another.")
    ] = None,
    setting: Annotated[
        Names, typer.Option(help="Column of runs beside each row, as solver. Again for another.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write, *.csv or *.parquet; else CSV is printed.")
    ] = None,
    root: Root = None,
) -> None:
    """Write one table of many runs, the rows of each below the others'.

    Such as: sdlab runs table steps --solver heun --setting seed --out steps.parquet
    """
    from sdlab.runs import tables

    runs = tables.chosen_runs(root, run, **asked(words, filters))
    if out is not None:
        typer.echo(str(tables.write_table(name, runs, out, setting or ())))
        return
    for block in tables.blocks_of(name, runs, "csv", setting or ()):
        typer.echo(block, nl=False)
