"""The command ``sdlab compare``."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from sdlab.cli.terminal import Root, progress, show
from sdlab.errors import shown
from sdlab.runs import runs_root

if TYPE_CHECKING:
    from sdlab.comparing.result import Result

MOST_NUMBERS = 10_000


def compare(
    samplers: Annotated[
        list[str] | None, typer.Argument(help="Names of `sdlab schedulers`, or --preset.")
    ] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="Again for another.")] = None,
    seeds: Annotated[str, typer.Option(help="Such as 0-3 or 1,5,7.")] = "0",
    preset: Annotated[
        str | None, typer.Option(help="Named samplers, e.g. 'two orders'; a wrong name lists all.")
    ] = None,
    budget: Annotated[int, typer.Option(help="Steps or evaluations looked at in detail.")] = 20,
    more: Annotated[str, typer.Option(help="Further ones for error against cost: 5,10,40.")] = "",
    align: Annotated[str, typer.Option(help="What a budget counts: steps, nfe.")] = "steps",
    curve: Annotated[str, typer.Option(help="How sigma falls; none: the model's own.")] = "karras",
    negative_prompt: Annotated[str, typer.Option(help="What to steer away from.")] = "",
    guidance_scale: Annotated[float, typer.Option(help="1 or less: no guidance.")] = 4.0,
    guidance_rescale: Annotated[float, typer.Option(help="0 ... 1.")] = 0.0,
    width: Annotated[int | None, typer.Option(help="Pixels, a multiple of 8.")] = None,
    height: Annotated[int | None, typer.Option(help="Pixels, a multiple of 8.")] = None,
    model: Annotated[str, typer.Option(help="embedded, a folder, a file, a hub id.")] = "embedded",
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, float16, bfloat16.")] = None,
    reference_steps: Annotated[int, typer.Option(help="Of the reference, Heun; even.")] = 100,
    target: Annotated[float, typer.Option(help="The error that the verdict asks for.")] = 0.05,
    fast: Annotated[
        bool, typer.Option("--fast", help="Compute in bfloat16, the reference not.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for one CSV file a table.")] = None,
    zip: Annotated[
        Path | None, typer.Option(help="File for one zip: verdict, tables, pictures.")
    ] = None,
    with_runs: Annotated[
        bool, typer.Option("--with-runs", help="Add every run and reference to that zip.")
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print the cost table only, as CSV.")] = False,
    root: Root = None,
) -> None:
    """Compare samplers on the same noise; print error against cost, and a verdict."""
    import sdlab
    from sdlab.comparing.presets import preset as samplers_of
    from sdlab.denoisers.network import uses_guidance
    from sdlab.text.notes import ignored_negative

    if preset and samplers:
        raise ValueError(f"Name samplers or --preset, not both: got {samplers} and {preset!r}.")
    if not prompt:
        raise ValueError("--prompt must be given: what to draw.")
    if with_runs and not zip:
        raise ValueError("--with-runs needs --zip FILE, to which the runs are added.")
    entrants = samplers_of(preset) if preset else [sdlab.Entrant(name) for name in samplers or ()]
    if not entrants:
        raise ValueError("Name samplers to compare, such as: sdlab compare heun dpmpp_2m.")
    spec = sdlab.Comparison(
        entrants=tuple(entrants),
        prompts=tuple(prompt),
        seeds=numbers("seeds", seeds),
        budget=budget,
        more_budgets=numbers("more", more) if more else (),
        align=align,
        curve=None if curve == "none" else curve,
        negative_prompt=negative_prompt,
        guidance_scale=guidance_scale,
        guidance_rescale=guidance_rescale,
        width=width,
        height=height,
        model=model,
        reference_steps=reference_steps,
        fast=fast,
    )
    place = root or runs_root()
    with progress() as advance:
        loaded = sdlab.load(model, device=device, dtype=dtype)
        result = sdlab.compare(loaded, spec, on_progress=advance, save=place, target=target)
    note = ignored_negative(negative_prompt, guidance_scale, uses_guidance(loaded, guidance_scale))
    if note:
        typer.echo(f"sdlab: warning: {note}", err=True)
    _print(result, csv)
    for path in _export(result, place, out, zip, with_runs):
        typer.echo(str(path), err=csv)


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


def _export(
    result: "Result", root: Path, out: Path | None, zip: Path | None, runs: bool
) -> list[Path]:
    """Write what is asked for and return all paths, the stored result's first."""
    from sdlab.comparing.export import write_zip
    from sdlab.comparing.result import result_path
    from sdlab.runs.atomic import write_file
    from sdlab.runs.export import csv_bytes

    paths = [result_path(root, result.id)]
    for name, table in result.tables.items():
        if out:
            write = partial(_write, csv_bytes(table))
            paths.append(write_file(out / f"{name}.csv", write))
    if zip:
        paths.append(write_file(zip, lambda stream: write_zip(result, stream, root, runs=runs)))
    return paths


def _write(data: bytes, stream: BinaryIO) -> None:
    stream.write(data)
