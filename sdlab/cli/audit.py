"""The command ``sdlab audit``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sdlab.cli.options import Texts, pairs
from sdlab.cli.registry import command
from sdlab.cli.terminal import progress


@command()
def audit(
    sampler: Annotated[
        str,
        typer.Argument(
            help="A solver, a diffusers class, or a Python file with a function of k-diffusion's"
            " shape: FILE.py or FILE.py:function."
        ),
    ],
    option: Texts = None,
    path: Annotated[
        str | None, typer.Option(help="vp, or flow for flow matching's; else both.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the particles and of the noise.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write it as Markdown to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Measure what a sampler is worth: order, cost, floor, noise, and which known one it equals."""
    from sdlab.auditing.audit import audit as measured
    from sdlab.auditing.report import lines, markdown
    from sdlab.bench.data import PATHS

    with progress() as advance:
        found = measured(
            sampler,
            options=pairs("option", option),
            paths=(path,) if path else PATHS,
            seed=seed,
            progress=advance,
        )
    if out is not None:
        out.write_text(markdown(found), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
    else:
        typer.echo("\n".join(lines(found)))
