"""The command ``sdlab lint``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sdlab.cli.options import Csv, Fields, Texts, pairs
from sdlab.cli.registry import command
from sdlab.cli.terminal import show
from sdlab.experiment.experiment import Experiment

SCHEDULE = "num_steps curve curve_options eta guidance_scale guidance_rescale"


@command()
def lint(
    *,
    name: Annotated[str, typer.Argument(help="A name of `sdlab schedulers`.")],
    schedule: Annotated[dict[str, Any], Fields(Experiment, SCHEDULE, guidance_scale=None)],
    option: Texts = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="scheduler_config.json of the model, in its pipeline's folder if the times that"
            " the pipeline hands over are to count; else SD 1.x's."
        ),
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(help="Latent tokens of the picture, for flow matching.")
    ] = None,
    mu: Annotated[
        float | None, typer.Option(help="Logarithm of flow matching's shift, if not by the tokens.")
    ] = None,
    csv: Csv = False,
) -> None:
    """Say what is wrong or worth knowing about a schedule; exit code 1 if there are errors."""
    import sdlab
    from sdlab.linting.config_file import pipeline_around
    from sdlab.solvers.from_diffusers import SD_CONFIG

    judged = read_config_file(config) if config else SD_CONFIG
    given = pairs("option", option)
    if config:
        schedule["pipeline"], note = pipeline_around(config, judged, schedule["num_steps"])
        if note and schedule.get("curve") is None:  # a curve goes before times handed over
            typer.echo(f"sdlab: note: {note}", err=True)
    table = sdlab.lint(name, config=judged, options=given, tokens=tokens, mu=mu, **schedule)
    if csv:
        show(table, csv)
    elif table.empty:
        typer.echo("Nothing to say.")
    for row in table.itertuples() if not csv else ():
        typer.echo(f"{row.severity:7}  {row.rule}: {row.message}")
        typer.echo(f"         -> {row.fix}")
    if (table["severity"] == "error").any():
        raise typer.Exit(1)


def read_config_file(path: Path) -> dict[str, Any]:
    """Return the entries of a scheduler_config.json.

    Raises:
        ValueError: If it cannot be read, or is no such file.
    """
    from sdlab.linting.config_file import read_config

    try:
        return read_config(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
