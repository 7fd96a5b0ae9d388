"""The command ``sdlab sweep``."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdlab.cli.executors import Place, executor_of
from sdlab.cli.options import Fields, Loading, Root
from sdlab.cli.registry import command
from sdlab.cli.terminal import progress, show
from sdlab.runs import runs_root

if TYPE_CHECKING:
    from sdlab.models.model import Model
    from sdlab.sweeping.result import SweepResult
    from sdlab.sweeping.search import Search

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FIELD=VALUES",
        help='In Hydra\'s grammar: solver=heun,ddim "num_steps=range(5,30,5)" seed=0-9.',
    ),
]


@dataclass(frozen=True)
class Source:
    """What is asked for beside the overrides.

    Attributes:
        file: TOML file with base, axes, prompts and seeds; overrides count before it.
        prompts: Text file with a prompt a line.
    """

    file: Path | None = None
    prompts: Path | None = None


@dataclass(frozen=True)
class Way:
    """How the runs are made.

    Attributes:
        dry_run: Say what it will take, and make nothing.
        resume_errored: Try again what failed before.
        alone: Share no network call: bit-identical to `sdlab run`.
    """

    dry_run: bool = False
    resume_errored: bool = False
    alone: bool = False


@dataclass(frozen=True)
class Sought:
    """What is sought, where not all is to be made.

    Attributes:
        search: Let Optuna propose what to make, such as for 'minimize: seconds'.
        trials: How many combinations it tries, each for all seeds and prompts.
        at_once: Of these made together; 1, on slurm as many as jobs, on ray as workers, or 8.
    """

    search: str | None = None
    trials: int = 100
    at_once: int | None = None


@dataclass(frozen=True)
class Output:
    """What is told at the end.

    Attributes:
        measure: A further column: fidelity, brightness, contrast, error. Again for another.
        best: Name the best cell over the seeds, such as 'minimize: seconds'.
        table: File for a CSV of all pictures.
        sheet: File for the contact sheet.
    """

    measure: tuple[str, ...] = ()
    best: str | None = None
    table: Path | None = None
    sheet: Path | None = None


@command()
def sweep(
    *,
    overrides: Overrides = None,
    source: Annotated[dict[str, Any], Fields(Source)],
    way: Annotated[dict[str, Any], Fields(Way)],
    unfinished: Annotated[
        bool,
        typer.Option(
            "--resume-unfinished/--no-resume-unfinished",
            help="Make again what was under way when the sweep was killed; else it has failed.",
        ),
    ] = True,
    sought: Annotated[dict[str, Any], Fields(Sought)],
    place: Annotated[dict[str, Any], Fields(Place)],
    output: Annotated[dict[str, Any], Fields(Output)],
    loading: Annotated[dict[str, Any], Fields(Loading)],
    root: Root = None,
) -> None:
    """Vary an experiment along any fields; what is stored already is not made again."""
    import sdlab
    from sdlab.sweeping.measures import measures_of
    from sdlab.sweeping.result import goal_of
    from sdlab.sweeping.sweep_file import sweep_from

    asked, how, to = Source(**source), Way(**way), Output(**output)
    if not overrides and asked == Source():
        raise ValueError("Name fields, such as: sdlab sweep 'prompt=a cat' solver=heun,ddim.")
    measures_of(to.measure)
    if to.best is not None:
        goal_of(to.best)
    search = _search(Sought(**sought), to)
    on = executor_of(Place(**place), loading)
    spec = sweep_from(overrides or (), asked.file, asked.prompts)
    folder = root or runs_root()
    loaded = sdlab.load(spec.base.model, **loading)
    if how.dry_run:
        _estimate(loaded, spec, folder, how, to.measure)
        return
    counted = "evaluations" if search is None else "trials"
    with progress(of=counted, lines=True) as advance:
        result = sdlab.sweep(
            loaded, spec, on_progress=advance, root=folder, alone=how.alone, measures=to.measure,
            resume_errored=how.resume_errored, resume_unfinished=unfinished, on=on,
            search=search,
        )  # fmt: skip
    _tell(result, to, search)


def _estimate(model: "Model", spec: Any, root: Path, how: Way, measures: tuple[str, ...]) -> None:
    from sdlab.models.memory import readable
    from sdlab.sweeping.estimate import estimate
    from sdlab.sweeping.measures import measures_of

    mix, measured = not how.alone, measures_of(measures)
    found = estimate(model, spec, root, mix, how.resume_errored, measured)
    for run, error in found.refused.items():
        typer.echo(f"sdlab: warning: run {run} cannot be made: {error}", err=True)
    kept = f"{found.stored:,} stored, {found.failed:,} failed, {len(found.refused):,} impossible"
    typer.echo(f"runs         {found.runs:,}: {found.missing:,} to make, {kept}")
    typer.echo(f"evaluations  {found.evaluations:,}")
    typer.echo(f"time         about {_duration(found.seconds)}")
    typer.echo(f"memory       about {readable(found.memory_bytes)} beside the model")
    room = f"at most {readable(found.disk_bytes)}; {readable(found.free_bytes)} are free"
    typer.echo(f"disk         {room}")


def _search(sought: Sought, to: Output) -> "Search | None":
    if sought.search is None:
        return None
    from sdlab.sweeping.measures import measures_of
    from sdlab.sweeping.search import Search

    search = Search(sought.search, sought.trials, sought.at_once)
    search.with_measure(measures_of(to.measure))
    return search


def _tell(result: "SweepResult", to: Output, search: "Search | None") -> None:
    from sdlab.runs.atomic import write_file
    from sdlab.runs.export import csv_bytes

    counts = result.table["state"].value_counts()
    failed = result.table[result.table["state"] == "failed"]
    for run, error in zip(failed["run"], failed["error"], strict=True):
        typer.echo(f"sdlab: warning: run {run} failed: {error}", err=True)
    typer.echo(f"sweep {result.id}: " + ", ".join(f"{n:,} {state}" for state, n in counts.items()))
    if (goal := to.best or (search.goal if search else None)) is not None:
        import pandas as pd

        show(pd.DataFrame([result.best(goal)]), csv=False)
    if to.table is not None:
        typer.echo(str(write_file(to.table, partial(_write, csv_bytes(result.table)))))
    if to.sheet is not None:
        typer.echo(str(write_file(to.sheet, partial(_write, result.sheet()))))


def _write(data: bytes, stream: Any) -> None:
    stream.write(data)


def _duration(seconds: float) -> str:
    """Return a time in words: "12 s", "3 min", "2.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
