"""Exports: tables as spreadsheet-safe CSV, a whole run as a zip, both as streams.

A spreadsheet runs a cell that starts with = + - or @ (or a full-width or small form of them) as a
formula, whoever wrote it. An apostrophe before it makes it text. Where a cell ends also depends on
the reader: a spreadsheet set to another list separator, as in much of Europe, cuts a line at its
semicolons and ignores quotes, so that the rest of a text becomes a cell, and after a line break a
row. So an apostrophe is put wherever in a text a cell could begin, not only at its front.
Numbers stay numbers. The file begins with a byte order mark, without which Excel takes UTF-8 for
the code page of the machine; pandas skips it (Python's csv module: encoding "utf-8-sig").
Libraries for this (defusedcsv) look at the front of a cell only.
"""

import codecs
import io
import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol
from zipfile import ZIP_DEFLATED

from zipstream import ZipStream

from sdlab.columns import OPTIONAL_TABLES, TABLES
from sdlab.errors import StoreError, unknown
from sdlab.runs.atomic import write_file
from sdlab.runs.attention import ATTENTION, open_attention, write_npz
from sdlab.runs.expansion import check_expansion
from sdlab.runs.parquet import parquet_bytes
from sdlab.runs.pictures import PATTERN
from sdlab.runs.run_folder import FILES, OPTIONAL_FILES, read_manifest, read_table, table_file

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
    return b"".join(csv_blocks(table))


def safe_cell(value: Any) -> Any:
    """Return a cell's value; in a text, whatever a spreadsheet would run gets an apostrophe."""
    return _RUN.sub("'", value) if isinstance(value, str) else value


def write_zip(folder: str | Path, stream: Sink) -> None:
    """Write the zip of a run folder to a stream, which needs neither seek nor tell.

    Args:
        folder: The run folder.
        stream: Has ``write``.

    Raises:
        StoreError: If the folder is no run or a file of it is damaged.
    """
    for block in zip_of(folder):
        stream.write(block)


def zip_of(folder: str | Path) -> ZipStream:
    """Return the zip of a run folder, made block by block while it is read.

    It holds the folder's files as they are, and each table as CSV.

    Raises:
        StoreError: If the folder is no run; while it is read, if a table is damaged.
    """
    folder = Path(folder)
    read_manifest(folder)
    archive = ZipStream()
    add_run(folder, archive)
    return archive


def add_run(folder: Path, archive: ZipStream, under: str = "") -> None:
    """Add a run folder to a zip: its files as they are, and each table as CSV.

    Args:
        folder: The run folder.
        archive: The zip.
        under: Prefix of its name in the zip, such as "runs/".
    """
    pictures = sorted(path.name for path in folder.glob(PATTERN))
    for name in (*FILES, *OPTIONAL_FILES, *pictures):
        path = folder / name
        if path.is_file() and not path.is_symlink():
            # Not compressed: PNG, Parquet and floats hardly shrink.
            archive.add_path(path, f"{under}{folder.name}/{name}", recurse=False)
    for name in (*TABLES, *OPTIONAL_TABLES):
        table = table_file(folder, name)
        target = f"{under}{folder.name}/{name}"
        if table.parent != folder:  # of a run that was compacted, whose zip is whole again
            archive.add(_from_shard(folder, name, "parquet"), f"{target}.parquet")
            blocks = _from_shard(folder, name, "csv")
            archive.add(blocks, f"{target}.csv", compress_type=ZIP_DEFLATED)
        elif table.is_file() and not table.is_symlink():
            archive.add(_stored_csv(table), f"{target}.csv", compress_type=ZIP_DEFLATED)


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


def table_blocks(table: "pd.DataFrame", kind: str) -> Iterator[bytes]:
    """Return a table as a file, in blocks.

    Args:
        table: The table.
        kind: "csv" or "parquet".

    Raises:
        ValueError: If the kind is another.
    """
    if kind == "csv":
        return csv_blocks(table)
    if kind != "parquet":
        raise ValueError(unknown("kind of table", kind, ("csv", "parquet")))
    return iter([parquet_bytes(table)])


def _write_table(table: "pd.DataFrame", kind: str, stream: BinaryIO) -> None:
    for block in table_blocks(table, kind):
        stream.write(block)


def _from_shard(folder: Path, name: str, kind: str) -> Iterator[bytes]:
    """Yield a table of a run that was compacted, as a file; nothing is read before it is asked."""
    yield from table_blocks(read_table(folder, name), kind)


def _stored_csv(path: Path) -> Iterator[bytes]:
    """Yield a stored table as CSV, a few rows in memory at a time."""
    import pyarrow
    import pyarrow.parquet

    try:
        check_expansion(path)
        with pyarrow.parquet.ParquetFile(path, page_checksum_verification=True) as file:
            header = True
            for batch in file.iter_batches(ROWS):
                yield _csv(batch.to_pandas(), header)
                header = False
            if header:
                yield _csv(file.schema_arrow.empty_table().to_pandas(), header)
    except (OSError, pyarrow.ArrowException) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error


def csv_blocks(table: "pd.DataFrame", header: bool = True) -> Iterator[bytes]:
    """Yield what ``csv_bytes`` returns, a block of rows at a time.

    Args:
        table: The table.
        header: Whether the names of the columns come first; not if it goes on with another's rows.
    """
    for start in range(0, max(1, len(table)), ROWS):
        yield _csv(table.iloc[start : start + ROWS], header=header and start == 0)


def _csv(table: "pd.DataFrame", header: bool) -> bytes:
    text = table.select_dtypes(include=["object", "string", "category"]).columns
    safe = table.assign(**{name: table[name].astype(object).map(safe_cell) for name in text})
    safe.columns = [safe_cell(name) for name in safe.columns]
    out = io.StringIO()
    safe.to_csv(out, index=False, header=header, lineterminator="\r\n")
    return (codecs.BOM_UTF8 if header else b"") + out.getvalue().encode()
