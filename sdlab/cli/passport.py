"""The command ``sdlab passport``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdlab.cli.options import Csv, Texts, pairs
from sdlab.cli.registry import command
from sdlab.cli.terminal import show

if TYPE_CHECKING:
    from sdlab.passports.passport import Passport


@command()
def passport(
    engine: Annotated[
        str,
        typer.Argument(
            help="diffusers, comfyui, a1111, forge, invokeai, k-diffusion; or a picture, workflow"
            " or scheduler_config.json, whose passport is read off; the options below replace what"
            " it says."
        ),
    ],
    model: Annotated[
        str | None, typer.Option(help="sd15, sdxl, flux-dev, ...; or a scheduler_config.json.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="By the engine's own name; else its default.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, max=1000, help="As the engine counts them; else 20.")
    ] = None,
    denoise: Annotated[
        float | None, typer.Option(help="Above 0 up to 1: img2img's strength; else 1.")
    ] = None,
    option: Texts = None,
    equal: Annotated[
        str | None, typer.Option(help="Another engine: its setting that equals this one.")
    ] = None,
    export: Annotated[
        str | None, typer.Option(help="Print for comfyui, diffusers or k-diffusion.")
    ] = None,
    csv: Csv = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Say which sigmas a program really runs for a model, scheduler and number of steps."""
    from sdlab.passports.passport import passport as made_of

    said = {"scheduler": scheduler, "num_steps": steps, "denoise": denoise}
    given: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    given |= pairs("option", option)
    if Path(engine).is_file():
        made = _of_file(Path(engine), model, given)
    else:
        made = made_of(engine, model or "sd15", **given)
    if export is not None:
        typer.echo(_exported(made, export), nl=export != "comfyui")
    elif equal is not None:
        _equal(made, equal, as_json)
    elif as_json:
        typer.echo(json.dumps(made.to_dict(), indent=2))
    else:
        _shown(made, csv)


def _of_file(path: Path, model: str | None, options: dict[str, Any]) -> "Passport":
    from sdlab.passports.reading import read_passport

    return read_passport(path, model, **options)


def _exported(made: "Passport", kind: str) -> str:
    from sdlab.errors import unknown
    from sdlab.passports.export import FORMATS

    if kind not in FORMATS:
        raise ValueError(unknown("export", kind, FORMATS))
    return FORMATS[kind](made) + ("\n" if kind == "comfyui" else "")


def _equal(made: "Passport", engine: str, as_json: bool) -> None:
    from sdlab.passports.comparing import equal_setting

    match = equal_setting(made, engine)
    if as_json:
        facts = {
            "same": match.comparison.same,
            "distance": match.comparison.distance,
            "sentence": match.sentence,
            "comparison": match.comparison.sentence,
            "passport": match.passport.to_dict(),
        }
        typer.echo(json.dumps(facts, indent=2))
    else:
        typer.echo(f"{match.sentence}\n{match.comparison.sentence}")


def _shown(made: "Passport", csv: bool) -> None:
    import pandas as pd

    table = pd.DataFrame(
        {
            "step": range(len(made.sigmas)),
            "sigma": made.sigmas,
            "timestep": [*made.timesteps, float("nan")],
        }
    )
    if csv:
        show(table, True)
        return
    typer.echo(made.title)
    typer.echo(
        f"{made.steps} steps, {made.evaluations} evaluations; the start's noise is scaled by"
        f" {made.noise_scale:.6g}."
    )
    unit = "time t of flow matching" if made.path == "flow" else "noise over signal"
    typer.echo(f"sigma is the {unit}. Source: {made.source}.")
    for note in made.notes:
        typer.echo(f"- {note}")
    show(table.assign(sigma=[f"{sigma:.9g}" for sigma in made.sigmas]), False)
