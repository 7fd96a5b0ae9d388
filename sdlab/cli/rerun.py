"""The command ``sdlab rerun``."""

from typing import Annotated, Any

import typer

from sdlab.cli.options import Fields, Loading, Root
from sdlab.cli.registry import command
from sdlab.cli.terminal import progress
from sdlab.runs import find_run, runs_root


@command()
def rerun(
    run: Annotated[str, typer.Argument(help="The run's id, or how it begins.")],
    loading: Annotated[dict[str, Any], Fields(Loading)],
    root: Root = None,
) -> None:
    """Make a stored run again and compare every evaluation; exit code 1 if a bit differs.

    The model is loaded as it was then, but for what is asked for.
    """
    import sdlab
    from sdlab.reproducing import rerun as again

    stored = sdlab.open_run(find_run(root or runs_root(), run))
    asked = {name: value for name, value in loading.items() if value}
    model = again.model_of(stored, **asked)
    with progress() as advance:
        made = again.rerun(stored, model, advance)
    typer.echo(str(made))
    if not made.same:
        raise typer.Exit(1)
