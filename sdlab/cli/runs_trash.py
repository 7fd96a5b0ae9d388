"""The command ``sdlab runs trash``."""

from typing import Annotated

import typer

from sdlab.cli.options import Root
from sdlab.cli.registry import command
from sdlab.runs import runs_root


@command("runs")
def trash(
    empty: Annotated[bool, typer.Option("--empty", help="Delete all of it for ever.")] = False,
    root: Root = None,
) -> None:
    """List what is in the trash, what was deleted last first; or empty it."""
    from sdlab.models.memory import readable
    from sdlab.runs.trash import empty_trash, list_trash

    place = root or runs_root()
    found = list_trash(place)
    for deleted in found if not empty else ():
        time = deleted.deleted.strftime("%Y-%m-%d %H:%M")
        typer.echo(f"{deleted.kind:10}  {deleted.name}  {time}  {readable(deleted.bytes)}")
    count = empty_trash(place) if empty else len(found)
    size = readable(sum(deleted.bytes for deleted in found))
    said = "deleted for ever" if empty else "in the trash"
    typer.echo(f"{count:,} {said}, {size}.")
