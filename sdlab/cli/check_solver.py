"""The command ``sdlab check-solver``."""

from typing import Annotated

import typer

from sdlab.cli.registry import command


@command()
def check_solver(
    name: Annotated[str, typer.Argument(help="A solver's short name, or a Python file with some.")],
) -> None:
    """Check that a solver keeps its contract; exit code 1 if it does not."""
    import sdlab
    from sdlab.solvers.plugins import from_file

    names = from_file(name) if name.endswith(".py") else [name]
    findings = [(which, found) for which in names for found in sdlab.check_solver(which)]
    for which, found in findings:
        typer.echo(f"{which}: {found.rule}: {found.message}")
    if findings:
        raise typer.Exit(1)
    typer.echo(f"{', '.join(names)}: all is well")
