"""What the commands share: prompts, tables, a progress bar, errors told in one line."""

import functools
import io
import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from sdlab.errors import SdlabError, brief

if TYPE_CHECKING:
    import pandas as pd


# What can only be meant as an option: --name, --name=value, -h.
_OPTION = re.compile(r"--[\w-]+(=.*)?|-[^\W\d]", re.DOTALL)


class Prompted(TyperCommand):
    """A command whose argument is a prompt, which may begin with a minus sign as any other.

    Such a command has no options of one letter. What looks like one of its options still is one;
    ``--`` before it makes it a prompt.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, those that can be no options set behind ``--``."""
        takes_value = {
            name: not getattr(param, "is_flag", False)
            for param in self.get_params(ctx)
            for name in (*param.opts, *param.secondary_opts)
        }
        options: list[str] = []
        prompts: list[str] = []
        rest = iter(args)
        for word in rest:
            if word == "--":
                prompts += rest
            elif takes_value.get(word):
                options += [word, *(value for value in [next(rest, None)] if value is not None)]
            elif _OPTION.fullmatch(word):
                options.append(word)
            else:
                prompts.append(word)
        return super().parse_args(ctx, [*options, "--", *prompts])


def any_letter() -> None:
    """Let stdout take any letter, whatever the machine's code page.

    A file or pipe gets UTF-8, unless ``PYTHONIOENCODING`` asks for something else; what that or a
    terminal cannot show is written as its code, such as U+732B's, after a backslash.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        free = not sys.stdout.isatty() and "PYTHONIOENCODING" not in os.environ
        sys.stdout.reconfigure(encoding="utf-8" if free else None, errors="backslashreplace")


def clean(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with its errors told in one line, and their exit codes."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (ValueError, SdlabError) as error:
            typer.echo(f"sdlab: {brief(' '.join(str(error).split()))}", err=True)
            raise typer.Exit(2 if isinstance(error, ValueError) else 1) from None
        except BrokenPipeError:  # whoever read what is printed has gone
            raise
        except OSError as error:  # such as a name too long for any file
            place = f": {error.filename}" if error.filename else ""
            typer.echo(f"sdlab: {brief(f'{error.strerror or error}{place}')}", err=True)
            raise typer.Exit(1) from None

    return wrapped


def show(table: "pd.DataFrame", csv: bool) -> None:
    """Print a table, for people or as CSV."""
    if csv:
        from sdlab.runs.export import csv_bytes

        typer.echo(csv_bytes(table), nl=False)
        return
    import pandas as pd
    from rich.console import Console
    from rich.table import Table

    grid = Table(*map(str, table.columns), box=None, pad_edge=False)
    for row in table.itertuples(index=False):
        grid.add_row(*("" if pd.isna(value) else str(value) for value in row))
    Console(width=None if sys.stdout.isatty() else 240, markup=False).print(grid)


LINES = 20
"""Lines of progress at most, where there is no terminal for a bar."""


class progress:
    """A progress bar on stderr, gone when the work is done.

    Args:
        total: Of the work in all, if that is known.
        of: What is counted.
        lines: Whether to print lines, one each twentieth of the work, where stderr is no terminal;
            else nothing is said there.
    """

    def __init__(
        self, total: int | None = None, *, of: str = "evaluations", lines: bool = False
    ) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._bar = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task(of, total=total)
        self._lines, self._said = lines and not console.is_terminal, -1
        self._of = of

    def __enter__(self) -> Callable[..., None]:
        """Return what takes (done) or (done, total)."""
        self._bar.start()
        return self._advance

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _advance(self, done: int, total: int | None = None) -> None:
        self._bar.update(self._task, completed=done, total=total)
        share = LINES * done // total if total else 0
        if self._lines and total and share > self._said:
            self._said = share
            typer.echo(f"sdlab: {done:,} of {total:,} {self._of}", err=True)
