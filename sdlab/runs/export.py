"""Exports: tables as spreadsheet-safe CSV, a whole run as a zip, both as streams.

A spreadsheet runs a cell that starts with = + - or @ (or a full-width or small form of them) as a
formula, whoever wrote it. An apostrophe before it makes it text. Where a cell ends also depends on
the reader: a spreadsheet set to another list separator, as in much of Europe, cuts a line at its
semicolons and ignores quotes, so that the rest of a text becomes a cell, and after a line break a
row. So an apostrophe is put wherever in a text a cell could begin, not only at its front.
Numbers stay numbers. The file begins with a byte order mark, without which Excel takes UTF-8 for
the code page of the machine; pandas skips it (Python's csv module: encoding "utf-8-sig").
"""

import codecs
import io
import re
import shutil
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from sdlab.columns import OPTIONAL_TABLES, TABLES
from sdlab.errors import StoreError, unknown
from sdlab.runs.atomic import write_file
from sdlab.runs.attention import ATTENTION, open_attention, write_npz
from sdlab.runs.run_folder import FILES, OPTIONAL_FILES, read_manifest, read_table

if TYPE_CHECKING:
    import pandas as pd

# = + - @ and what Unicode calls their full-width, small, raised and lowered forms; the minus sign.
FORMULA = "=+\\-@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋\u2212"
# What may end a cell or a row: other list separators, and the line breaks of any system.
_ENDS = ";|\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
# What a spreadsheet may skip before a formula: quotes, other white space, marks of no width.
_SKIPPED = rf"[^\S{_ENDS}]|[\"\u00ad\u200b-\u200f\u2060\ufeff\x00-\x08\x0e-\x1b]"
_RUN = re.compile(rf"(?<![^{_ENDS}])(?=(?:{_SKIPPED})*[{FORMULA}])|\A(?=[\t\r\n])")
KINDS = ("csv", "parquet", "zip", "npz", "safetensors")
BLOCK = 2**18
ROWS = 1000


class Sink(Protocol):
    """Anything that bytes can be written to: a file, a socket, a queue."""

    def write(self, data: bytes, /) -> Any:
        """Take the bytes."""


def csv_bytes(table: "pd.DataFrame") -> bytes:
    """Return a table as CSV, UTF-8 with a mark, RFC 4180, its text safe for a spreadsheet."""
    return b"".join(_csv_blocks(table))


def safe_cell(value: Any) -> Any:
    """Return a cell's value; in a text, whatever a spreadsheet would run gets an apostrophe."""
    return _RUN.sub("'", value) if isinstance(value, str) else value


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
    """Return a zip that is written to a stream front to back."""
    return zipfile.ZipFile(_Unseekable(stream), "w")


def add_run(folder: Path, archive: zipfile.ZipFile, under: str = "") -> None:
    """Add a run folder to a zip: its files as they are, and each table as CSV.

    Args:
        folder: The run folder.
        archive: The zip.
        under: Prefix of its name in the zip, such as "runs/".

    Raises:
        StoreError: If a table is damaged.
    """
    for name in (*FILES, *OPTIONAL_FILES):
        path = folder / name
        if path.is_file() and not path.is_symlink():
            add_file(path, archive, f"{under}{folder.name}/{name}")
    for name in (*TABLES, *OPTIONAL_TABLES):
        table = folder / f"{name}.parquet"
        if table.is_file() and not table.is_symlink():
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
    return (codecs.BOM_UTF8 if header else b"") + out.getvalue().encode()


class _Unseekable(io.RawIOBase, BinaryIO):
    """Hides that a stream can seek, so that the zip is written front to back."""

    def __init__(self, stream: Sink) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._stream.write(bytes(data))
        return len(data)
