"""The command ``sdlab export``."""

from pathlib import Path
from typing import Annotated

import typer

from sdlab.cli.options import Root
from sdlab.cli.registry import command
from sdlab.runs import find_run, runs_root


@command()
def export(
    run: Annotated[str, typer.Argument(help="The run's id, or how it begins.")],
    csv: Annotated[Path | None, typer.Option(help="Folder for one CSV file a table.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Folder for the Parquet files.")] = None,
    zip: Annotated[Path | None, typer.Option(help="Folder for one zip of everything.")] = None,
    npz: Annotated[Path | None, typer.Option(help="Folder for the attention maps as npz.")] = None,
    safetensors: Annotated[Path | None, typer.Option(help="Folder for the maps as such.")] = None,
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
        for path in export_run(folder, kind, directory) if directory else ():
            typer.echo(str(path))
