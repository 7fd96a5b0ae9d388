"""A run as a folder: manifest, picture, tables, tensors; written whole, checked when read.

``tensors.safetensors`` holds the final ``latents`` [1, C, h, w], every recorded tensor
[K, C, h, w], ``kept`` (int64 [K], the evaluations they are of) and ``sigmas`` (float64, one for
every evaluation). Opening a run reads the tensors' header only; each is loaded when first used.
``attention.safetensors`` and ``attention.parquet`` are there if the run recorded attention, and
``input-<hash>.png`` for each picture that it started from.
"""

import json
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.columns import OPTIONAL_TABLES, TABLES
from sdlab.errors import StoreError, check_types, shown
from sdlab.runs import run_path
from sdlab.runs.atomic import write_folders
from sdlab.runs.attention import ATTENTION, open_attention, save_attention
from sdlab.runs.leavings import recover
from sdlab.runs.manifest import FORMAT
from sdlab.runs.marks import MARKS, keep_marks
from sdlab.runs.parquet import files_of_all, parquet_bytes
from sdlab.runs.pictures import read_pictures, save_pictures
from sdlab.runs.png import png_bytes
from sdlab.runs.reading import (
    MANIFEST,
    MAX_PIXELS,
    check_plain,
    png_size,
    read_json_manifest,
    read_parquet,
)
from sdlab.runs.shards import SHARDS, shard_of
from sdlab.runs.tensors import StoredTensors, read_tensors, tensor_of, write_tensors

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

    from sdlab.attention.maps import AttentionMaps
    from sdlab.experiment.experiment import Experiment
    from sdlab.runs.run import Run

IMAGE, TENSORS = "image.png", "tensors.safetensors"
TABLE_FILES = tuple(f"{name}.parquet" for name in TABLES)
"""These may lie in a shard instead; see ``sdlab.runs.shards``."""
FILES = (MANIFEST, IMAGE, TENSORS, *TABLE_FILES)
LEFT_OUT = "attention_left_out"
"""Entry of the manifest of a run that asked for attention which could not be read."""

OPTIONAL_FILES = (ATTENTION, MARKS, *(f"{name}.parquet" for name in OPTIONAL_TABLES))
MANIFEST_LIMIT = 4 * 2**20
MAX_STEPS = 2**31 - 1
MODEL = ("name", "hash")
REQUIRED = ("id", "experiment", "model", "versions", "created", "width", "height")
ABOUT_TRACE = ("kept", "sigmas")


def save_run(run: "Run", folder: str | Path) -> Path:
    """Write a run to ``folder``/<id> in one piece and return that path.

    A run of the same id is replaced; star, tags and note stay.

    Raises:
        StoreError: If it cannot be written whole; nothing half is left, nothing old is lost.
    """
    (path,) = save_runs([run], folder)
    return path


def save_runs(runs: "Iterable[Run]", folder: str | Path) -> list[Path]:
    """Write runs of different ids as ``save_run`` does, in less time, and return their paths.

    Raises:
        StoreError: If one cannot be written whole; then others may lack too.
    """
    listed, root = list(runs), Path(folder)
    tables = files_of_all([run.tables for run in listed])
    writers = {
        run_path(folder, run.id): partial(_write, run, files, root)
        for run, files in zip(listed, tables, strict=True)
    }
    write_folders(writers)
    return list(writers)


def _write(run: "Run", tables: Mapping[str, bytes], root: Path, place: Path) -> None:
    """Fill an empty folder with a run; ``root`` is where an older one of its id may be."""
    import torch

    data = _manifest_bytes(run)
    (place / MANIFEST).write_bytes(data)
    (place / IMAGE).write_bytes(png_bytes(run.image, run.manifest))
    save_pictures(run.experiment, place)
    keep_marks(run_path(root, run.id), place)
    for name, table in tables.items():
        (place / f"{name}.parquet").write_bytes(table)
    tensors = {name: run.tensors[name].detach().cpu().contiguous() for name in run.tensors}
    tensors["kept"] = torch.tensor(run.trace.kept, dtype=torch.int64)
    tensors["sigmas"] = torch.tensor(run.trace.sigmas, dtype=torch.float64)
    write_tensors(tensors, place / TENSORS)
    if run.trace.has_attention:
        save_attention(run.trace.attention, place / ATTENTION)
        (place / "attention.parquet").write_bytes(parquet_bytes(run.attention))
    for path in place.glob("*.safetensors"):  # which are made readable by their owner only
        path.chmod((place / MANIFEST).stat().st_mode)


