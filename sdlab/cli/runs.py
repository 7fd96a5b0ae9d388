"""The commands ``sdlab runs`` and ``sdlab runs ls``."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from sdlab.cli.options import Csv, Root
from sdlab.cli.registry import alone, command
from sdlab.cli.terminal import show
from sdlab.runs import runs_root

SHOWN = ("run", "created", "prompt", "solver", "num_steps", "seed", "model", "problem")
Names = list[str] | None


@alone("runs")
def runs(context: typer.Context, root: Root = None, csv: Csv = False) -> None:
    """List the stored runs, the newest first; or find, mark, delete and restore them."""
    if context.invoked_subcommand is None:
        _list(root, csv)


@command("runs")
def ls(
    words: Annotated[
        Names, typer.Argument(help="Words that prompt, note, id ... must have.")
    ] = None,
    solver: Annotated[Names, typer.Option(help="Only of this solver. Again for another.")] = None,
    model: Annotated[Names, typer.Option(help="Only of this model. Again for another.")] = None,
    tag: Annotated[Names, typer.Option(help="Only with this tag. Again: with both.")] = None,
    star: Annotated[bool, typer.Option("--star", help="Only those with a star.")] = False,
    since: Annotated[
        datetime | None, typer.Option(help="Only since this day or time, UTC.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(help="Only before this day or time, UTC.")
    ] = None,
    order: Annotated[str, typer.Option(help="Column to sort by.")] = "created",
    ascending: Annotated[bool, typer.Option("--ascending", help="The least first.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="The most rows.")] = None,
    root: Root = None,
    csv: Csv = False,
) -> None:
    """List the stored runs that have what is asked for."""
    _list(
        root,
        csv,
        text=" ".join(words or ()),
        solver=tuple(solver or ()),
        model=tuple(model or ()),
        tag=tuple(tag or ()),
        star=star,
        since=since,
        until=until,
        order=order,
        descending=not ascending,
        limit=limit,
    )  # fmt: skip


def _list(root: Path | None, csv: bool, **search: Any) -> None:
    from sdlab.runs.listing import list_runs

    table = list_runs(root, **search)
    if csv:
        show(table, csv)
    elif table.empty and search:
        typer.echo(f"No run in {root or runs_root()} has all that.")
    elif table.empty:
        typer.echo(f"No runs in {root or runs_root()} yet; `sdlab run PROMPT` makes one.")
    else:
        columns = list(dict.fromkeys([*SHOWN, search.get("order", "run")]))
        show(table[columns].assign(created=table["created"].dt.strftime("%Y-%m-%d %H:%M")), csv)
