"""Tables as Parquet files, made in memory and fast: a run has four small ones.

pyarrow works out anew for each table what its columns are and what pandas is to be told of them,
which takes longer than all else where a table is small. Here that is kept for tables alike.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow


def parquet_bytes(table: "pd.DataFrame") -> bytes:
    """Return a table as the bytes of a Parquet file, without its index."""
    import pyarrow
    from pyarrow import parquet

    sink = pyarrow.BufferOutputStream()
    parquet.write_table(arrow_table(table), sink, write_page_checksum=True)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def arrow_table(table: "pd.DataFrame") -> "pyarrow.Table":
    """Return what ``pyarrow.Table.from_pandas`` does, without the index."""
    import pyarrow

    kinds = tuple(table.dtypes)
    if not all(map(_is_plain, kinds)) or not table.columns.is_unique:
        return pyarrow.Table.from_pandas(table, preserve_index=False)
    schema = _schema(tuple(table.columns), kinds)
    arrays = [_array(column) for _, column in table.items()]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


@lru_cache(maxsize=64)
def _schema(names: tuple[str, ...], kinds: tuple[Any, ...]) -> "pyarrow.Schema":
    """Return the schema of a table of plain columns, which follows from their kinds alone."""
    import pandas as pd
    import pyarrow

    empty = {name: pd.Series([], dtype=kind) for name, kind in zip(names, kinds, strict=True)}
    return pyarrow.Schema.from_pandas(pd.DataFrame(empty), preserve_index=False)


def _is_plain(kind: Any) -> bool:
    import pandas as pd

    return kind.kind in "bif" or isinstance(kind, (pd.StringDtype, pd.Int64Dtype))


def _array(column: "pd.Series[Any]") -> "pyarrow.Array":
    import pyarrow

    values = column.array if hasattr(column.array, "__arrow_array__") else column.to_numpy()
    return pyarrow.array(values, from_pandas=True)