def _manifest_bytes(run: "Run") -> bytes:
    facts = dict(run.manifest)
    if run.experiment.record.attention and not run.trace.has_attention:
        facts[LEFT_OUT] = True
    manifest = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False)
    data = (manifest + "\n").encode()
    if len(data) > MANIFEST_LIMIT:
        raise StoreError(
            f"The manifest of run {run.id} has {len(data):,} bytes and could not be opened"
            f" again; at most {MANIFEST_LIMIT:,} are. Shorten its texts and options."
        )
    return data


def open_run(path: str | Path) -> "Run":
    """Return the run of a folder, its tensors still on the disk.

    A picture that the run started from may be missing or damaged; then ``warnings`` of its manifest
    say so.

    Args:
        path: A run folder, ``runs/<id>``.

    Raises:
        StoreError: If there is none, or a file of it is missing or damaged; the message names it.
        TypeError: If ``path`` is no path.
    """
    check_types(open_run, path=(path, (str, Path)))
    from sdlab.runs.run import Run
    from sdlab.runs.trace import Trace

    folder = Path(path).expanduser()
    _check_name(folder)
    recover(folder)
    manifest, experiment = read_facts(folder)
    attended = experiment.record.attention and not manifest.get(LEFT_OUT)
    needed = (*FILES, ATTENTION) if attended else FILES
    absent = [name for name in needed if not (folder / name).is_file()]
    if missing := not_in_shard(folder, manifest, absent):
        raise StoreError(f"Run folder {lacking(folder, missing)}")
    for name in needed:
        if name not in TABLE_FILES:
            check_plain(folder / name)
    tables = {name: read_table(folder, name) for name in TABLES}
    names, kept, sigmas = read_tensors(folder / TENSORS, _about)
    tensors = StoredTensors(folder / TENSORS, names)
    recorded = StoredTensors(folder / TENSORS, [name for name in names if name != "latents"])
    trace = Trace(kept, sigmas, recorded, _attention(folder) if ATTENTION in needed else None)
    experiment, notes = read_pictures(experiment, [folder])
    if notes:
        manifest["warnings"] = [*manifest.get("warnings", ()), *notes]
    return Run(experiment, open_picture(folder), trace, tables, tensors, manifest)


