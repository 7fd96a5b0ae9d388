"""The command ``sdlab runs tidy``."""

from typing import Annotated

import typer

from sdlab.cli.options import Root
from sdlab.cli.registry import command
from sdlab.runs import runs_root


@command("runs")
def tidy(
    days: Annotated[
        float | None, typer.Option(help="Days after which a run goes to the trash.")
    ] = None,
    gib: Annotated[
        float | None, typer.Option(help="GiB that all runs may take; the oldest go first.")
    ] = None,
    gib_each: Annotated[
        float | None, typer.Option(help="GiB that the runs of one person may take, likewise.")
    ] = None,
    trash_days: Annotated[
        float | None,
        typer.Option(help="Days after which what lies in the trash is deleted for ever."),
    ] = None,
    sure: Annotated[
        bool, typer.Option("--clock-is-right", help="Believe ages though the clock has jumped.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    root: Root = None,
) -> None:
    """Move runs to the trash by age and size; those with a star or a tag stay."""
    from sdlab.models.memory import readable
    from sdlab.runs.retention import Retention, plan
    from sdlab.runs.retention import tidy as tidy_away

    rules = Retention(days, gib, gib_each, trash_days)
    if not rules.set:
        raise ValueError("Say what is to go: --days, --gib, --gib-each or --trash-days.")
    done = (plan if dry_run else tidy_away)(root or runs_root(), rules, sure=sure)
    for run in done.runs:
        made = run.created.strftime("%Y-%m-%d")
        typer.echo(f"{run.run}  {made}  {readable(run.bytes)}  {run.why}")
    would = "would be " if dry_run else ""
    size = readable(sum(run.bytes for run in done.runs))
    gone = readable(sum(deleted.bytes for deleted in done.trash))
    typer.echo(
        f"{len(done.runs):,} {would}moved to the trash, {size}; {len(done.trash):,} of the trash"
        f" {would}deleted for ever, {gone}."
    )
    if done.doubt:
        typer.echo(f"sdlab: {done.doubt} --clock-is-right says that it is.", err=True)
