"""Exports: tables as spreadsheet-safe CSV, a whole run as a zip, both as streams.

A spreadsheet runs a cell that starts with = + - or @ as a formula, whoever wrote it, so text cells
that start so (or with a tab or a carriage return, which it skips) get a leading apostrophe, which
makes them text. Numbers stay numbers.
"""

import io
import shutil
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from sdlab.errors import StoreError, unknown
from sdlab.store.atomic import write_file
from sdlab.store.attention import ATTENTION, open_attention, write_npz
from sdlab.store.run_folder import FILES, OPTIONAL_FILES, read_manifest, read_table
from sdlab.tracing.columns import OPTIONAL_TABLES, TABLES

if TYPE_CHECKING:
    import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r")
KINDS = ("csv", "parquet", "zip", "npz", "safetensors")
BLOCK = 2**18
ROWS = 1000


class Sink(Protocol):
    """Anything that bytes can be written to: a file, a socket, a queue."""

    def write(self, data: bytes, /) -> Any:
        """Take the bytes."""


def csv_bytes(table: "pd.DataFrame") -> bytes:
    """Return a table as CSV, UTF-8, RFC 4180, its text cells safe for a spreadsheet."""
    return b"".join(_csv_blocks(table))


def safe_cell(value: Any) -> Any:
    """Return a cell's value, with an apostrophe before text that a spreadsheet would run."""
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


def write_zip(folder: str | Path, stream: Sink) -> None:
    """Write a zip of a run folder to a stream: its files as they are, and each table as CSV.

    The stream needs neither seek nor tell, and no more than a block is held in memory.

    Args:
        folder: The run folder.
        stream: Has ``write``.

    Raises:
        StoreError: If the folder is no run or a file of it is damaged.
    """
    folder = Path(folder)
    read_manifest(folder)
    with open_zip(stream) as archive:
        add_run(folder, archive)


def open_zip(stream: Sink) -> zipfile.ZipFile:
    """Return a zip to write to a stream, straight through."""
    return zipfile.ZipFile(_Unseekable(stream), "w")


def add_run(folder: Path, archive: zipfile.ZipFile, under: str = "") -> None:
    """Add a run folder to a zip: its files as they are, and each table as CSV.

    Args:
        folder: The run folder.
        archive: The zip.
        under: What its name in the zip begins with, such as "runs/".

    Raises:
        StoreError: If a table is damaged.
    """
    for name in (*FILES, *OPTIONAL_FILES):
        path = folder / name
        if path.is_file() and not path.is_symlink():
            add_file(path, archive, f"{under}{folder.name}/{name}")
    for name in (*TABLES, *OPTIONAL_TABLES):
        if (folder / f"{name}.parquet").is_file():
            _add_csv(folder, name, archive, under)


def export_run(folder: Path, kind: str, directory: Path) -> list[Path]:
    """Write a run's tables or its zip as files and return their paths.

    Args:
        folder: The run folder.
        kind: "csv" or "parquet", one file a table; "zip", one file with everything; "npz" or
            "safetensors", the attention maps.
        directory: Where to; made if it is not there. A file of the same name is replaced.

    Raises:
        ValueError: If the kind is unknown.
        StoreError: If the run cannot be read or a file not be written; none is left half. If maps
            are asked for that the run did not record.
    """
    if kind not in KINDS:
        raise ValueError(unknown("kind of export", kind, KINDS))
    read_manifest(folder)
    if kind == "zip":
        target = directory / f"{folder.name}.zip"
        return [write_file(target, lambda stream: write_zip(folder, stream))]
    if kind in ("npz", "safetensors"):
        target = directory / f"{folder.name}-attention.{kind}"
        return [write_file(target, partial(_write_maps, folder, kind))]
    out = []
    optional = [name for name in OPTIONAL_TABLES if (folder / f"{name}.parquet").is_file()]
    for name in (*TABLES, *optional):
        table = read_table(folder, name)
        target = directory / f"{folder.name}-{name}.{kind}"
        out.append(write_file(target, partial(_write_table, table, kind)))
    return out


def _write_maps(folder: Path, kind: str, stream: BinaryIO) -> None:
    path = folder / ATTENTION
    if not path.is_file() or path.is_symlink():
        raise StoreError(f"Run {folder.name} recorded no attention; `sdlab run --attention` does.")
    if kind == "npz":
        write_npz(open_attention(path), stream)
        return
    with path.open("rb") as source:
        shutil.copyfileobj(source, stream, BLOCK)


def _write_table(table: "pd.DataFrame", kind: str, stream: BinaryIO) -> None:
    if kind == "parquet":
        table.to_parquet(stream, index=False)
        return
    for block in _csv_blocks(table):
        stream.write(block)


def add_file(path: Path, archive: zipfile.ZipFile, name: str) -> None:
    """Add a file to a zip under a name, as it is."""
    # PNG, Parquet and floats hardly shrink; large files may need zip64.
    entry = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
    with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
        shutil.copyfileobj(source, target, BLOCK)


def _add_csv(folder: Path, name: str, archive: zipfile.ZipFile, under: str) -> None:
    import pyarrow
    import pyarrow.parquet

    entry = zipfile.ZipInfo(f"{under}{folder.name}/{name}.csv")
    entry.compress_type = zipfile.ZIP_DEFLATED
    try:
        with pyarrow.parquet.ParquetFile(folder / f"{name}.parquet") as file:
            with archive.open(entry, "w", force_zip64=True) as target:
                header = True
                for batch in file.iter_batches(ROWS):
                    target.write(_csv(batch.to_pandas(), header))
                    header = False
                if header:
                    target.write(_csv(file.schema_arrow.empty_table().to_pandas(), header))
    except (OSError, pyarrow.ArrowException) as error:
        raise StoreError(f"{folder / name}.parquet cannot be read: {error}") from error


def _csv_blocks(table: "pd.DataFrame") -> Iterator[bytes]:
    for start in range(0, max(1, len(table)), ROWS):
        yield _csv(table.iloc[start : start + ROWS], header=start == 0)


def _csv(table: "pd.DataFrame", header: bool) -> bytes:
    text = table.select_dtypes(include=["object", "string", "category"]).columns
    safe = table.assign(**{name: table[name].astype(object).map(safe_cell) for name in text})
    safe.columns = [safe_cell(name) for name in safe.columns]
    out = io.StringIO()
    safe.to_csv(out, index=False, header=header, lineterminator="\r\n")
    return out.getvalue().encode()


class _Unseekable(io.RawIOBase, BinaryIO):
    """Hides whatever else a stream can do, so that the zip is written straight through."""

    def __init__(self, stream: Sink) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._stream.write(bytes(data))
        return len(data)
