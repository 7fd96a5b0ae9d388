"""The command ``sdlab price``."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from sdlab.cli.compare import OF_EVERY_RUN, numbers
from sdlab.cli.options import Csv, Fields, Loading
from sdlab.cli.registry import command
from sdlab.cli.terminal import Prompted, progress, show
from sdlab.experiment.experiment import Experiment

if TYPE_CHECKING:
    from sdlab.pricing.priced import Priced

SAMPLER = "prompt solver solver_options curve curve_options num_steps eta"


@dataclass(frozen=True)
class Asked:
    """What is measured.

    Attributes:
        speedups: A speed-up's name; a wrong one lists all. Again for another; else all but compile.
        seeds: Such as 0-3 or 1,5,7.
        out: Folder for one CSV file a table.
    """

    speedups: tuple[str, ...] = ()
    seeds: str = "0-3"
    out: Path | None = None


@command(cls=Prompted)
def price(
    *,
    spec: Annotated[
        dict[str, Any],
        Fields(Experiment, f"{SAMPLER} {OF_EVERY_RUN}", solver="dpmpp_2m", curve="karras"),
    ],
    asked: Annotated[dict[str, Any], Fields(Asked)],
    csv: Csv = False,
    loading: Annotated[dict[str, Any], Fields(Loading, "device dtype revision variant config")],
) -> None:
    """Say what half precision, caches, slicing ... cost in picture, told in steps, and save."""
    import sdlab
    from sdlab.pricing.speedup import chosen

    wanted = Asked(**asked)
    names = wanted.speedups or None
    chosen(names)  # before the model is loaded
    seeds = numbers("seeds", wanted.seeds)
    experiment = Experiment(**spec)
    with progress(lines=True) as advance:
        loaded = sdlab.load(experiment.model, **loading)
        priced = sdlab.price(loaded, experiment, names, seeds, advance)
    _print(priced, csv)
    for path in _export(priced, wanted.out):
        typer.echo(str(path), err=csv)


def _print(priced: "Priced", csv: bool) -> None:
    if csv:
        show(priced.table, csv)
        return
    sampler = priced.experiment
    typer.echo(
        f"{sampler.solver} at {sampler.num_steps} steps is off by {priced.own_error:.3g} of the"
        f" picture's standard deviation, against {priced.most} steps."
    )
    names = ["speedup", "share", "good_as", "seconds", "time", "quick_as", "verdict"]
    shown = priced.table[names].copy()
    figures = shown.select_dtypes("float").columns
    shown[figures] = shown[figures].map("{:.3g}".format)
    show(shown, csv)
    typer.echo("")
    for sentence in priced.sentences:
        typer.echo(sentence)


def _export(priced: "Priced", out: Path | None) -> list[Path]:
    from sdlab.runs.atomic import write_file
    from sdlab.runs.export import csv_bytes

    if out is None:
        return []
    return [
        write_file(out / f"{name}.csv", partial(_write, csv_bytes(table)))
        for name, table in priced.tables.items()
    ]


def _write(data: bytes, stream: BinaryIO) -> None:
    stream.write(data)
