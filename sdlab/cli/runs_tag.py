"""The command ``sdlab runs tag``."""

from typing import Annotated

import typer

from sdlab.cli.options import Ids, Root
from sdlab.cli.registry import command
from sdlab.runs import find_run, runs_root

Tags = list[str] | None


@command("runs")
def tag(
    runs: Ids,
    add: Annotated[Tags, typer.Option(help="A tag to add. Again for another.")] = None,
    remove: Annotated[Tags, typer.Option(help="A tag to take away. Again for another.")] = None,
    star: Annotated[bool | None, typer.Option(help="Give a star, or take it away.")] = None,
    note: Annotated[
        str | None, typer.Option(help='A note in the place of the one before; "" for none.')
    ] = None,
    root: Root = None,
) -> None:
    """Mark stored runs with tags, a star, a note."""
    from sdlab.runs.marks import mark

    if not (add or remove) and star is None and note is None:
        raise ValueError("Nothing to note: pass --add, --remove, --star, --no-star or --note.")
    place = root or runs_root()
    names = [find_run(place, run).name for run in runs]
    mark(place, names, star=star, add=add or (), remove=remove or (), note=note)
