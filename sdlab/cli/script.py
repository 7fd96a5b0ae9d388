"""The command ``sdlab script``."""

from pathlib import Path
from typing import Annotated

import typer

from sdlab.cli.options import Root
from sdlab.cli.registry import command
from sdlab.runs import find_run, runs_root


@command()
def script(
    run: Annotated[str, typer.Argument(help="The run's id, or how it begins.")],
    out: Annotated[Path | None, typer.Option(help="File to write; else it is printed.")] = None,
    root: Root = None,
) -> None:
    """Print a script of diffusers alone, without sdlab, that makes a stored run's picture."""
    import sdlab
    from sdlab.reproducing.rerun import model_of
    from sdlab.runs.atomic import write_file

    stored = sdlab.open_run(find_run(root or runs_root(), run))
    text = sdlab.diffusers_script(model_of(stored), stored.experiment)
    if out is None:
        typer.echo(text, nl=False)
    else:
        typer.echo(str(write_file(out, lambda stream: stream.write(text.encode()))))
