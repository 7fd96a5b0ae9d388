"""The command ``sdlab schedulers``."""

from pathlib import Path
from typing import Annotated

import typer

from sdlab.cli.lint import read_config_file
from sdlab.cli.registry import command
from sdlab.cli.terminal import show


@command()
def schedulers(
    every: Annotated[bool, typer.Option("--all", help="Also those that do not fit.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, with every column.")] = False,
    model: Annotated[str | None, typer.Option(help="Judge for this model.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="Judge for this scheduler_config.json.")
    ] = None,
) -> None:
    """List every solver and scheduler and what it supports."""
    import sdlab

    if model and config:
        raise ValueError("give --model or --config, not both.")
    judged = read_config_file(config) if config else None
    table = sdlab.schedulers(sdlab.load(model) if model else None, config=judged)
    table = table if every else table[table["compatible"]]
    spelled = {name: table[name].map(" ".join) for name in ("curves", "predictions")}
    if csv:
        show(table.assign(**spelled), csv)
        return
    spelled["curves"] = spelled["curves"].mask(table["custom_sigmas"], "any")
    spelled["noise"] = table["deterministic"].map({True: "no", False: "yes"})
    shown = ["name", "order", "nfe", "noise", "eta", "coordinates", "predictions", "curves"]
    show(table.assign(**spelled)[[*shown, "reason"] if every else shown], csv)
