"""The command ``sdlab runs send``."""

from typing import Annotated, Any

import typer

from sdlab.cli.options import FILTERS, Fields, Names, Root, Words, asked
from sdlab.cli.registry import command
from sdlab.runs.search import Search


@command("runs")
def send(
    *,
    words: Words = None,
    to: Annotated[str, typer.Option(help="mlflow or wandb, each an extra of pip's.")],
    filters: Annotated[dict[str, Any], Fields(Search, FILTERS)],
    run: Annotated[
        Names, typer.Option(help="Only this run, or those that begin so. Again for another.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All stored runs.")] = False,
    place: Annotated[
        str | None,
        typer.Option(
            help="MLflow's tracking URI; else MLFLOW_TRACKING_URI. For W&B a folder, into which"
            " runs are written for `wandb sync`; else they are sent."
        ),
    ] = None,
    project: Annotated[str, typer.Option(help="MLflow's experiment or W&B's project.")] = "sdlab",
    root: Root = None,
) -> None:
    """Send stored runs to MLflow or W&B: settings, measures of each evaluation, pictures.

    What MLflow or a folder for W&B has already is not sent again.
    """
    from sdlab.runs.tables import chosen_runs
    from sdlab.sending.sending import Sent, send_runs

    search = asked(words, filters)
    if not (search or run or every):
        raise ValueError("Say which runs: words, --solver and so on, --run ID, or --all.")

    def say(sent: Sent) -> None:
        typer.echo(f"{sent.run}  {sent.place}{'' if sent.new else '  (was there)'}")

    done = send_runs(chosen_runs(root, run, **search)["path"], to, place, project, say)
    new = sum(sent.new for sent in done)
    typer.echo(f"{new:,} sent, {len(done) - new:,} were there.", err=True)
