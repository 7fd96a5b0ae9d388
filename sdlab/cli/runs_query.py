"""The command ``sdlab runs query``."""

from typing import Annotated

import typer

from sdlab.cli.options import Csv, Root
from sdlab.cli.registry import command
from sdlab.cli.terminal import show


@command("runs")
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT, in the SQL of DuckDB.")],
    seconds: Annotated[float, typer.Option(min=0.01, help="After which it is given up.")] = 10.0,
    root: Root = None,
    csv: Csv = False,
) -> None:
    """Print what a SELECT finds in the tables runs, steps, channels, tokens, timings, attention.

    Such as: sdlab runs query "SELECT solver, avg(seconds) FROM runs GROUP BY solver"
    """
    from sdlab.runs.sql import left_out, query_runs

    table = query_runs(sql, root, seconds=seconds)
    show(table, csv)
    if table.attrs["cut"]:
        typer.echo(f"sdlab: only the first {len(table):,} rows; LIMIT and WHERE choose.", err=True)
    if said := left_out(table):
        typer.echo(f"sdlab: {said}", err=True)