def _check_name(folder: Path) -> None:
    try:
        folder.exists()
        name = folder.resolve().name
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL, links in a circle
        reason = getattr(error, "strerror", None) or error
        raise StoreError(f"{shown(str(folder))} is no folder of a run: {reason}.") from error
    run_path(folder.parent, name)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run folder.

    Raises:
        StoreError: If it is missing, no JSON, or of a format that this version does not know.
    """
    manifest = read_json_manifest(folder, "run", FORMAT, MANIFEST_LIMIT)
    absent = [name for name in REQUIRED if name not in manifest]
    if absent:
        raise StoreError(f"{folder / MANIFEST} lacks {', '.join(absent)}.")
    return manifest


def read_facts(folder: Path) -> "tuple[dict[str, Any], Experiment]":
    """Return the manifest of a run folder and its experiment, both as this version writes them.

    Raises:
        StoreError: If the manifest is missing or damaged; the message names what is wrong with it.
    """
    manifest = read_manifest(folder)
    experiment = _experiment(folder, manifest)
    for name in ("width", "height"):
        _whole(folder, name, manifest[name], MAX_PIXELS)
    _whole(folder, "num_steps", experiment.num_steps, MAX_STEPS)
    model = manifest["model"]
    if not isinstance(model, dict) or not all(isinstance(model.get(n), str) for n in MODEL):
        raise StoreError(f"{folder / MANIFEST} must name its model and the model's hash.")
    if not _is_time(manifest["created"]):
        raise StoreError(f"{folder / MANIFEST} must hold as created a time, in ISO 8601.")
    return manifest, experiment


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


def open_picture(folder: Path) -> "Image.Image":
    """Return the picture of a run folder, in memory.

    Raises:
        StoreError: If it cannot be read as a PNG, or is larger than any picture that was made.
    """
    from PIL import Image

    path = folder / IMAGE
    png_size(path)
    try:
        with Image.open(path, formats=["PNG"]) as image:
            image.load()
            return image
    except (OSError, ValueError, SyntaxError) as error:
        raise StoreError(f"{path} cannot be read as a PNG: {error}.") from error


def read_table(folder: Path, name: str) -> "pd.DataFrame":
    """Return one table of a run, from its folder or from the shard that holds it.

    Raises:
        StoreError: If it is no Parquet file or lacks a column.
    """
    path = table_file(folder, name)
    try:
        return _table_at(path, folder, name)
    except StoreError:
        moved = table_file(folder, name)
        if moved == path:
            raise
        return _table_at(moved, folder, name)  # another process has compacted the store


def table_file(folder: Path, name: str) -> Path:
    """Return the file with a table of a run: its own, or that of its shard with other runs too."""
    own = folder / f"{name}.parquet"
    if name not in TABLES or os.path.lexists(own):
        return own
    try:
        shard = shard_of(folder, read_manifest(folder)["created"])
    except StoreError:
        return own
    return own if shard is None else shard / own.name


def not_in_shard(folder: Path, manifest: Mapping[str, Any], absent: list[str]) -> list[str]:
    """Return those of the files that a run's folder lacks which are not in a shard either."""
    tables = set(absent) & set(TABLE_FILES)
    if not tables or shard_of(folder, manifest["created"]) is None:
        return absent
    return [name for name in absent if name not in tables]


def lacking(folder: Path, missing: list[str]) -> str:
    """Return what is said of a run's folder that lacks files, and what may have become of them."""
    said = f"{folder} lacks {', '.join(missing)}; it cannot be opened."
    if set(missing) != set(TABLE_FILES):
        return said
    return (
        f"{said} Was it copied from another store, where `sdlab runs compact` has put its tables"
        f" into {SHARDS}? Copy that folder too, into {folder.parent / SHARDS}, or take the run by"
        f" `sdlab export {folder.name} --zip` there."
    )


def _table_at(path: Path, folder: Path, name: str) -> "pd.DataFrame":
    columns = {**TABLES, **OPTIONAL_TABLES}[name]
    return read_parquet(path, columns, None if path.parent == folder else folder.name)


def _whole(folder: Path, name: str, value: object, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= most:
        raise StoreError(
            f"{folder / MANIFEST} must hold as {name} a whole number from 1 to {most:,}, not"
            f" {value!r:.60}."
        )


def _experiment(folder: Path, manifest: Mapping[str, Any]) -> "Experiment":
    from sdlab.experiment.experiment import Experiment

    try:
        experiment = Experiment.from_dict(manifest["experiment"])
    except (TypeError, ValueError, AttributeError, KeyError, ArithmeticError) as error:
        raise StoreError(f"{folder / MANIFEST} holds no valid experiment: {error}") from error
    if experiment.id != folder.resolve().name:
        raise StoreError(
            f"{folder} holds the experiment {experiment.id}, not the one it is named for; its"
            f" {MANIFEST} was changed, or the folder renamed."
        )
    return experiment


def _attention(folder: Path) -> "AttentionMaps":
    """Return the maps, still on the disk, with the table stored beside them, if there is one."""
    stored = (folder / "attention.parquet").is_file()
    load = partial(read_table, folder, "attention") if stored else None
    return open_attention(folder / ATTENTION, load)


def _about(file: Any) -> tuple[list[str], list[int], list[float]]:
    kept, sigmas = (tensor_of(file, name).tolist() for name in ABOUT_TRACE)
    names = [name for name in file.keys() if name not in ABOUT_TRACE]
    return names, kept, sigmas
