"""The command ``sdlab export``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdlab.cli.options import Root
from sdlab.cli.registry import command
from sdlab.runs import find_run, runs_root
from sdlab.shipped import SHIPPED

if TYPE_CHECKING:
    from sdlab.models.model import Model


@command()
def export(
    run: Annotated[str, typer.Argument(help="The run's id, or how it begins.")],
    csv: Annotated[Path | None, typer.Option(help="Folder for one CSV file a table.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Folder for the Parquet files.")] = None,
    zip: Annotated[Path | None, typer.Option(help="Folder for one zip of everything.")] = None,
    npz: Annotated[Path | None, typer.Option(help="Folder for the attention maps as npz.")] = None,
    safetensors: Annotated[Path | None, typer.Option(help="Folder for the maps as such.")] = None,
    frames: Annotated[
        bool | None,
        typer.Option(
            help="Whether the zip has every kept evaluation as pictures, decoded by the run's"
            " model, which is loaded for it. By default if that is the embedded model."
        ),
    ] = None,
    root: Root = None,
) -> None:
    """Export a stored run's tables, or all of it; print the paths written."""
    from sdlab.runs.export import export_run

    wanted = {"csv": csv, "parquet": parquet, "zip": zip, "npz": npz, "safetensors": safetensors}
    if not any(wanted.values()):
        *flags, last = (f"--{kind}" for kind in wanted)
        raise ValueError(f"Nothing to export: pass {', '.join(flags)} or {last} with a folder.")
    folder = find_run(root or runs_root(), run)
    for kind, directory in wanted.items():
        if directory is None:
            continue
        if kind == "zip" and (model := _model_for(folder, frames)) is not None:
            typer.echo(str(_zip_with_frames(folder, directory, model)))
            continue
        for path in export_run(folder, kind, directory):
            typer.echo(str(path))


def _model_for(folder: Path, frames: bool | None) -> "Model | None":
    """Return the model that decodes a run's frames; None if they are not to be in its zip."""
    from sdlab.runs.run_folder import read_facts

    facts, experiment = read_facts(folder)
    if frames is False:
        return None
    if frames is None and experiment.model not in SHIPPED:
        typer.echo(
            f"The zip has no frames: the model {experiment.model} decodes them. --frames loads it;"
            " --no-frames leaves out this note.",
            err=True,
        )
        return None
    import sdlab

    model = sdlab.load(experiment.model)
    if model.hash == facts["model"]["hash"]:
        return model
    typer.echo(
        f"The zip has no frames: {experiment.model} has other weights now than when the run was"
        " made, and would draw them wrongly.",
        err=True,
    )
    return None


def _zip_with_frames(folder: Path, directory: Path, model: "Model") -> Path:
    """Write the zip of a run with its frames, and return its path."""
    import sdlab
    from sdlab.latents.frames import DECODED, add_frames, frames_of
    from sdlab.runs.atomic import write_file
    from sdlab.runs.export import zip_of

    archive, run = zip_of(folder), sdlab.open_run(folder)
    about = DECODED.format(model=model.name)
    add_frames(archive, frames_of(run, model.decode), f"{run.id}/frames/", lambda: about)
    return write_file(directory / f"{folder.name}.zip", lambda out: out.writelines(archive))
