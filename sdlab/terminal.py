"""What the commands share: arguments, tables, a progress bar, errors told in one line."""

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdlab.errors import SdlabError

if TYPE_CHECKING:
    import pandas as pd

Texts = Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Again for another.")]
Root = Annotated[Path | None, typer.Option(help="Folder of all runs; else SDLAB_RUNS, else runs.")]


def clean(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with its errors told in one line, and their exit codes."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (ValueError, SdlabError) as error:
            typer.echo(f"sdlab: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(2 if isinstance(error, ValueError) else 1) from None

    return wrapped


def pairs(name: str, texts: list[str] | None) -> dict[str, Any]:
    """Return NAME=VALUE texts as a dict; a value that is JSON is taken as such.

    Raises:
        ValueError: If a text is not NAME=VALUE; ``name`` says whose.
    """
    out = {}
    for text in texts or []:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise ValueError(f"--{name} must be NAME=VALUE, got {text!r}.")
        try:
            out[key] = json.loads(value)
        except ValueError:
            out[key] = value
    return out


def show(table: "pd.DataFrame", csv: bool) -> None:
    """Print a table, for people or as CSV."""
    if csv:
        from sdlab.store.export import csv_bytes

        typer.echo(csv_bytes(table), nl=False)
        return
    import pandas as pd
    from rich.console import Console
    from rich.table import Table

    grid = Table(*map(str, table.columns), box=None, pad_edge=False)
    for row in table.itertuples(index=False):
        grid.add_row(*("" if pd.isna(value) else str(value) for value in row))
    Console(width=None if sys.stdout.isatty() else 240, markup=False).print(grid)


class progress:
    """A progress bar on stderr, gone when the work is done; silent where nobody watches.

    Args:
        total: Evaluations in all, if that is known.
    """

    def __init__(self, total: int | None = None) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._bar = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("evaluations", total=total)

    def __enter__(self) -> Callable[..., None]:
        """Return what takes (done) or (done, total)."""
        self._bar.start()
        return self._advance

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _advance(self, done: int, total: int | None = None) -> None:
        self._bar.update(self._task, completed=done, total=total)
