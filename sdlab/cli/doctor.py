"""The command ``sdlab doctor``."""

import typer

from sdlab.cli.options import Root
from sdlab.cli.registry import command
from sdlab.runs import runs_root


@command()
def doctor(root: Root = None) -> None:
    """Check this machine: versions, device, memory, weights, run folder, dashboard."""
    from sdlab.cli.checks import examine

    checks = examine(root or runs_root())
    for check in checks:
        typer.echo(f"{check.status:4}  {check.name}: {check.detail}")
        if check.fix:
            typer.echo(f"      -> {check.fix}")
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(1)
