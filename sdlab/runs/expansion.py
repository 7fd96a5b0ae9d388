"""What a Parquet file takes in memory, asked of its footer before anything of it is read.

A value that repeats is stored once and counted, so a file of some kilobytes may say that it has a
billion rows, or a million times the same megabyte. Stored tables hold numbers that differ, and
take a few times the room of their files. What would take a hundred times that is refused.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sdlab.errors import StoreError
from sdlab.models.memory import readable

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData, ParquetFile

ROOM = 2**26
"""Bytes that any file may take."""
RATIO = 100
"""And this many times its own size."""
CELL = 8
"""Bytes of a number, or of where a text begins."""
CODECS = ("UNCOMPRESSED", "SNAPPY", "ZSTD")
"""What sdlab compresses by."""


def check_expansion(path: Path) -> None:
    """Raise if a stored table would take far more memory than its file has bytes.

    Args:
        path: A plain file, as ``check_plain`` says.

    Raises:
        StoreError: If it would, if it has columns of lists, or is compressed as sdlab does not.
        ArrowException: If it is no Parquet file.
        OSError: Likewise.
    """
    from pyarrow import parquet

    most = max(ROOM, RATIO * path.stat().st_size)
    with parquet.ParquetFile(path) as file:
        about = file.metadata
        taken = about.num_rows * about.num_columns * CELL + _stored(path, about)
        if taken <= most and taken + sum(_longest(about)) * about.num_rows > most:
            taken += _texts(file, path, most)
    if taken > most:
        raise StoreError(
            f"{path} would take {readable(taken)} in memory; sdlab wrote no such file. Delete it,"
            " or its folder."
        )


def _stored(path: Path, about: "FileMetaData") -> int:
    """Return how many bytes all columns are before compression.

    Raises:
        StoreError: If a column is none of a stored table.
    """
    total = 0
    for group in range(about.num_row_groups):
        for number in range(about.num_columns):
            column = about.row_group(group).column(number)
            if column.compression not in CODECS:
                raise StoreError(f"{path} is compressed by {column.compression}; sdlab does not.")
            if about.schema.column(number).max_repetition_level:
                raise StoreError(f"{path} has lists in {column.path_in_schema}; no table does.")
            total += max(0, column.total_uncompressed_size)
    return total


def _longest(about: "FileMetaData") -> Iterator[int]:
    """Yield for each column of texts how long one may be at most."""
    for number in range(about.num_columns):
        if about.schema.column(number).physical_type in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"):
            groups = range(about.num_row_groups)
            yield max(about.row_group(g).column(number).total_uncompressed_size for g in groups)


def _texts(file: "ParquetFile", path: Path, most: int) -> int:
    """Return how many bytes all texts are; each different one is read once."""
    from pyarrow import compute, parquet

    names = [c.name for c in file.schema if c.physical_type == "BYTE_ARRAY"]
    total = 0
    with parquet.ParquetFile(path, read_dictionary=names) as folded:
        for batch in folded.iter_batches(columns=names):
            for column in batch.columns:
                if hasattr(column, "dictionary"):
                    lengths = compute.binary_length(column.dictionary).fill_null(0)
                    total += compute.sum(lengths.take(column.indices)).as_py() or 0
            if total > most:
                break
    return total
