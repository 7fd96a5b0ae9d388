"""The command ``sdlab train``."""

import typer

from sdlab.cli.registry import command


@command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def train(context: typer.Context) -> None:
    """Train the embedded model anew; `sdlab train --help` tells how.

    The exit code is 3 when it was stopped by --minutes or SIGTERM and can go on.
    """
    from sdlab.training.train import main

    code = main(context.args)
    if code:
        raise typer.Exit(code)
