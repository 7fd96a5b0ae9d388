"""The commands ``sdlab runs`` and ``sdlab runs ls``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sdlab.cli.options import FILTERS, Csv, Fields, Root, Words
from sdlab.cli.registry import alone, command
from sdlab.cli.terminal import show
from sdlab.runs import runs_root
from sdlab.runs.search import ALL, Search

FOLDED = "folded"
SHOWN = ("run", "created", "prompt", "solver", "num_steps", "seed", "model", "problem")


@alone("runs")
def runs(context: typer.Context, root: Root = None, csv: Csv = False) -> None:
    """List the stored runs, the newest first; or find, mark, delete and restore them."""
    if context.invoked_subcommand is None:
        _list(root, csv)


@command("runs")
def ls(
    *,
    words: Words = None,
    filters: Annotated[dict[str, Any], Fields(Search, FILTERS)],
    order: Annotated[str, typer.Option(help="Column to sort by.")] = "created",
    ascending: Annotated[bool, typer.Option("--ascending", help="The least first.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="The most rows.")] = None,
    comparison: Annotated[
        str,
        typer.Option(
            help="Id of a comparison or sweep, for its runs; all: every run; alone: others."
        ),
    ] = FOLDED,
    root: Root = None,
    csv: Csv = False,
) -> None:
    """List the stored runs that have what is asked for; those of a comparison or sweep in one row.

    As CSV every run has a row.
    """
    text = " ".join(words or ())
    search = {"text": text, "order": order, "descending": not ascending, **filters}
    _list(root, csv, comparison, limit, **search)


def _list(
    root: Path | None,
    csv: bool,
    comparison: str = FOLDED,
    limit: int | None = None,
    **search: Any,
) -> None:
    from sdlab.runs.listing import list_folded, list_runs

    if comparison == FOLDED and not csv:
        table = list_folded(root, limit=limit, **search)
    else:
        of = ALL if comparison == FOLDED else comparison
        table = list_runs(root, limit=limit, comparison=of, **search)
    if csv:
        show(table, csv)
    elif table.empty and search:
        typer.echo(f"No run in {root or runs_root()} has all that.")
    elif table.empty:
        typer.echo(f"No runs in {root or runs_root()} yet; `sdlab run PROMPT` makes one.")
    else:
        columns = list(dict.fromkeys([*SHOWN, search.get("order", "run")]))
        show(table[columns].assign(created=table["created"].dt.strftime("%Y-%m-%d %H:%M")), csv)
