"""The command line's commands: each is one file of this folder, found by looking."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from sdlab.cli.options import spread
from sdlab.cli.terminal import any_letter, clean

Command = Callable[..., None]

app = typer.Typer(
    help="The laboratory for diffusion models: run, trace, measure and export every step.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def everywhere(
    solvers: Annotated[
        Path | None, typer.Option(help="Folder of solver plug-ins; else SDLAB_SOLVERS.")
    ] = None,
) -> None:
    """The laboratory for diffusion models: run, trace, measure and export every step."""
    any_letter()
    if solvers is not None:
        os.environ["SDLAB_SOLVERS"] = str(solvers)


def command(group: str = "", **settings: Any) -> Callable[[Command], Command]:
    """Return a decorator that makes a function a command; its name, with hyphens, is the word.

    What it raises is told in one line (``terminal.clean``), and a parameter of ``options.Fields``
    becomes several options.

    Args:
        group: The word before the command's, of those that several commands share.
        settings: As ``typer.Typer.command`` takes them.
    """

    def register(function: Command) -> Command:
        place = _group(group) if group else app
        place.command(**settings)(clean(spread(function)))
        return function

    return register


def alone(group: str) -> Callable[[Command], Command]:
    """Return a decorator that makes a function what a group's word does without a command."""

    def register(function: Command) -> Command:
        _group(group).callback(invoke_without_command=True)(clean(function))
        return function

    return register


@cache
def _group(name: str) -> typer.Typer:
    made = typer.Typer()
    app.add_typer(made, name=name)
    return made
