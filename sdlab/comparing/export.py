"""A whole comparison as one zip: tables, verdict, pictures, and the runs if asked for."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED

from zipstream import ZipStream

from sdlab.comparing.result import Result
from sdlab.errors import StoreError
from sdlab.runs import run_path
from sdlab.runs.export import Sink, add_run, csv_blocks
from sdlab.runs.pictures import file_name
from sdlab.runs.png import png_bytes
from sdlab.runs.reading import MANIFEST
from sdlab.runs.run_folder import IMAGE, read_manifest

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.runs.run import Run

SLUG = 40


def write_zip(
    result: Result, stream: Sink, root: str | Path | None = None, *, runs: bool = False
) -> None:
    """Write the zip of a comparison to a stream, which needs neither seek nor tell.

    Args:
        result: The comparison's.
        stream: Has ``write``.
        root: As ``zip_of`` takes it.
        runs: Likewise.

    Raises:
        ValueError: As ``zip_of``.
        StoreError: Likewise; then nothing is written.
    """
    for block in zip_of(result, root, runs=runs):
        stream.write(block)


def zip_of(result: Result, root: str | Path | None = None, *, runs: bool = False) -> ZipStream:
    """Return the zip of a comparison, made block by block while it is read.

    It holds ``manifest.json``, ``verdict.txt``, the pictures that runs start from as
    ``input-<hash>.png``, every table as ``<table>.csv`` and
    ``<table>.parquet``, and ``pictures/<number>-<entrant>-seed<seed>-<budget>.png`` in the order of
    the ``runs`` table, the references' as ``pictures/reference-<number>-seed<seed>.png``.

    Args:
        result: The comparison's.
        root: The folder of all runs, from which pictures are taken that are not in memory and
            still of the result's weights; None for those in memory only.
        runs: Whether the run folders are added, as ``runs/<id>/``.

    Raises:
        ValueError: If ``runs`` is asked for without ``root``.
        StoreError: If a run folder that is asked for is missing, damaged or of other weights.
    """
    if runs and root is None:
        raise ValueError("runs=True needs root, the folder of all runs.")
    folders = run_folders(result, root) if runs and root is not None else []
    archive = ZipStream()
    manifest = json.dumps(result.manifest, indent=2, ensure_ascii=False)
    archive.add(manifest + "\n", MANIFEST, compress_type=ZIP_DEFLATED)
    verdict = "\n".join(result.verdict) + "\n"
    archive.add(verdict, "verdict.txt", compress_type=ZIP_DEFLATED)
    for picture in set(result.comparison.source_pictures.values()):
        if picture.has_pixels:
            archive.add(png_bytes(picture.image), file_name(picture.hash))
    for name, table in result.tables.items():
        archive.add(csv_blocks(table), f"{name}.csv", compress_type=ZIP_DEFLATED)
        archive.add(_parquet(table), f"{name}.parquet")
    for key, name in _pictures(result):
        _add_picture(archive, name, result, key, root)
    for folder in folders:
        add_run(folder, archive, "runs/")
    return archive


def run_folders(result: Result, root: str | Path) -> list[Path]:
    """Return the folders of a comparison's runs and references (not those at half the steps).

    Raises:
        StoreError: If one is missing or damaged, or was made again by other weights; the message
            names it.
    """
    folders = [run_path(root, key) for key in result.ids]
    for folder in folders:
        if read_manifest(folder)["model"].get("hash") != result.model_hash:
            raise StoreError(
                f"{folder} was made again by other weights than the comparison's"
                f" (model {result.model_hash}); compare again."
            )
    return folders


def _is_of(result: Result, folder: Path) -> bool:
    """Return whether a stored run is still whole and of the weights that the result is of."""
    try:
        return bool(read_manifest(folder)["model"].get("hash") == result.model_hash)
    except StoreError:
        return False


def _pictures(result: Result) -> list[tuple[str, str]]:
    """Return (run id, name in the zip) of every picture there is."""
    names = []
    for number, row in enumerate(result.tables["references"].itertuples()):
        names.append((str(row.run), f"pictures/reference-{number:02d}-seed{row.seed}.png"))
    unit = "evaluations" if result.comparison.align == "nfe" else "steps"
    for number, row in enumerate(result.tables["runs"].itertuples()):
        if row.state == "done":
            which = f"{number:03d}-{_slug(str(row.entrant))}-seed{row.seed}-{row.budget}{unit}"
            names.append((str(row.run), f"pictures/{which}.png"))
    return names


def _add_picture(
    archive: ZipStream, name: str, result: Result, key: str, root: str | Path | None
) -> None:
    if key in result.made:
        archive.add(_png(result.made[key]), name)
    elif root is not None:
        path = run_path(root, key) / IMAGE
        if path.is_file() and not path.is_symlink() and _is_of(result, path.parent):
            archive.add_path(path, name, recurse=False)


def _png(run: "Run") -> Iterator[bytes]:
    """Yield a run's picture when its turn in the zip comes, not before."""
    yield png_bytes(run.image, run.manifest)


def _parquet(table: "pd.DataFrame") -> Iterator[bytes]:
    stored = io.BytesIO()
    table.to_parquet(stored, index=False)
    yield stored.getvalue()


def _slug(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", label).strip("-.")[:SLUG] or "sampler"
