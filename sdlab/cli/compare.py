"""The command ``sdlab compare``."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from sdlab.cli.options import Fields, Loading, Root
from sdlab.cli.registry import command
from sdlab.cli.terminal import progress, show
from sdlab.errors import shown
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.pipeline_fields import PipelineFields
from sdlab.runs import runs_root

if TYPE_CHECKING:
    from sdlab.comparing.comparison import Comparison
    from sdlab.comparing.entrant import Entrant
    from sdlab.comparing.result import Result

MOST_NUMBERS = 10_000
OF_EVERY_RUN = " ".join(
    ("negative_prompt guidance_scale guidance_rescale width height model", *PipelineFields.LATER)
)


@dataclass(frozen=True)
class Costs:
    """What is compared.

    Attributes:
        seeds: Such as 0-3 or 1,5,7.
        budget: Steps or evaluations looked at in detail.
        more: Further ones for error against cost: 5,10,40.
        align: What a budget counts: steps, nfe.
        curve: How sigma falls; none: the model's own.
        reference_steps: Of the reference, Heun; even; 0 for none.
        target: The error that the verdict asks for.
        fast: Compute in bfloat16, the reference not.
    """

    seeds: str = "0"
    budget: int = 20
    more: str = ""
    align: str = "steps"
    curve: str = "karras"
    reference_steps: int = 100
    target: float = 0.05
    fast: bool = False


@dataclass(frozen=True)
class Output:
    """Where the result goes.

    Attributes:
        out: Folder for one CSV file a table.
        zip: File for one zip: verdict, tables, pictures.
        with_runs: Add every run and reference to that zip.
        csv: Print the cost table only, as CSV.
    """

    out: Path | None = None
    zip: Path | None = None
    with_runs: bool = False
    csv: bool = False


@command()
def compare(
    *,
    samplers: Annotated[
        list[str] | None,
        typer.Argument(help="Names of `sdlab schedulers`, such as 'Euler a', or --preset."),
    ] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="Again for another.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="Named samplers, e.g. 'two orders'; a wrong name lists all.")
    ] = None,
    cost: Annotated[dict[str, Any], Fields(Costs)],
    picture: Annotated[dict[str, Any], Fields(Experiment, OF_EVERY_RUN)],
    loading: Annotated[dict[str, Any], Fields(Loading, "device dtype")],
    output: Annotated[dict[str, Any], Fields(Output)],
    root: Root = None,
) -> None:
    """Compare samplers on the same noise; print error against cost, and a verdict."""
    import sdlab
    from sdlab.models.guidance import guidance_of
    from sdlab.text.notes import negative_note

    costs, to = Costs(**cost), Output(**output)
    if preset and samplers:
        raise ValueError(f"Name samplers or --preset, not both: got {samplers} and {preset!r}.")
    if not prompt:
        raise ValueError("--prompt must be given: what to draw.")
    if to.with_runs and not to.zip:
        raise ValueError("--with-runs needs --zip FILE, to which the runs are added.")
    spec = _comparison(_entrants(samplers, preset), prompt, costs, picture)
    place = root or runs_root()
    with progress(lines=True) as advance:
        loaded = sdlab.load(spec.model, **loading)
        result = sdlab.compare(loaded, spec, on_progress=advance, save=place, target=costs.target)
    scales = (spec.guidance_scale, spec.true_cfg_scale)
    note = negative_note(spec.negative_prompt, guidance_of(loaded), *scales)
    if note:
        typer.echo(f"sdlab: warning: {note}", err=True)
    _print(result, to.csv)
    for path in _export(result, place, to):
        typer.echo(str(path), err=to.csv)


def _entrants(samplers: list[str] | None, preset: str | None) -> "Sequence[Entrant]":
    from sdlab.comparing.entrant import Entrant
    from sdlab.comparing.presets import preset as samplers_of

    entrants = samplers_of(preset) if preset else [Entrant(name) for name in samplers or ()]
    if not entrants:
        raise ValueError("Name samplers to compare, such as: sdlab compare heun dpmpp_2m.")
    return entrants


def _comparison(
    entrants: "Sequence[Entrant]", prompts: list[str], costs: Costs, picture: dict[str, Any]
) -> "Comparison":
    from sdlab.comparing.comparison import Comparison

    return Comparison(
        entrants=tuple(entrants),
        prompts=tuple(prompts),
        seeds=numbers("seeds", costs.seeds),
        budget=costs.budget,
        more_budgets=numbers("more", costs.more) if costs.more else (),
        align=costs.align,
        curve=None if costs.curve == "none" else costs.curve,
        reference_steps=costs.reference_steps,
        fast=costs.fast,
        **picture,
    )


def numbers(name: str, text: str) -> tuple[int, ...]:
    """Return the whole numbers of a text such as "0-3" or "1,5,7".

    Raises:
        ValueError: If a part is neither a number nor a range, or there are very many.
    """
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(
                f"--{name} must be whole numbers such as 0-3 or 1,5,7, got {shown(text)}."
            )
        if len(first) > 20 or len(last) > 20:  # no seed has more digits
            raise ValueError(f"--{name} must be numbers of at most 20 digits, got {shown(text)}.")
        numbers = range(int(first), int(last if dash else first) + 1)
        if len(found) + max(0, numbers.stop - numbers.start) > MOST_NUMBERS:
            raise ValueError(
                f"--{name} must be at most {MOST_NUMBERS:,} numbers, got {shown(text)}."
            )
        found += numbers
    return tuple(found)


def _print(result: "Result", csv: bool) -> None:
    cost = result.cost
    if csv:
        show(cost, csv)
        return
    shown = ["entrant", "num_steps", "nfe", "seconds", "error", "low", "high", "pictures", "pareto"]
    three: dict[str, Any] = {
        name: cost[name].map(lambda value: None if value != value else f"{value:.3g}")
        for name in ("seconds", "error", "low", "high")
    }
    show(cost.assign(**three, pareto=cost["pareto"].map({True: "yes", False: ""}))[shown], csv)
    typer.echo("")
    for sentence in result.verdict:
        typer.echo(sentence)


def _export(result: "Result", root: Path, to: Output) -> list[Path]:
    """Write what is asked for and return all paths, the stored result's first."""
    from sdlab.comparing.export import write_zip
    from sdlab.comparing.result import result_path
    from sdlab.runs.atomic import write_file
    from sdlab.runs.export import csv_bytes

    paths = [result_path(root, result.id)]
    for name, table in result.tables.items():
        if to.out:
            write = partial(_write, csv_bytes(table))
            paths.append(write_file(to.out / f"{name}.csv", write))
    if to.zip:
        write = partial(write_zip, result, root=root, runs=to.with_runs)
        paths.append(write_file(to.zip, write))
    return paths


def _write(data: bytes, stream: BinaryIO) -> None:
    stream.write(data)
