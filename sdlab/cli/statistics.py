"""The command ``sdlab statistics``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from sdlab.cli.compare import numbers
from sdlab.cli.options import Fields, Loading
from sdlab.cli.registry import command
from sdlab.cli.terminal import Prompted, progress
from sdlab.experiment.experiment import Experiment


@dataclass(frozen=True)
class Measuring:
    """How the statistics are measured.

    Attributes:
        seeds: Of the pictures along whose courses is measured, such as 0-15.
        levels: Noise levels; each takes three network calls a picture.
        name: Of the solver that they make, and of its files.
        out: Folder of solver plug-ins that it goes to.
    """

    seeds: str = "0-15"
    levels: int = 120
    name: str = "dpm_solver_v3"
    out: Path = Path("solvers")


@command(cls=Prompted)
def statistics(
    *,
    spec: Annotated[
        dict[str, Any],
        Fields(Experiment, "prompt negative_prompt guidance_scale width height model"),
    ],
    measuring: Annotated[dict[str, Any], Fields(Measuring)],
    loading: Annotated[dict[str, Any], Fields(Loading, "device dtype revision variant config")],
) -> None:
    """Measure what DPM-Solver-v3 needs to know of a model, and write the solver made of it."""
    import sdlab
    from sdlab.fitting.plugin import check_name, write_plugin
    from sdlab.fitting.statistics import model_statistics

    asked = Measuring(**measuring)
    check_name(asked.name)
    seeds = numbers("seeds", asked.seeds)
    experiment = Experiment(**spec)
    with progress(lines=True) as advance:
        loaded = sdlab.load(experiment.model, **loading)
        found = model_statistics(loaded, experiment, seeds, asked.levels, advance)
    for path in write_plugin(asked.out, asked.name, found):
        typer.echo(str(path))
    typer.echo(f"sdlab --solvers {asked.out} run ... --solver {asked.name}", err=True)
